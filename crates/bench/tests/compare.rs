//! The program as its users run it: `compare`, `list`, and its errors on bad arguments.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use serde_json::Value;
use threadwise_bench::{assemble, experiments};
use threadwise_figures::{Backend, ContenderKind, Measurement, Property, Report};
use threadwise_testkit::ClosedPort;
use threadwise_testkit::mariadb::MariaDb;

const FIELDS: [&str; 34] = [
    "backend",
    "workload",
    "pool",
    "threads",
    "size",
    "is_per_thread",
    "hold_ns",
    "hold",
    "think_ns",
    "ideal_wait_ns",
    "fair_after_ms",
    "rounds",
    "window_ms",
    "ops",
    "ns_per_op",
    "ops_per_s",
    "ops_per_s_min",
    "ops_per_s_max",
    "wait_p50_ns",
    "wait_p99_ns",
    "wait_p999_ns",
    "wait_max_ns",
    "fairness",
    "opened",
    "writes_per_s",
    "errors",
    "first_error",
    "cpu_user_s",
    "cpu_system_s",
    "switches_voluntary",
    "switches_involuntary",
    "wait_distribution",
    "round_trips",
    "allocations_per_op",
];

const SCENARIO_FIELDS: [&str; 12] = [
    "backend",
    "scenario",
    "pool",
    "figure",
    "unit",
    "opened",
    "served",
    "errors",
    "wait_p50_ms",
    "wait_p99_ms",
    "scale",
    "timeline",
];

fn bench() -> Command {
    Command::new(env!("CARGO_BIN_EXE_threadwise-bench"))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs `compare`, and returns its output and the report.
fn compared(arguments: &[&str]) -> (String, Report) {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("report.json");
    let output = bench().arg("compare").args(arguments).arg("--out").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let written = fs::read_to_string(&out).unwrap();
    assert_schema(&written);
    let printed = text(&output.stdout);
    let page = directory.path().join("report.html");
    let paths = format!("{}\n{}\n", out.display(), page.display());
    assert!(printed.ends_with(&paths), "{printed}");
    assert!(fs::read_to_string(page).unwrap().starts_with("<!DOCTYPE html>"));
    (printed.into(), serde_json::from_str(&written).unwrap())
}

/// Checks the names and types that readers of the file rely on. They are repeated here, because
/// they must not change when a type of this crate changes.
fn assert_schema(written: &str) {
    let report: Value = serde_json::from_str(written).unwrap();
    assert!(report["commit"].is_string() && report["date"].is_string(), "{report}");
    assert!(report["command"].is_string() && report["rounds"].is_u64(), "{report}");
    assert!(report["window_ms"].is_f64() && report["interrupted"].is_boolean(), "{report}");
    let machine = &report["machine"];
    for name in ["cpu", "os", "kernel"] {
        assert!(machine[name].is_string(), "{name} in {machine}");
    }
    for name in ["cores", "memory_bytes"] {
        assert!(machine[name].is_u64(), "{name} in {machine}");
    }
    let rows =
        ["results", "sweep", "sizes", "fair_after"].map(|list| report[list].as_array().unwrap());
    for result in rows.into_iter().flatten() {
        let names: BTreeSet<_> = result.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(FIELDS));
    }
    for footprint in report["memory"].as_array().unwrap() {
        let names: Vec<_> = footprint.as_object().unwrap().keys().collect();
        assert_eq!(names, ["error", "idle_bytes", "pool", "waiter_bytes"]);
    }
    for run in report["scenarios"].as_array().unwrap() {
        let fields: BTreeSet<_> = run.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, BTreeSet::from(SCENARIO_FIELDS));
    }
    for claim in report["claims"].as_array().unwrap() {
        for name in ["workload", "promise"] {
            assert!(claim[name].is_string(), "{name} in {claim}");
        }
        assert!(claim["measured"].is_f64() && claim["limit"].is_f64(), "{claim}");
        for name in ["least", "greatest"] {
            assert!(claim[name].is_f64() || claim[name].is_null(), "{name} in {claim}");
        }
        assert!(claim["holds"].is_boolean() || claim["holds"].is_null(), "{claim}");
        let sense = claim["sense"].as_str().unwrap();
        assert!(["at_most", "at_least", "over"].contains(&sense), "{claim}");
    }
}

