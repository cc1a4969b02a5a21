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
