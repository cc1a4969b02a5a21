//! Starts every system once on SQLite, with the options that `--help` suggests: `just examples`.

mod common;

use common::run;

/// The rows of the tables: the three pools, and two ways without a pool.
const KINDS: [&str; 5] = ["shared", "persistent", "queue", "one", "none"];

/// Asserts that `printed` has a row for each kind, in which operations succeeded and none failed:
/// the first number is a rate, the last one counts failures.
fn assert_compared(printed: &str) {
    for kind in KINDS {
        let rows: Vec<_> =
            printed.lines().filter(|row| row.trim_start().starts_with(kind)).collect();
        assert!(!rows.is_empty(), "no row for {kind}:\n{printed}");
        for row in rows {
            let numbers: Vec<f64> =
                row.split_whitespace().filter_map(|cell| cell.parse().ok()).collect();
            let [rate, .., failed] = numbers[..] else { panic!("no figures in {row:?}") };
            assert!(rate > 0.0 && failed == 0.0, "{row:?} in\n{printed}");
        }
    }
}

#[test]
fn triage_load_compares_all_pools_on_a_server() {
    assert_compared(&run(
        env!("CARGO_BIN_EXE_triage_load"),
        &["--compare", "--seconds", "1", "--clients", "8"],
    ));
}

#[test]
fn feature_server_compares_all_pools() {
    let few = ["--compare", "--seconds", "0.5", "--rounds", "1", "--users", "100"];
    assert_compared(&run(env!("CARGO_BIN_EXE_feature_server"), &few));
}

#[test]
fn line_load_compares_all_pools_on_a_server() {
    let few = ["--compare", "--clients", "4", "--lines", "100"];
    assert_compared(&run(env!("CARGO_BIN_EXE_line_load"), &few));
}

#[test]
fn chat_carries_a_load_through_all_pools() {
    let few = ["--load", "--chatters", "20", "--messages", "5"];
    assert_compared(&run(env!("CARGO_BIN_EXE_chat"), &few));
}

#[test]
fn crawler_compares_all_pools() {
    let printed = run(env!("CARGO_BIN_EXE_crawler"), &["--compare", "--shelves", "2"]);
    for kind in KINDS {
        assert!(printed.lines().any(|row| row.trim_start().starts_with(kind)), "{printed}");
    }
}

#[test]
fn scenes_play_to_their_end() {
    for (program, arguments) in [
        (env!("CARGO_BIN_EXE_pooled_tutorial"), &[][..]),
        (env!("CARGO_BIN_EXE_thread_lifetimes"), &[]),
        (env!("CARGO_BIN_EXE_waiting_room"), &["--plain", "--virtual-time"]),
        (env!("CARGO_BIN_EXE_http_pool"), &[]),
    ] {
        assert!(!run(program, arguments).is_empty(), "{program}"); // what, their own tests say
    }
}
