//! The guide's code is the code of the examples, and its links lead to files. So is that of the page on
//! managers, and of the README of the conformance suite.
//!
//! Above each block of Rust on these pages is a comment with its source, for example
//! `<!-- include: examples/01_first_connection.rs#limits -->`. Here `limits` is the part of the
//! source between `// ANCHOR: limits` and `// ANCHOR_END: limits`. Without a name it is the whole
//! file, and `#output` is the output that the file's head comment promises.
//! `GUIDE=write cargo test --test guide` writes the code into the guide.

use std::fs;
use std::path::{Path, PathBuf};

use threadwise_testkit::promised_output;

const MARKER: &str = "<!-- include: ";

#[test]
fn code_in_the_guide_is_what_the_examples_run() {
    let mut stale = Vec::new();
    for chapter in chapters() {
        let text = fs::read_to_string(&chapter).expect("a chapter");
        let fresh = with_fresh_code(&chapter, &text);
        if text == fresh {
            continue;
        }
        if std::env::var_os("GUIDE").is_some_and(|wish| wish == "write") {
            fs::write(&chapter, fresh).expect("a chapter that can be written");
        } else {
            stale.push(chapter);
        }
    }
    assert!(
        stale.is_empty(),
        "the code in {stale:?} differs from that of the examples: run `just guide`"
    );
}

#[test]
fn every_block_of_rust_in_the_guide_says_where_it_comes_from() {
    for chapter in chapters() {
        let text = fs::read_to_string(&chapter).expect("a chapter");
        let mut before = "";
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with("```") {
                let pasted = !inside && line.starts_with("```rust") && !before.starts_with(MARKER);
                assert!(!pasted, "{}: {before:?} is above {line:?}", chapter.display());
                inside = !inside;
            }
            before = line;
        }
        assert!(!inside, "{}: a block of code has no end", chapter.display());
    }
}

#[test]
fn links_of_the_guide_lead_to_files() {
    for chapter in chapters() {
        let text = fs::read_to_string(&chapter).expect("a chapter");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().expect("a path");
            let is_here = !file.is_empty() && !file.contains("://");
            let path = chapter.parent().expect("a folder").join(file);
            assert!(!is_here || path.exists(), "{}: no {target}", chapter.display());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chapters() -> Vec<PathBuf> {
    let entries = root().join("docs/guide").read_dir().expect("the guide");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut chapters: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    chapters.sort();
    assert!(!chapters.is_empty(), "no chapters");
    chapters
        .extend(["docs/managers.md", "crates/conformance/README.md"].map(|path| root().join(path)));
    chapters
}

/// Returns `text` with the code below each marker replaced by the code that the marker names.
fn with_fresh_code(chapter: &Path, text: &str) -> String {
    let mut fresh = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        fresh.push_str(line);
        fresh.push('\n');
        let Some(name) = line.strip_prefix(MARKER).and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        let fence = lines.next().unwrap_or_default();
        assert!(fence.starts_with("```"), "{}: no block of code below {line}", chapter.display());
        let code = included(name);
        fresh.push_str(&format!("{fence}\n{code}```\n"));
        lines.by_ref().find(|line| *line == "```").expect("the end of a block of code");
    }
    fresh
}

fn included(name: &str) -> String {
    let (path, anchor) = name.split_once('#').unwrap_or((name, ""));
    let source = fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{path}, which the guide includes: {error}"));
    let code = match anchor {
        "" => without_anchors(source.lines()),
        "output" => promised_output(&source),
        _ => anchored(&source, anchor),
    };
    assert!(!code.is_empty(), "{path} has no {anchor:?}");
    code
}

/// Returns the code between the two comments that name `anchor`, without its indentation.
fn anchored(source: &str, anchor: &str) -> String {
    let inside = source
        .lines()
        .skip_while(|line| line.trim() != format!("// ANCHOR: {anchor}"))
        .take_while(|line| line.trim() != format!("// ANCHOR_END: {anchor}"));
    without_anchors(inside)
}

fn without_anchors<'s>(lines: impl Iterator<Item = &'s str>) -> String {
    let is_anchor = |line: &&str| {
        let line = line.trim();
        line.starts_with("// ANCHOR: ") || line.starts_with("// ANCHOR_END: ")
    };
    let lines: Vec<_> = lines.filter(|line| !is_anchor(line)).collect();
    let full = lines.iter().filter(|line| !line.trim().is_empty());
    let margin = full.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.iter().map(|line| format!("{}\n", line.get(margin..).unwrap_or_default())).collect()
}
