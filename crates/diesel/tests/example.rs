//! The example prints what its head promises.

use std::process::Command;

#[test]
fn the_example_prints_what_its_head_says() {
    let name = "diesel_in_a_pool";
    let folder = env!("CARGO_MANIFEST_DIR");
    let source = std::fs::read_to_string(format!("{folder}/examples/{name}.rs")).unwrap();
    let head = source.lines().map_while(|line| line.strip_prefix("//!"));
    let promised: String = head
        .skip_while(|line| *line != " It prints:")
        .skip_while(|line| *line != " ```text")
        .skip(1)
        .take_while(|line| *line != " ```")
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    assert!(!promised.is_empty());
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", name])
        .current_dir(folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), promised, "{errors}");
}
