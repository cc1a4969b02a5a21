//! `just example` refuses wrong arguments before it builds anything, and says what it builds.
#![cfg(unix)]

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs the recipe with a `cargo` that only prints its arguments.
fn example(arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = TempDir::new().expect("a folder for a program");
    let cargo = folder.path().join("cargo");
    fs::write(
        &cargo,
        "#!/bin/sh\nfor word in cargo \"$@\"; do printf '<%s>' \"$word\"; done; echo\n",
    )
    .unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = folder.path().as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").expect("a path to look for programs"));
    let Output { status, stdout, stderr } = Command::new("just")
        .arg("example")
        .args(arguments)
        .env("PATH", path)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("`just`, which runs these: cargo install --locked just");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

#[test]
fn a_wrong_name_is_refused_before_a_build_with_all_names_and_the_nearest_one() {
    for (wrong, near) in [
        ("craler", "crawler"),
        ("first_connection", "01_first_connection"),
        ("01_first_conection", "01_first_connection"),
        ("deadlines", "b4_deadlines"),
        ("triage-server", "triage_server"),
        ("Chat", "chat"),
        ("07_choose_the_size.rs", "07_choose_the_size"),
    ] {
        for database in ["sqlite", "mysql"] {
            let (code, built, said) = example(&[wrong, database]);
            assert_eq!((code, built.as_str()), (Some(2), ""), "{wrong}: {said}");
            assert!(said.contains(&format!("no example `{wrong}`")), "{said}");
            assert!(said.contains(&format!("did you mean: {near}\n")), "{wrong}: {said}");
            for name in ["10_readers_beside_a_writer", "b1_mutex_vec", "line_ingest"] {
                assert!(said.contains(name), "{said}");
            }
        }
    }
    let (code, built, said) = example(&["nothing_like_that"]);
    assert_eq!((code, built.as_str()), (Some(2), ""), "{said}");
    assert!(!said.contains("did you mean"), "{said}");
}

#[test]
fn a_wrong_database_is_refused_before_a_build() {
    for (arguments, word) in [
        (["chat", "mariadb"], "sqlite or mysql, not `mariadb`"),
        (["chat", "--load"], "sqlite or mysql, not `--load`"),
        (["crawler", "mysql"], "without a database server"),
        (["b4_deadlines", "mysql"], "without a database server"),
        (["04_when_connections_are_lost", "mysql"], "without a database server"),
    ] {
        let (code, built, said) = example(&arguments);
        assert_eq!((code, built.as_str()), (Some(2), ""), "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}

#[test]
fn the_recipe_says_what_it_builds_and_passes_arguments_on_unchanged() {
    let (code, built, said) = example(&["chat", "sqlite", "--topic", "two words"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("threadwise-systems (release)") && said.contains("chat"), "{said}");
    assert!(built.ends_with("<--bin><chat><--><--topic><two words>\n"), "{built}");

    let (_, built, said) = example(&["01_first_connection"]);
    assert!(said.contains("01_first_connection (debug)"), "{said}");
    assert!(built.contains("<--example><01_first_connection>"), "{built}");

    let (code, built, said) = example(&[]);
    assert_eq!((code, built.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("the tour:") && said.contains("waiting_room"), "{said}");
}
