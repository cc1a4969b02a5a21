//! Every example prints what its head comment promises.

use std::path::{Path, PathBuf};
use std::process::Command;

use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::promised_output;

#[test]
fn every_example_prints_what_its_head_says() {
    for source in sources() {
        prints_what_its_head_says(&source, &[]);
    }
}

#[test]
fn examples_that_take_a_database_print_the_same_on_mariadb() {
    let server = MariaDb::shared();
    let takers: Vec<_> = sources().into_iter().filter(|source| takes_a_database(source)).collect();
    assert!(!takers.is_empty());
    for source in takers {
        let url = server.url_for(&server.create_database("tour"));
        prints_what_its_head_says(&source, &["--db", &url]);
    }
}

#[test]
fn the_example_of_the_page_on_managers_prints_what_its_head_says() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let source = crates.join("conformance/examples/line_manager/main.rs");
    let printed = run("threadwise-conformance", "line_manager", &[]);
    assert_eq!(printed, promised_output(&read(&source)));
}

fn prints_what_its_head_says(source: &Path, arguments: &[&str]) {
    let name = source.file_stem().expect("a name").to_str().expect("in ASCII");
    let promised = promised_output(&read(source));
    assert!(!promised.is_empty(), "{name}: its head does not say what it prints");
    let printed = run("threadwise", name, arguments);
    assert!(
        printed.ends_with(&promised),
        "{name} should have ended with\n{promised}\nbut printed\n{printed}"
    );
}

fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = folder.read_dir().expect("the examples");
    let mut sources: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.sort();
    assert!(!sources.is_empty());
    sources
}

/// `just example NAME mysql` looks for the same text.
fn takes_a_database(source: &Path) -> bool {
    read(source).contains("--db")
}

fn read(source: &Path) -> String {
    std::fs::read_to_string(source).expect("the source")
}

fn run(package: &str, name: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--all-features", "--package", package, "--example", name, "--"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
