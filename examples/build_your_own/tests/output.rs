//! Each step prints what its head says it prints.
#![cfg(not(loom))]

use std::fs::read_to_string;
use std::path::Path;
use std::process::Command;

use threadwise_testkit::promised_output;

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
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&name);
        let promised = promised_output(&read_to_string(source).expect("the source of a step"));
        assert!(!promised.is_empty(), "{name}: its head does not say what it prints");
        assert_eq!(String::from_utf8_lossy(&output.stdout), promised, "{name}");
        steps += 1;
    }
    assert_eq!(steps, 7);
}
