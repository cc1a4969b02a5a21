//! Facts that are written in more than one place are the same in each.

use std::fs;
use std::path::Path;

/// Reads a file of this repository.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the items of the numbered list at the beginning of `lines`, each as one line.
fn items<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in lines.map(str::trim).take_while(|line| !line.is_empty()) {
        match line.split_once(". ") {
            Some((number, text)) if number.parse() == Ok(items.len() + 1) => {
                items.push(text.to_owned());
            }
            _ => {
                let item = items.last_mut().unwrap_or_else(|| panic!("not an item: {line}"));
                item.push(' ');
                item.push_str(line);
            }
        }
    }
    items
}

/// Returns the promises in the documentation of the `Pool` trait, which is their source.
fn promises() -> Vec<String> {
    let source = read("crates/core/src/pool.rs");
    let docs = source.lines().map_while(|line| {
        if line.starts_with("pub trait") {
            None
        } else {
            Some(line.strip_prefix("///").unwrap_or(""))
        }
    });
    let list = docs.skip_while(|line| !line.trim_start().starts_with("1. "));
    let promises = items(list);
    assert_eq!(promises.len(), 9, "{promises:#?}");
    promises
}

/// Returns the part of a text between `<!-- name -->` and `<!-- /name -->`.
fn marked<'t>(text: &'t str, name: &str) -> &'t str {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let part = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    let (part, _) = part.unwrap_or_else(|| panic!("no part between `{begin}` and `{end}`"));
    part.trim()
}

/// Returns the bold text at the beginning of a promise.
fn bold(promise: &str) -> &str {
    let bold = promise.strip_prefix("**").and_then(|rest| rest.split_once("**"));
    bold.unwrap_or_else(|| panic!("does not begin in bold: {promise}")).0
}

#[test]
fn the_readme_lists_the_promises_of_the_pool_trait() {
    let readme = read("README.md");
    assert_eq!(items(marked(&readme, "promises").lines()), promises());
}

#[test]
fn the_reliability_page_has_a_row_for_each_promise() {
    let page = read("docs/reliability.md");
    let rows = page.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("| **")?.split_once(". ")?;
        number.parse::<usize>().ok()?;
        Some(rest.split_once("**")?.0)
    });
    let promises = promises();
    let quoted: Vec<_> = promises.iter().map(|promise| bold(promise)).collect();
    assert_eq!(rows.collect::<Vec<_>>(), quoted);
}

/// Returns what a description of a default says: its numbers with their units or, if it has none, the
/// first of some words.
fn default_of(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(" seconds", " s").replace(" minutes", " min");
    let words: Vec<_> =
        text.split_whitespace().map(|word| word.trim_matches(&['.', ',', ';', '`'][..])).collect();
    let mut numbers = Vec::new();
    for (n, word) in words.iter().enumerate() {
        if word.parse::<f64>().is_ok() {
            let unit = words.get(n + 1).filter(|unit| ["ms", "s", "min"].contains(unit));
            numbers.push(unit.map_or_else(|| (*word).to_owned(), |unit| format!("{word} {unit}")));
        }
    }
    if numbers.is_empty() {
        let known = ["no limit", "off", "none", "machine", "changed"];
        numbers.extend(known.iter().find(|known| text.contains(**known)).map(ToString::to_string));
    }
    numbers
}

#[test]
fn the_front_page_of_shared_has_the_defaults_of_its_setters() {
    let builder = read("crates/shared/src/builder.rs");
    let mut compared = 0;
    for row in read("crates/shared/src/lib.rs").lines() {
        let Some((name, rest)) =
            row.strip_prefix("//! | [`").and_then(|rest| rest.split_once("`](Builder::"))
        else {
            continue;
        };
        let in_table = rest.split('|').nth(1).expect("a column with the default");
        let Some((before, _)) = builder.split_once(&format!("pub fn {name}(")) else { continue };
        let (_, doc) = before.rsplit_once("/// Default: ").expect("a setter that says its default");
        let sentence = doc.split(". ").next().expect("a sentence").replace("///", " ");
        assert_eq!(default_of(in_table), default_of(&sentence), "{name}: {in_table} | {sentence}");
        assert!(!default_of(in_table).is_empty(), "{name}: {in_table}");
        compared += 1;
    }
    assert!(compared >= 20, "{compared}");
}
