//! `report`: draws the page and the charts again from a report.

#[path = "../../page/tests/sample/mod.rs"]
mod sample;

use std::fs;
use std::process::Command;

use threadwise_figures::{Report, write_json};
use threadwise_page::html;

#[test]
fn the_page_of_a_report_is_written_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("other.json");
    write_json(&json, &sample::report()).unwrap();
    let bench = || Command::new(env!("CARGO_BIN_EXE_threadwise-bench"));
    let output = bench().arg("report").arg(&json).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = directory.path().join("other.html");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", page.display()));
    let report: Report = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(fs::read_to_string(page).unwrap(), html::render(&report));
}

#[test]
fn report_with_charts_writes_charts_instead_of_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("some.json");
    write_json(&json, &sample::report()).unwrap();
    let to = directory.path().join("deep/charts");
    let bench = || Command::new(env!("CARGO_BIN_EXE_threadwise-bench"));
    let output = bench().arg("report").arg(&json).arg("--charts").arg(&to).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && printed.lines().count() == 7, "{printed}");
    assert!(
        printed.lines().all(|path| fs::metadata(path).is_ok_and(|it| it.len() > 0)),
        "{printed}"
    );
    assert!(!directory.path().join("some.html").exists());
    let to = to.with_extension("file");
    fs::write(&to, "").unwrap();
    let output = bench().arg("report").arg(&json).arg("--charts").arg(&to).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
    assert!(error.contains("--charts"), "{error}");
}

#[test]
fn a_file_that_is_no_report_is_refused_with_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("no.json");
    let refusal = || {
        let bench = env!("CARGO_BIN_EXE_threadwise-bench");
        let output = Command::new(bench).arg("report").arg(&json).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
        error
    };
    assert!(refusal().contains("no.json: "));
    fs::write(&json, "{}").unwrap();
    assert!(refusal().contains("not a report: "));
}
