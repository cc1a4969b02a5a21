//! `abroad` as its users run it, with programs that need neither a network nor other packages.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use threadwise_figures::{ContenderKind, Measurement, Report};

/// A directory of programs. As `setup.sh` leaves it, but with less in it.
struct Built {
    directory: TempDir,
}

impl Built {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, below: &str) -> PathBuf {
        let path = self.directory.path().join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// The program of Go is this shell script.
    fn with_go(self, script: &str) -> Self {
        let (source, path) = (self.path("go/source"), self.path("go/pools"));
        fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
        // Another process writes the program: the system runs no file that is open for writing, and a
        // child that another thread starts meanwhile has all files of this process open for a moment.
        let mut install = Command::new("install");
        let installed = install.args(["-m", "755"]).args([source, path]).status();
        assert!(installed.expect("`install`").success());
        self
    }

    /// The program of Python is ours, on this machine's Python, which has none of the packages.
    fn with_python(self) -> Self {
        let mut python = Command::new("python3");
        python.args(["-c", "import sys; print(sys.executable)"]);
        let found = python.output().expect("this test needs python3");
        symlink(text(&found.stdout).trim(), self.path("venv/bin/python")).unwrap();
        self
    }

    /// A package that stands for DBUtils: a pool with what the program uses.
    fn packages(&self) -> PathBuf {
        fs::write(self.path("packages/DBUtils-0.1.dist-info/METADATA"), METADATA).unwrap();
        fs::write(self.path("packages/dbutils/__init__.py"), "").unwrap();
        fs::write(self.path("packages/dbutils/pooled_db.py"), POOLED_DB).unwrap();
        self.path("packages/.")
    }

    fn abroad(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_threadwise-bench"));
        command.arg("abroad").args(arguments.split(' ')).arg("--quick");
        command.arg("--programs").arg(self.directory.path()).arg("--out").arg(self.out());
        command.env("COLUMNS", "100").env_remove("PYTHONPATH");
        command
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("abroad.json")
    }

    fn report(&self) -> Report {
        serde_json::from_str(&fs::read_to_string(self.out()).unwrap()).unwrap()
    }
}

const METADATA: &str = "Metadata-Version: 2.1\nName: DBUtils\nVersion: 0.1\n";
const POOLED_DB: &str = "
import queue


class PooledDB:
    def __init__(self, creator, maxconnections, blocking):
        assert blocking
        self.free = queue.LifoQueue()
        for _ in range(maxconnections):
            self.free.put(Lent(self.free, creator.connect()))

    def connection(self):
        return self.free.get()


class Lent:
    def __init__(self, free, connection):
        self.free, self.connection = free, connection

    def close(self):
        self.free.put(self)
";

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn succeeded(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn of<'r>(report: &'r Report, pool: &str) -> &'r Measurement {
    report.results.iter().find(|it| it.pool == pool).expect(pool)
}

const FIGURES: &str = r#"{"threads":[{"ops":2000,"errors":0,"begun_ns":0,"ended_ns":20000000,"waits_ns":[100,200,300]}],"first_error":null,"opened":1}"#;

