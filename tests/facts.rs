//! Facts that are written in more than one place are the same in each.

use std::collections::BTreeSet;
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

#[test]
fn the_page_on_managers_has_each_method_of_the_trait() {
    let page = read("docs/managers.md");
    let (_, table) = page.split_once("## All methods").expect("the table of methods");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let first_cells = rows.iter().filter_map(|row| row.split('|').nth(1));
    let named: BTreeSet<_> = first_cells.flat_map(names_in_code).collect();
    let source = read("crates/core/src/manager.rs");
    let methods = source.lines().filter_map(|line| line.strip_prefix("    fn "));
    let methods: BTreeSet<_> = methods.filter_map(|line| line.split(['(', '<']).next()).collect();
    assert!(methods.len() > 20, "{methods:?}");
    assert_eq!(named, methods);
}

/// Reads the source of a pool's setters: its builder, and the setters that every builder has.
fn setters(pool: &str) -> String {
    read(&format!("crates/{pool}/src/builder.rs")) + &read("crates/core/src/parts/policies.rs")
}

/// Returns the default that the doc comment of a setter states, if `setters` has this setter.
fn stated_default(setters: &str, name: &str) -> Option<String> {
    let lines: Vec<_> = setters.lines().map(str::trim).collect();
    let signature = lines.iter().position(|line| {
        let rest = line.strip_prefix("pub fn ").and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(['(', '<']))
    })?;
    let begin = lines[..signature].iter().rposition(|line| line.is_empty()).map_or(0, |n| n + 1);
    let docs = lines[begin..signature].iter().filter_map(|line| line.strip_prefix("///"));
    let text: String = docs.map(|line| if line.is_empty() { "\n" } else { line }).collect();
    let (_, default) = text.split_once("Default: ")?;
    let sentence = default.split('\n').next()?.split(". ").next()?;
    Some(sentence.to_owned())
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
        let known = ["no limit", "off", "none", "machine", "changed", "never"];
        numbers.extend(known.iter().find(|known| text.contains(**known)).map(ToString::to_string));
    }
    numbers
}

/// Asserts that a text about a setting says the same default as the docs of the setter.
#[track_caller]
fn assert_same_default(name: &str, text: &str, stated: &str) {
    assert_eq!(default_of(text), default_of(stated), "{name}: {text} | {stated}");
    assert!(!default_of(text).is_empty(), "{name}: {text}");
}

/// Returns the names in the code of a text: the words between backticks.
fn names_in_code(text: &str) -> Vec<&str> {
    let code = text.split('`').skip(1).step_by(2);
    code.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_')).collect()
}

#[test]
fn the_front_page_of_shared_has_the_defaults_of_its_setters() {
    let setters = setters("shared");
    let mut compared = 0;
    for row in read("crates/shared/src/lib.rs").lines() {
        let Some(row) = row.strip_prefix("//! | [`") else { continue };
        let mut cells = row.split(" | ");
        let (Some(settings), Some(default)) = (cells.next(), cells.next()) else { continue };
        for name in settings.split("](Builder::").skip(1).filter_map(|rest| rest.split(')').next())
        {
            let stated = stated_default(&setters, name).expect("a setter that says its default");
            assert_same_default(name, default, &stated);
            compared += 1;
        }
    }
    assert!(compared >= 25, "{compared}");
}

