//! Searches for the password in everything that a program prints while it fails in every way.
#![cfg(all(feature = "mysql", feature = "shared", feature = "queue", feature = "persistent"))]

use std::error::Error;
use std::fmt::Debug;
use std::process::Command;
use std::time::Duration;

use mysql::prelude::Queryable;
use threadwise::mysql::MysqlManager;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{Guard, Pool};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

const PASSWORD: &str = "gr3p-f0r-m3";
/// The variable that has the server's port for the failing run.
const PORT: &str = "THREADWISE_TEST_PORT";

/// Prints all records of the `log` crate.
struct Print;

impl log::Log for Print {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        println!("log: {} {record:?}", record.args());
    }

    fn flush(&self) {}
}

/// Prints both debug forms.
fn show(value: &dyn Debug) {
    println!("{value:?} {value:#?}");
}

fn complain(error: &impl Error) {
    println!("{error} {error:#}");
    show(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        println!("because {error} {error:?}");
        cause = error.source();
    }
}

fn manager(port: u16, password: &str, rest: &str) -> MysqlManager {
    MysqlManager::from_url(&format!("mysql://app:{password}@127.0.0.1:{port}/{rest}")).unwrap()
}

/// Prints what a pool and its connections say, while all is well and when the server refuses them.
fn use_up<P: Pool<Manager = MysqlManager> + Debug>(pool: &P) {
    show(pool.manager());
    show(pool);
    show(&pool.state());
    let mut conn = pool.get().unwrap();
    show(&*conn);
    complain(&conn.query_drop("nonsense").unwrap_err());
    complain(&conn.query_drop("KILL CONNECTION_ID()").unwrap_err());
    wait::until("the server to close it", || conn.query_drop("DO 1").is_err());
    pool.manager().set_credentials(Some("app"), Some(&format!("{PASSWORD}-mistyped")));
    complain(&conn.steady(|conn| conn.query_drop("DO 1")).unwrap_err());
    drop(conn);
    complain(&pool.get_timeout(Duration::from_secs(5)).map(drop).unwrap_err());
    let unwraps = std::panic::AssertUnwindSafe(|| pool.get().map(drop).unwrap());
    assert!(std::panic::catch_unwind(unwraps).is_err(), "the panic prints its message");
    show(pool);
}

#[test]
#[ignore = "run by the test below, which reads what it prints"]
fn a_run_that_fails_in_every_way() {
    let port: u16 = std::env::var(PORT).expect(PORT).parse().unwrap();
    log::set_logger(&Print).unwrap();
    log::set_max_level(log::LevelFilter::Trace);

    let good = || manager(port, PASSWORD, "test");
    let talkative =
        SharedPool::builder().max_size(1).name("orders").slow_get(Duration::from_nanos(1));
    use_up(&talkative.build(good()).unwrap());
    use_up(&QueuePool::builder().size(1).build(good()).unwrap());
    use_up(&PersistentPool::builder().build(good()).unwrap());

    let mistyped = format!("{PASSWORD}-mistyped");
    for bad in [
        manager(port, &mistyped, "test"),
        manager(port, PASSWORD, "no_such_database"),
        manager(port, PASSWORD, "test?init=SET%20no_such_thing=1"),
        manager(1, PASSWORD, "test"),
    ] {
        show(&bad);
        let pool = SharedPool::builder().get_timeout(Duration::from_millis(300)).build(bad);
        complain(&pool.map(drop).unwrap_err());
    }
    for rest in ["@", "@h:port", "@h/?no_such=1", "@h/?read_timeout_ms=soon", "@h/a/b", "/@h", "#"]
    {
        let url = format!("mysql://app:{PASSWORD}{rest}");
        complain(&MysqlManager::from_url(&url).unwrap_err());
    }
    println!("all of it");
}

#[test]
fn no_output_of_a_failing_run_shows_the_password() {
    let server = MariaDb::start().expect("a private MariaDB");
    for statement in [
        format!("CREATE USER app@'%' IDENTIFIED BY '{PASSWORD}'"),
        "GRANT ALL ON test.* TO app@'%'".to_owned(),
    ] {
        server.admin().query_drop(statement).unwrap();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_run_that_fails_in_every_way", "--ignored", "--nocapture"])
        .env(PORT, server.port().to_string())
        .output()
        .unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    for part in ["all of it", "Access denied for user 'app'", "log: ", "panicked at", "127.0.0.1"] {
        assert!(said.contains(part), "no `{part}` in what it printed:\n{said}");
    }
    let lines: Vec<_> = said.lines().filter(|line| line.contains(PASSWORD)).collect();
    assert!(lines.is_empty(), "{lines:#?}");
}