/// Checks that every contender has an entry for every workload of these backends, with possible
/// figures.
fn assert_complete(report: &Report, backends: &[Backend]) {
    let expected: BTreeSet<_> = backends
        .iter()
        .flat_map(|&backend| assemble::all().into_iter().map(move |case| (backend, case.workload)))
        .flat_map(|(backend, workload)| {
            let row = |pool| format!("{backend} {} {pool}", workload.name);
            workload.pools(backend).map(row).collect::<Vec<_>>()
        })
        .collect();
    let found: Vec<_> = report
        .results
        .iter()
        .map(|result| format!("{} {} {}", result.backend, result.workload, result.pool))
        .collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);

    for result in &report.results {
        assert_eq!(result.errors, 0, "{result:?}");
        assert!(result.ops > 0 && result.ops_per_s > 0.0, "{result:?}");
        let throughputs = [result.ops_per_s_min, result.ops_per_s, result.ops_per_s_max];
        assert!(throughputs.is_sorted() && throughputs[0] > 0.0, "{result:?}");
        assert!((0.0..=1.0).contains(&result.fairness), "{result:?}");
        let writes = (result.workload == "beside-a-writer").then_some(true);
        assert_eq!(result.writes_per_s.map(|per_s| per_s > 0.0), writes, "{result:?}");
        let busy_threads = result.ns_per_op.unwrap() * result.ops_per_s / 1e9;
        assert!((busy_threads - result.threads as f64).abs() < 1e-6, "{result:?}");
        let waits =
            [result.wait_p50_ns, result.wait_p99_ns, result.wait_p999_ns, result.wait_max_ns];
        assert!(waits.iter().all(Option::is_some) && waits.is_sorted(), "{result:?}");
        let cpu_s = result.cpu_user_s.unwrap() + result.cpu_system_s.unwrap();
        let sleeps_and_preemptions = result.switches_voluntary.zip(result.switches_involuntary);
        assert!(cpu_s >= 0.0 && sleeps_and_preemptions.is_some(), "{result:?}");
        let speaks = ["mysql", "postgres"].contains(&&*result.backend).then_some(true);
        assert_eq!(result.round_trips.map(|trips| trips >= 1.0), speaks, "{result:?}");
        assert_allocations(result);
        assert_opened(result);
    }
}

fn assert_allocations(result: &Measurement) {
    let counted = ["uncontended", "as-many", "starved", "long-holds", "short-holds"];
    let is_counted = result.backend == "synthetic" && counted.contains(&&*result.workload);
    assert_eq!(result.allocations_per_op.is_some(), is_counted, "{result:?}");
    if result.pool == "floor" || result.pool == "dedicated" {
        // They never allocate, so this shows that the harness and other threads are not counted.
        assert!(result.allocations_per_op.is_none_or(|per_op| per_op < 0.05), "{result:?}");
    }
}

fn assert_opened(result: &Measurement) {
    let Measurement { ref pool, ref workload, opened, ops, .. } = *result;
    let (threads, size) = (result.threads as u64, result.size as u64);
    match &**pool {
        _ if workload == "churn" => assert!(opened > 0, "{pool}: {opened}"), // the number is random
        // It opens a connection for each task, or for each second borrow.
        "persistent" if ["thread-per-task", "nested"].contains(&&**workload) => {
            assert!(opened > ops, "{opened} for {ops}");
        }
        // Rayon may not wake all of its threads.
        "persistent" if workload == "rayon-par-iter" => {
            assert!((1..=threads + 1).contains(&opened), "{opened}");
        }
        "floor" | "channel" | "thread-local" | "fifo" => assert_eq!(opened, 0, "{pool}"),
        "dedicated" => assert_eq!(opened, threads),
        // `build` opens one more to check the settings.
        "persistent" | "persistent-r2d2" => {
            assert!((threads..=threads + 1).contains(&opened), "{opened}");
        }
        "connect-per-use" | "manager-per-use" => assert!(opened > threads, "{opened}"),
        "mutex" | "queue" | "queue-r2d2" | "compat" | "r2d2" | "r2d2-tuned" | "r2d2-mysql"
        | "r2d2-mysql-tuned" => {
            assert_eq!(opened, size, "{pool}");
        }
        _ => assert!((1..=size).contains(&opened), "{pool}: {opened} of {size}"),
    }
}

