//! The program of `docs/porting.md`, before and after: all three run, and the page has their differences.
//! `GUIDE=write cargo test -p threadwise-r2d2 --test porting` writes them into the page.

#[path = "porting/after.rs"]
mod after;
#[path = "porting/before.rs"]
mod before;
#[path = "porting/compat.rs"]
mod compat;

use std::fs;
use std::path::{Path, PathBuf};

use threadwise_testkit::mariadb::MariaDb;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/porting.md")
}

#[test]
fn the_program_does_the_same_before_and_after() {
    let server = MariaDb::shared();
    let url = || server.url_for(&server.create_database("porting"));
    assert_eq!(before::run(&url()).unwrap(), Some(4));
    assert_eq!(compat::run(&url()).unwrap(), Some(4));
    assert_eq!(after::run(&url()).unwrap(), Some(4));
}

#[test]
fn the_page_has_the_differences_of_the_programs() {
    let text = fs::read_to_string(page()).unwrap();
    let mut fresh = text.clone();
    for (from, to) in [("before", "compat"), ("before", "after")] {
        fresh = with_difference(&fresh, from, to);
    }
    if text == fresh {
        return;
    }
    assert!(std::env::var_os("GUIDE").is_some_and(|wish| wish == "write"), "run `just guide`");
    fs::write(page(), fresh).unwrap();
}

/// The page, with the block of code behind the comment that names the two programs replaced.
fn with_difference(page: &str, from: &str, to: &str) -> String {
    let marker = format!("<!-- diff: {from} {to} -->\n```diff\n");
    let (head, tail) = page.split_once(&marker).expect("the page has a place for the difference");
    let (_, tail) = tail.split_once("```").expect("a block of code has an end");
    let source = |name: &str| {
        let path = format!("tests/porting/{name}.rs");
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    };
    format!("{head}{marker}{}```{tail}", difference(&source(from), &source(to)))
}

/// The lines that differ, with the line before and the line after.
fn difference(from: &str, to: &str) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.lines().collect(), to.lines().collect());
    let all = edits(&from, &to);
    let is_near = |at: usize| {
        let near = at.saturating_sub(1)..(at + 2).min(all.len());
        all[near].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut text = String::new();
    let mut was_near = true;
    for (at, (mark, line)) in all.iter().enumerate() {
        let is_near = is_near(at);
        if is_near {
            text += if was_near { "" } else { "@@\n" };
            text += format!("{mark}{line}").trim_end();
            text.push('\n');
        }
        was_near = is_near;
    }
    text
}

/// All lines of both texts, marked as removed, added or common. The common ones are as many as possible.
fn edits<'t>(from: &[&'t str], to: &[&'t str]) -> Vec<(char, &'t str)> {
    // common[i][j]: how many lines `from[i..]` and `to[j..]` have in common, in order.
    let mut common = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in (0..from.len()).rev() {
        for j in (0..to.len()).rev() {
            common[i][j] = if from[i] == to[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut edits = Vec::new();
    while i < from.len() || j < to.len() {
        if i < from.len() && j < to.len() && from[i] == to[j] {
            edits.push((' ', from[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == to.len() || i < from.len() && common[i + 1][j] >= common[i][j + 1] {
            edits.push(('-', from[i]));
            i += 1;
        } else {
            edits.push(('+', to[j]));
            j += 1;
        }
    }
    edits
}