/// The rows of the tables in `docs/porting.md` that have a column of our settings and one of their
/// defaults: the pool that has the settings, and the text of the two columns.
fn ported_settings() -> Vec<(&'static str, String, String)> {
    let mut rows = Vec::new();
    let mut pool = "shared";
    let mut has_defaults = false;
    for line in read("docs/porting.md").lines() {
        if line.starts_with('#') {
            pool =
                if line.contains("`PersistentPool::builder()`") { "persistent" } else { "shared" };
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if cells.len() != 7 {
            has_defaults = false;
        } else if cells[2] == "default" && cells[4] == "default" {
            has_defaults = true;
        } else if has_defaults && cells[3] == "the same" && cells[4] == "the same" {
            rows.push((pool, cells[1].to_owned(), cells[2].to_owned()));
        } else if has_defaults && !cells[4].is_empty() {
            rows.push((pool, cells[3].to_owned(), cells[4].to_owned()));
        }
    }
    rows
}

#[test]
fn the_tables_for_porting_have_the_defaults_of_the_setters() {
    let mut compared = 0;
    for (pool, settings, defaults) in ported_settings() {
        let setters = setters(pool);
        let stated: Vec<_> = names_in_code(&settings)
            .into_iter()
            .filter_map(|name| Some((name, stated_default(&setters, name)?)))
            .collect();
        // One default for each setting, or one for all of them.
        let mut each: Vec<_> = defaults.split(", ").collect();
        if each.len() != stated.len() {
            each = vec![defaults.as_str(); stated.len()];
        }
        for ((name, stated), default) in stated.iter().zip(each) {
            assert_same_default(name, default, stated);
            compared += 1;
        }
    }
    assert!(compared >= 30, "{compared}");
}

/// Returns the files of a folder that are Markdown.
fn pages(folder: &str) -> Vec<String> {
    let entries = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(entries).expect("a folder").map(|entry| entry.expect("an entry"));
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")).collect()
}

/// Returns the settings whose defaults a text states as in "`get_timeout`, 30 s by default": the code
/// and the value.
fn defaults_in_prose(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (end, _) in text.match_indices(" by default") {
        let mut parts = text[..end].rsplitn(3, '`');
        let (Some(between), Some(code)) = (parts.next(), parts.next()) else { continue };
        let value = between.trim_start_matches([',', ';', ' ', '(']);
        if value.starts_with(|c: char| c.is_ascii_digit()) && value.split(' ').count() <= 2 {
            found.push((code, value));
        }
    }
    found
}

#[test]
fn the_defaults_in_the_text_of_the_documents_are_those_of_the_setters() {
    let mut compared = 0;
    let pools = ["shared", "persistent", "queue"].map(setters);
    let pages = [vec!["README.md".to_owned()], pages("docs"), pages("docs/guide")].concat();
    for page in pages {
        let text = read(&page).split_whitespace().collect::<Vec<_>>().join(" ");
        for (code, value) in defaults_in_prose(&text) {
            let mut names = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            let stated = names.find_map(|name| {
                let stated: Vec<_> =
                    pools.iter().filter_map(|setters| stated_default(setters, name)).collect();
                (!stated.is_empty()).then_some(stated)
            });
            let Some(stated) = stated else { continue };
            let agrees = stated.iter().any(|stated| default_of(stated) == default_of(value));
            assert!(agrees, "{page}: `{code}` {value}: the setters say {stated:?}");
            compared += 1;
        }
    }
    assert!(compared >= 6, "{compared}");
}

#[test]
fn the_timeouts_of_the_mysql_manager_are_those_that_the_documents_state() {
    use threadwise_mysql::MysqlManager;
    let [connect, read_timeout, write_timeout] =
        [MysqlManager::CONNECT_TIMEOUT, MysqlManager::READ_TIMEOUT, MysqlManager::WRITE_TIMEOUT]
            .map(|timeout| format!("{} s", timeout.as_secs()));
    let row = format!("| none | {connect}, {read_timeout}, {write_timeout}; ");
    assert!(read("crates/mysql/src/lib.rs").contains(&row), "{row}");
    let ours: Vec<_> = ported_settings()
        .into_iter()
        .filter(|(_, settings, _)| settings.contains("`read_timeout`, `write_timeout`"))
        .map(|(_, _, default)| default)
        .collect();
    assert_eq!(ours, [format!("{read_timeout}, {write_timeout}")]);
}

#[test]
fn diesels_crate_which_has_its_own_workspace_has_the_keys_of_this_one() {
    let (workspace, diesel) = (read("Cargo.toml"), read("crates/diesel/Cargo.toml"));
    let inherited = workspace.split("[workspace.package]\n").nth(1).expect("the keys");
    for key in ["version", "edition", "rust-version", "license"] {
        let value = |text: &str| {
            let start = format!("{key} = ");
            let line = text.lines().find_map(|line| line.strip_prefix(&*start));
            line.and_then(|value| value.split(" #").next().map(str::to_owned))
        };
        assert_eq!(value(&diesel), value(inherited), "{key}");
        assert!(value(&diesel).is_some(), "{key}");
    }
}