#[test]
fn compare_measures_every_contender_without_a_server() {
    let arguments = ["--quick", "--backend", "synthetic", "--backend", "sqlite"];
    let (printed, report) = compared(&arguments);
    assert_complete(&report, &[Backend::Synthetic, Backend::Sqlite]);
    for pool in ["shared", "persistent", "queue", "r2d2", "mutex", "dedicated", "floor"] {
        assert!(printed.contains(pool), "{pool} is missing from {printed}");
    }
    assert!(printed.contains("sqlite · insert") && printed.contains("no ★: "), "{printed}");
    assert!(printed.contains("each held for 500 µs asleep; ideal wait 4.00 ms"), "{printed}");
}

#[test]
fn the_sweep_has_a_point_for_every_number_of_threads_of_every_pool_in_it() {
    let arguments = ["--quick", "--backend=synthetic", "--backend=sqlite", "--workload=sweep"];
    let (printed, report) = compared(&arguments);
    assert!(report.results.is_empty() && report.scenarios.is_empty());
    for (backend, pool, most) in [("synthetic", "shared", 256), ("sqlite", "persistent", 8)] {
        let points = report.sweep.iter().filter(|it| it.backend == backend && it.pool == pool);
        let threads: Vec<_> = points.map(|point| point.threads).collect();
        let doubling: Vec<_> = (0..).map(|power| 1 << power).take_while(|it| *it <= most).collect();
        assert_eq!(threads, doubling, "{pool} on {backend}");
    }
    for point in &report.sweep {
        assert!(point.ops > 0 && point.errors == 0 && point.size == 8, "{point:?}");
    }
    assert!(printed.contains("sqlite · sweep: "), "{printed}");
}

#[test]
fn the_breakdown_counts_round_trips_and_its_parts_add_up() {
    let (printed, report) = compared(&["--quick", "--backend=mysql", "--workload=breakdown"]);
    assert!(report.results.is_empty() && report.sweep.is_empty());
    assert!(printed.contains("mysql · breakdown: where does the time"), "{printed}");
    let breakdown = |pool: ContenderKind| {
        report.breakdowns.iter().find(|breakdown| breakdown.pool == pool.name())
    };
    let takes_part = |pool: &ContenderKind| {
        *pool != ContenderKind::ManagerPerUse && !pool.has(Property::Adapted)
    };
    for pool in ContenderKind::all_on(Backend::Mysql).filter(takes_part) {
        let breakdown = breakdown(pool).unwrap_or_else(|| panic!("no {pool}"));
        let parts = breakdown.parts.unwrap_or_else(|| panic!("{breakdown:?}"));
        let sum = parts.pool_ns + parts.query_ns + parts.round_trips_ns();
        assert!((parts.total_ns - sum).abs() < 1e-3 && parts.round_trip_ns > 0.0, "{breakdown:?}");
    }
    // What each of them does by default: nothing else, a ping before and after; a ping, preparing
    // the statement again, a reset.
    let trips = [
        (ContenderKind::Shared, 1.0),
        (ContenderKind::R2d2Mysql, 3.0),
        (ContenderKind::MysqlPool, 4.0),
    ];
    let tuned = [(ContenderKind::R2d2MysqlTuned, 2.0), (ContenderKind::MysqlPoolTuned, 1.0)];
    for (pool, expected) in trips.into_iter().chain(tuned) {
        let parts = breakdown(pool).and_then(|breakdown| breakdown.parts).unwrap();
        assert_eq!(parts.round_trips, expected, "{pool}: {parts:?}");
    }
}

