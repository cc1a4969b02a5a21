//! Every example prints what its head says it prints.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_example_prints_what_its_head_says() {
    let examples = sources();
    assert!(!examples.is_empty());
    for source in examples {
        let name = source.file_stem().expect("a name").to_str().expect("in ASCII");
        let promised = promised_output(&source);
        assert!(!promised.is_empty(), "{name}: its head does not say what it prints");
        let printed = run(name);
        assert!(
            printed.ends_with(&promised),
            "{name} should have ended with\n{promised}\nbut printed\n{printed}"
        );
    }
}

fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = folder.read_dir().expect("the examples");
    let mut sources: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.sort();
    sources
}

/// The last block of text in the file's head.
fn promised_output(source: &Path) -> String {
    let text = std::fs::read_to_string(source).expect("the source");
    let head: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let mut blocks = head.split(|line| line.starts_with("```")).skip(1).step_by(2);
    let last = blocks.by_ref().last().unwrap_or_default();
    last.iter().map(|line| format!("{line}\n")).collect()
}

fn run(name: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--all-features", "--example", name])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