#[test]
fn a_pool_of_another_language_has_the_same_figures_as_ours() {
    let figures = format!("while read line; do echo '{FIGURES}'; done");
    let built = Built::new().with_go(&format!("echo '{{\"ready\":\"shell 1\"}}'\n{figures}"));
    let output = built
        .abroad("--pool shared --pool database-sql --workload uncontended --rounds 3")
        .output()
        .unwrap();
    let printed = succeeded(&output);
    let report = built.report();
    let theirs = of(&report, "database-sql");
    assert_eq!((theirs.ops, theirs.rounds, theirs.errors, theirs.opened), (6_000, 3, 0, 1));
    assert!((theirs.ops_per_s - 100_000.0).abs() < 1.0, "{}", theirs.ops_per_s);
    assert_eq!((theirs.wait_p50_ns, theirs.wait_max_ns), (Some(200), Some(300)));
    let ours = of(&report, "shared");
    assert!(ours.ops > 0 && ours.rounds == 3, "{ours:?}");
    let places = |it: &Measurement| (it.backend.clone(), it.workload.clone(), it.threads, it.size);
    assert_eq!(places(ours), places(theirs));

    let [note] = &report.abroad[..] else { panic!("{:?}", report.abroad) };
    assert_eq!((&*note.pool, &note.versions[..]), ("database-sql", &["shell 1".to_owned()][..]));
    assert!(note.unfair_language.contains("goroutines"), "{note:?}");
    assert!(printed.contains("What is unfair") && printed.contains("shell 1"), "{printed}");
    let left_out =
        ["Python", "Java"].map(|it| format!("{it} is left out: its program is not built"));
    assert_eq!(report.left_out, left_out);
    let page = fs::read_to_string(built.out().with_extension("html")).unwrap();
    for unfair in [&note.unfair, &note.unfair_language, &note.versions[0], &report.left_out[0]] {
        assert!(page.contains(unfair), "{unfair}");
    }
    assert!(page.contains(ContenderKind::Shared.unfair()), "of ours, too");
}

#[test]
fn the_program_of_python_runs_rounds_of_a_pool() {
    let built = Built::new().with_python();
    let output = built
        .abroad("--pool pooleddb --workload as-many --workload starved-32-4 --rounds 2")
        .env("PYTHONPATH", built.packages())
        .output()
        .unwrap();
    succeeded(&output);
    let report = built.report();
    let [free, starved] = &report.results[..] else { panic!("two workloads") };
    for row in [free, starved] {
        assert_eq!((&*row.pool, row.errors, row.rounds), ("pooleddb", 0, 2), "{row:?}");
        assert_eq!(row.opened, row.size as u64);
        assert!(row.ops > 0 && !row.wait_distribution.is_empty(), "{row:?}");
    }
    assert!(starved.wait_max_ns > Some(1_000_000), "a thread waits for another one's hold");
    let versions = &report.abroad[0].versions;
    assert!(versions[0] == "DBUtils 0.1" && versions[1].starts_with("CPython 3."), "{versions:?}");
}

#[test]
fn a_program_without_its_package_is_an_outcome_with_the_error_of_its_language() {
    let built = Built::new().with_python();
    let output = built.abroad("--pool pooleddb --workload uncontended").output().unwrap();
    succeeded(&output);
    let report = built.report();
    let row = of(&report, "pooleddb");
    assert_eq!((row.ops, row.errors), (0, 1));
    let error = row.first_error.as_deref().unwrap();
    assert!(error.contains("No module named 'dbutils'"), "{error}");
}

#[test]
fn a_program_that_stops_answering_rounds_fails_and_the_others_go_on() {
    let script = format!("echo '{{\"ready\":\"x\"}}'; read line; echo '{FIGURES}'; echo why >&2");
    let built = Built::new().with_go(&script);
    let output = built
        .abroad("--pool queue --pool database-sql --workload uncontended --rounds 2")
        .output()
        .unwrap();
    succeeded(&output);
    let report = built.report();
    let theirs = of(&report, "database-sql");
    assert_eq!(theirs.first_error.as_deref().map(|it| it.ends_with("error: why")), Some(true));
    assert_eq!((of(&report, "queue").errors, of(&report, "queue").rounds), (0, 2));
}

fn refused(built: &Built, arguments: &str) -> String {
    let output = built.abroad(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    let error = text(&output.stderr);
    assert_eq!(error.lines().count(), 1, "{error}");
    error.into()
}

#[test]
fn unknown_names_and_missing_programs_are_refused_in_one_sentence() {
    let none = Built::new();
    let error = refused(&none, "--workload uncontended");
    assert!(error.contains("`just bench abroad` builds them"), "{error}");
    let error = refused(&none, "--workload nap");
    assert!(
        error.contains("no workload `nap`; there are uncontended, as-many, starved-"),
        "{error}"
    );
    let error = refused(&none, "--pool c3p0");
    assert!(
        error.contains("no pool `c3p0`; there are shared, queue, persistent, pooleddb"),
        "{error}"
    );
    assert!(!Path::new(&none.out()).exists());
}