#[test]
fn the_sweep_over_connections_has_a_point_for_every_number_of_them() {
    let (printed, report) =
        compared(&["--quick", "--backend=synthetic", "--workload=sizes", "--pool=shared"]);
    assert!(report.results.is_empty() && report.sweep.is_empty());
    let shapes: Vec<_> = report.sizes.iter().map(|point| (point.threads, point.size)).collect();
    assert_eq!(shapes, [1, 2, 4, 8, 16, 32].map(|size| (32, size)));
    assert!(report.sizes.iter().all(|point| point.ops > 0 && point.errors == 0));
    assert!(printed.contains("synthetic · sizes: "), "{printed}");
}

#[test]
fn the_sweep_over_fair_after_has_a_point_of_the_shared_pool_for_every_value_on_mariadb() {
    let (printed, report) = compared(&["--quick", "--backend=mysql", "--workload=fair-after"]);
    assert!(report.results.is_empty() && report.sweep.is_empty());
    let points = report.fair_after.iter().map(|it| (&*it.pool, it.fair_after_ms.unwrap()));
    assert!(points.eq([0, 1, 3, 10, 30].map(|ms| ("shared", ms))), "{:?}", report.fair_after);
    assert!(report.fair_after.iter().all(|point| point.ops > 0 && point.errors == 0));
    assert!(printed.contains("mysql · fair-after: "), "{printed}");
}

#[test]
fn memory_is_measured_for_the_chosen_pools_only() {
    let chosen = ["--pool=queue", "--pool=mutex", "--backend=synthetic"];
    let (printed, report) = compared(&[&chosen[..], &["--quick", "--workload=memory"]].concat());
    let pools: Vec<_> = report.memory.iter().map(|footprint| &*footprint.pool).collect();
    assert_eq!(pools, ["queue", "mutex"]);
    assert!(report.memory.iter().all(|it| it.error.is_none()), "{:?}", report.memory);
    assert!(report.results.is_empty() && report.scenarios.is_empty());
    assert!(printed.contains("synthetic · memory: "), "{printed}");
    let (_, report) = compared(&["--quick", "--workload=memory", "--backend=sqlite"]);
    assert!(report.memory.is_empty(), "the connections are synthetic");
}

/// The claims of the list, each in one line.
fn claims_in(printed: &str) -> Vec<String> {
    let lines = printed.lines().skip_while(|line| !line.starts_with("claims: "));
    let list = lines.skip(1).take_while(|line| !line.is_empty() && !line.starts_with("  ! "));
    let mut claims = Vec::new();
    for line in list {
        match line.strip_prefix("    ") {
            None => claims.push(line.trim_start().to_owned()),
            Some(rest) => *claims.last_mut().expect("a claim") += &format!(" {rest}"),
        }
    }
    claims
}

#[test]
fn every_claim_is_measured_and_none_is_judged_by_one_turn_of_20_ms() {
    let (printed, report) = compared(&["--quick", "--backend", "synthetic"]);
    assert_eq!(report.claims.len(), 18, "{:?}", report.claims);
    let lines = claims_in(&printed);
    assert_eq!(lines.len(), 18, "{printed}");
    for (line, claim) in lines.into_iter().zip(&report.claims) {
        // Only the scenario that `--quick` does not shorten is judged.
        let verdict = match claim.holds {
            None => "  not judged",
            Some(holds) => {
                assert_eq!(claim.workload, "spike", "{claim:?}");
                if holds { "  holds" } else { "  fails" }
            }
        };
        assert!(line.contains(&claim.promise) && line.ends_with(verdict), "{line}: {claim:?}");
        assert!(claim.measured.is_finite() && claim.measured > 0.0, "{claim:?}");
    }
}

