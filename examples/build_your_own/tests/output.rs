//! Each step prints what its head says it prints.
#![cfg(not(loom))]

use std::path::Path;
use std::process::Command;

#[test]
fn every_step_prints_what_its_head_says() {
    let binaries = Path::new(env!("CARGO_BIN_EXE_b1_mutex_vec")).parent().expect("a folder");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    let mut steps = 0;
    for entry in folder.read_dir().expect("the steps") {
        let name = entry.expect("an entry").file_name().into_string().expect("in ASCII");
        let output = Command::new(binaries.join(name.trim_end_matches(".rs"))).output();
        let output = output.expect("a step that can be run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} failed: {errors}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), promised_output(&name), "{name}");
        steps += 1;
    }
    assert_eq!(steps, 7);
}

/// The last block of text in the step's head.
fn promised_output(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name);
    let source = std::fs::read_to_string(path).expect("the source of a step");
    let head: Vec<_> = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let blocks = head.split(|line| line.starts_with(" ```")).skip(1).step_by(2);
    let last = blocks.last().expect("what it prints");
    last.iter().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}