#[test]
fn each_scenario_runs_to_its_end_with_each_of_its_contenders() {
    let names = ["--workload=spike", "--workload=outage", "--workload=first-gets"];
    let arguments = [&names[..], &["--workload=overload", "--quick", "--backend=synthetic"]];
    let (printed, report) = compared(&arguments.concat());
    assert!(report.results.is_empty());
    assert_eq!(report.scenarios.len(), 8, "{:?}", report.scenarios);
    for run in &report.scenarios {
        assert!(run.figure.is_some() && run.served > 0 && run.opened > 0, "{run:?}");
        assert!(printed.contains(&format!("synthetic · {}: ", run.scenario)), "{printed}");
        assert_eq!(!run.timeline.is_empty(), run.scenario == "spike");
        if let Some(last) = run.timeline.last() {
            assert_eq!((last.served, last.waiting), (run.served, 0), "{run:?}");
            assert!(run.timeline.iter().all(|it| it.connections <= run.opened), "{run:?}");
        }
    }
    let judged: Vec<_> = report.claims.iter().map(|claim| &*claim.workload).collect();
    assert_eq!(judged, ["spike"], "the others were shortened");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("r"); // its path is printed unwrapped
    for columns in [60, 80, 120] {
        let output = bench()
            .args(["compare", "--quick", "--backend=synthetic", "--workload=starved"])
            .args(["--workload=uncontended", "--workload=sweep", "--workload=memory", "--out"])
            .arg(&out)
            .env("COLUMNS", columns.to_string())
            .output()
            .unwrap();
        let printed = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines = printed.lines().filter(|line| !line.contains("/r"));
        for line in lines {
            assert!(line.chars().count() <= columns, "{columns} columns: {line}");
        }
        let mut tables = printed.split("\n\n");
        let starved = tables.find(|text| text.contains("synthetic · starved")).unwrap();
        assert!(starved.contains("ops/s") && starved.contains(" p99 "), "{starved}");
        let is_whole = !starved.contains("left out, the line being too short:");
        assert_eq!(is_whole, columns > 100, "{starved}");
    }
}

#[test]
fn only_claims_with_all_figures_are_judged() {
    let arguments = ["--quick", "--backend=synthetic", "--workload=uncontended", "--pool=shared"];
    let (printed, report) = compared(&[&arguments[..], &["--pool=floor"]].concat());
    let promises: Vec<_> = report.claims.iter().map(|claim| &*claim.promise).collect();
    assert_eq!(promises, ["shared's time over floor's"]);
    assert_eq!(claims_in(&printed).len(), 1, "{printed}");
    let (printed, report) = compared(&arguments);
    assert!(report.claims.is_empty() && !printed.contains("claims"), "{printed}");
}

#[test]
fn compare_measures_every_contender_on_the_private_mariadb() {
    let (_, report) = compared(&["--quick", "--backend", "mysql"]);
    assert_complete(&report, &[Backend::Mysql]);
}

#[test]
fn compare_measures_every_contender_on_the_private_postgres() {
    let (_, report) = compared(&["--quick", "--backend", "postgres"]);
    assert_complete(&report, &[Backend::Postgres]);
    let scenarios: Vec<_> =
        report.scenarios.iter().map(|run| (&*run.scenario, &*run.pool)).collect();
    let of = |scenario| [(scenario, "shared"), (scenario, "r2d2")];
    assert_eq!(scenarios, ["spike", "outage", "first-gets", "overload"].map(of).concat());
    assert!(report.scenarios.iter().all(|run| run.figure.is_some() && run.served > 0));
    let trips = |workload: &str, pool: &str| {
        let is_it = |row: &&Measurement| row.workload == workload && row.pool == pool;
        report.results.iter().find(is_it).and_then(|row| row.round_trips)
    };
    // A query is one round trip, r2d2's check another, and a reset another.
    for (workload, pool, expected) in [
        ("point-select", "shared", 1.0),
        ("point-select", "r2d2", 2.0),
        ("point-select", "r2d2-tuned", 1.0),
        ("point-select", "shared-r2d2", 1.0),
        ("point-select", "compat", 2.0),
        ("transaction", "shared", 6.0),
        ("reset", "shared", 2.0),
        ("reset", "mutex", 1.0),
    ] {
        // On a busy machine a connection may be idle for so long that the pool validates it.
        let measured = trips(workload, pool).expect("a server has round trips");
        let is_expected = (expected..expected + 0.1).contains(&measured);
        assert!(is_expected, "{workload}, {pool}: {measured} and not {expected}");
    }
}

#[test]
fn a_named_server_is_used_and_its_database_is_empty_again_afterwards() {
    let server = MariaDb::start().unwrap_or_else(|error| panic!("{error}"));
    let database = server.create_database("mine");
    let url = server.url_for(&database);
    let (_, report) = compared(&["--quick", "--mysql-url", &url, "--pool", "shared"]);
    let run: Vec<_> = report.results.iter().filter(|it| it.backend == "mysql").collect();
    assert!(!run.is_empty() && run.iter().all(|it| it.pool == "shared" && it.errors == 0));
    let tables = format!("SHOW TABLES IN {database}");
    assert_eq!(server.admin().query::<String, _>(tables).unwrap(), [""; 0]);
}

#[test]
fn a_table_of_another_run_is_not_touched() {
    let server = MariaDb::start().unwrap_or_else(|error| panic!("{error}"));
    let database = server.create_database("theirs");
    let table = format!("{database}.threadwise_bench_item");
    let mut admin = server.admin();
    admin.query_drop(format!("CREATE TABLE {table} (id INT)")).unwrap();
    admin.query_drop(format!("INSERT INTO {table} VALUES (7)")).unwrap();
    let error = refused(&["--mysql-url", &server.url_for(&database)]);
    assert!(error.contains("DROP TABLE threadwise_bench_item"), "{error}");
    assert_eq!(admin.query::<i32, _>(format!("SELECT id FROM {table}")).unwrap(), [7]);
}

#[test]
fn only_the_chosen_pools_and_workloads_are_run() {
    let (_, report) = compared(&[
        "--backend=all",
        "--workload=as-many",
        "--pool=queue",
        "--pool=mutex",
        "--rounds=2",
        "--millis=5",
    ]);
    let run: Vec<_> = report.results.iter().map(|it| (&*it.workload, &*it.pool)).collect();
    assert_eq!(run, [("as-many", "queue"), ("as-many", "mutex")]);
}

#[test]
fn the_report_goes_to_the_target_directory_by_default() {
    let target = tempfile::tempdir().unwrap();
    let arguments = ["compare", "--quick", "--pool", "floor", "--workload", "uncontended"];
    let output = bench().args(arguments).env("CARGO_TARGET_DIR", target.path()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report = target.path().join("threadwise").join("report.json");
    assert_schema(&fs::read_to_string(report).unwrap());
}

#[test]
fn without_a_server_the_rest_is_compared_and_the_missing_package_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("report.json");
    let compare = |backend| {
        let output = bench()
            .args(["compare", "--quick", "--pool", "dedicated", "--workload", "uncontended"])
            .args(["--backend", backend, "--out"])
            .arg(&out)
            .env("MARIADBD", directory.path().join("no-such-program"))
            .env("POSTGRES_BIN", directory.path().join("no-such-directory"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, errors) = compare("mysql");
    assert_eq!((code, errors.lines().count()), (Some(2), 1), "{errors}");
    assert!(errors.contains("mariadb-server-core") && !out.exists(), "{errors}");

    let (code, errors) = compare("all");
    assert_eq!(code, Some(0), "{errors}");
    for (backend, package) in [("mysql", "mariadb-server-core"), ("postgres", "postgresql")] {
        let is_it = |line: &&str| line.starts_with(&format!("{backend} is left out: "));
        let left_out = errors.lines().find(is_it);
        assert!(left_out.is_some_and(|line| line.contains(package)), "{errors}");
    }
    let report: Report = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    let backends: Vec<_> = report.results.iter().map(|result| &*result.backend).collect();
    assert_eq!(backends, ["synthetic", "sqlite"]);
}

#[test]
fn ctrl_c_writes_what_was_measured_and_removes_the_private_servers() {
    let directory = tempfile::tempdir().unwrap();
    let (out, temporary) = (directory.path().join("report.json"), directory.path().join("tmp"));
    fs::create_dir(&temporary).unwrap();
    let mut run = bench()
        .args(["compare", "--backend=mysql", "--workload=uncontended", "--workload=outage"])
        .args(["--pool=shared", "--rounds=2", "--millis=10", "--out"])
        .arg(&out)
        .env("TMPDIR", &temporary)
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines().map(Result::unwrap);
    // The workload is over then, and the server of the scenario, which takes 14 s, is being
    // started.
    assert!(lines.any(|line| line == "mysql · outage"), "the run has ended");
    let signal = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let lines: Vec<_> = lines.collect();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("Ctrl-C: ")), "{lines:?}");
    assert!(text(&output.stdout).contains("interrupted: the missing figures were not measured\n"));

    let written = fs::read_to_string(&out).unwrap();
    assert_schema(&written);
    let report: Report = serde_json::from_str(&written).unwrap();
    assert!(report.interrupted && report.scenarios.is_empty());
    let [measured] = &report.results[..] else { panic!("{:?}", report.results) };
    assert_eq!((&*measured.pool, measured.rounds, measured.errors), ("shared", 8, 0));
    assert!(fs::read_to_string(out.with_extension("html")).unwrap().contains("interrupted"));
    // The scenario's server is removed by its reaper after the process has ended.
    let deadline = Instant::now() + Duration::from_secs(60);
    while files_in(&temporary) > 0 {
        assert!(Instant::now() < deadline, "{:?}", fs::read_dir(&temporary).unwrap().next());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `compare` with arguments that it must refuse, and returns its error line.
fn refused(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut command = bench();
    command.args(["compare", "--quick"]).args(arguments);
    if !arguments.contains(&"--out") {
        command.arg("--out").arg(directory.path().join("report.json"));
    }
    let output = command.output().unwrap();
    assert_refused(arguments, &output);
    assert_eq!(files_in(directory.path()), 0, "{arguments:?} wrote something");
    text(&output.stderr).into()
}

fn assert_refused(arguments: &[&str], output: &Output) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    assert!(error.starts_with("error: "), "{arguments:?}: {error}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed something");
}

fn files_in(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn bad_arguments_are_refused_with_one_line_that_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (file, page) = (directory.path().join("file"), directory.path().join("page.html"));
    fs::write(&file, "").unwrap();
    fs::create_dir(&page).unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let long = path(&"r".repeat(300));
    let cases: [(&[&str], &str); 25] = [
        (&["--pool", "swimming"], "shared, persistent, queue"),
        (&["--backend", "oracle"], "synthetic, sqlite, mysql, postgres and all"),
        (&["--workload", "nap"], "uncontended, as-many, starved"),
        (&["--workload", ""], "--workload"),
        (&["--pool", "mysql-pool", "--backend", "sqlite"], "nothing to compare"),
        (&["--workload", "breakdown", "--backend", "sqlite"], "nothing to break down"),
        (&["--rounds", "0"], "0 is not in 1..=1000"),
        (&["--rounds", "1001"], "1001 is not in 1..=1000"),
        (&["--rounds", "-1"], "-1"),
        (&["--millis", "0"], "0 is not in 1..=600000"),
        (&["--millis", "soon"], "--millis"),
        (&["--millis", "99999999999999999999"], "--millis"),
        (&["--samples", "3"], "--samples"),
        (&["a-word"], "a-word"),
        (&["--mysql-url", ""], "--mysql-url"),
        (&["--mysql-url", "postgres://me@db/test"], "--mysql-url"),
        (&["--mysql-url", "mysql://me@db"], "names no database"),
        (&["--mysql-url", "mysql://root@127.0.0.1:1/x"], "--mysql-url: cannot connect"),
        (&["--out", ""], "--out"),
        (&["--out", &path("")], "is a directory; see --out"),
        (&["--out", &path("file/report.json")], "not a directory; see --out"),
        (&["--out", &path("nowhere/")], "see --out"),
        (&["--out", &path("page.json")], "page.html: is a directory; see --out"),
        (&["--out", &long], "name too long"),
        (&["--out", "/dev/null"], "not a regular file; see --out"),
    ];
    for (arguments, expected) in cases {
        let error = refused(arguments);
        let found = error.to_lowercase().contains(&expected.to_lowercase());
        assert!(found, "{arguments:?}: {error}");
    }
    assert_eq!(files_in(directory.path()), 2, "`file` and `page.html`");
}

#[test]
fn a_file_that_is_not_a_report_and_a_page_that_cannot_be_written_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (empty, report) = (path("empty.json"), path("report.json"));
    fs::write(&empty, "").unwrap();
    let arguments = ["compare", "--quick", "--pool=floor", "--workload=uncontended", "--out"];
    assert!(bench().args(arguments).arg(&report).output().unwrap().status.success());
    let cases: [(&[&str], &str); 6] = [
        (&[], "PATH.json"),
        (&[&path("absent.json")], "absent.json: No such file"),
        (&[&path("")], "is a directory"),
        (&[&empty], "empty.json: not a report"),
        (&[&report, "--out", &path("")], "is a directory; see --out"),
        (&[&report, "--out", &path("empty.json/page.html")], "not a directory; see --out"),
    ];
    for (arguments, expected) in cases {
        let output = bench().arg("report").args(arguments).output().unwrap();
        assert_refused(arguments, &output);
        let error = text(&output.stderr).to_lowercase();
        assert!(error.contains(&expected.to_lowercase()), "{arguments:?}: {error}");
    }
}

#[test]
fn no_subcommand_or_an_unknown_one_is_refused() {
    for (arguments, expected) in [(&[][..], "a subcommand is missing"), (&["compete"], "compete")] {
        let output = bench().args(arguments).output().unwrap();
        assert_refused(arguments, &output);
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn a_server_that_does_not_answer_is_refused_without_showing_the_password() {
    let closed = ClosedPort::take();
    let url = format!("mysql://me:tell-nobody@{}/test", closed.address());
    let error = refused(&["--mysql-url", &url]);
    assert!(
        error.contains("--mysql-url: cannot connect") && !error.contains("tell-nobody"),
        "{error}"
    );
    for rest in ["", "@h:port/test", "@h/test?no_such=1", "/@h/test", "#@h/test", "@h/"] {
        let error = refused(&["--mysql-url", &format!("mysql://me:tell-nobody{rest}")]);
        assert!(error.contains("mysql") && !error.contains("tell-nobody"), "{rest}: {error}");
    }
}

#[test]
fn list_has_a_line_about_every_pool_workload_and_backend() {
    let output = bench().arg("list").output().unwrap();
    assert!(output.status.success());
    let listed = text(&output.stdout);
    let pools = ContenderKind::ALL.map(|pool| (pool.name(), pool.about()));
    let parts = experiments::parts().map(|part| (part.name, part.about));
    let backends = Backend::ALL.map(|backend| (backend.name(), backend.about()));
    for (name, about) in pools.into_iter().chain(parts).chain(backends) {
        let line = listed.lines().find(|line| line.split_whitespace().next() == Some(name));
        assert!(line.is_some_and(|line| line.contains(about)), "{name} in {listed}");
    }
}

#[test]
fn help_is_printed_on_standard_output() {
    let output = bench().args(["compare", "--help"]).output().unwrap();
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("--quick") && output.stderr.is_empty());
}
