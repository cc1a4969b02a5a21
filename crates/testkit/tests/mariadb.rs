//! The private MariaDB server: it does what it promises, and nothing of it is ever left.
//!
//! The tests look for leftovers in `/proc`, so they need Linux.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder};
use threadwise_testkit::mariadb::{MariaDb, StartError};

fn connect(url: &str) -> Conn {
    Conn::new(Opts::from_url(url).unwrap()).unwrap()
}

/// Waits until `reached` holds. How long a busy machine takes does not matter here.
fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited 60 s until {what}, without success"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// The command lines of all processes that name `path`: servers, bootstraps and reapers.
fn processes_naming(path: &Path) -> Vec<String> {
    let path = path.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(path))
        .collect()
}

fn directory_of(server: &MariaDb) -> PathBuf {
    server.socket().parent().unwrap().to_owned()
}

#[test]
fn the_server_answers_over_tcp_and_over_its_socket() {
    let server = MariaDb::start().unwrap();
    let mut tcp = connect(&server.url());
    let row: Option<(u8, String, u16)> =
        tcp.query_first("SELECT 40 + 2, DATABASE(), @@port").unwrap();
    assert_eq!(row, Some((42, "test".to_owned(), server.port())));
    let client: Option<String> = tcp
        .query_first("SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID()")
        .unwrap();
    let client = client.unwrap();
    assert!(client.starts_with("127.0.0.1:"), "not by TCP but {client}");

    let mut admin = server.admin();
    let row: Option<(String, Option<String>, String)> =
        admin.query_first("SELECT CURRENT_USER(), DATABASE(), @@socket").unwrap();
    let socket = server.socket().to_str().unwrap().to_owned();
    assert_eq!(row, Some(("root@localhost".to_owned(), None, socket)));
}

#[test]
fn accounts_and_privileges_work() {
    let server = MariaDb::start().unwrap();
    let mut admin = server.admin();
    admin.query_drop("CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'secret'").unwrap();
    let login = |password| {
        let options = OptsBuilder::from_opts(Opts::from_url(&server.url_for("")).unwrap());
        Conn::new(options.user(Some("reader")).pass(Some(password)))
    };
    assert!(matches!(login("wrong"), Err(mysql::Error::MySqlError(error)) if error.code == 1045));
    let mut reader = login("secret").unwrap();
    let denied = reader.query_drop("CREATE DATABASE forbidden").unwrap_err();
    assert!(matches!(denied, mysql::Error::MySqlError(error) if error.code == 1044));
}

#[test]
fn only_the_owner_can_read_the_directory() {
    let server = MariaDb::start().unwrap();
    let mode = fs::metadata(directory_of(&server)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn settings_reach_the_server_and_survive_a_restart() {
    let builder = MariaDb::builder().max_connections(12).arg("--wait-timeout=77");
    let mut server = builder.durable(true).start().unwrap();
    // 1 and 0 up to MariaDB 11.0, then ON and OFF.
    const DOUBLEWRITE: &str = "CAST(@@global.innodb_doublewrite AS CHAR) IN ('1', 'ON')";
    let settings = |server: &MariaDb| -> Option<(u32, u32, u32, u32)> {
        let sql = format!(
            "SELECT @@global.max_connections, @@global.wait_timeout, \
             @@global.innodb_flush_log_at_trx_commit, {DOUBLEWRITE}"
        );
        server.admin().query_first(sql).unwrap()
    };
    assert_eq!(settings(&server), Some((12, 77, 1, 1)));
    server.restart().unwrap();
    assert_eq!(settings(&server), Some((12, 77, 1, 1)));
    assert_eq!(
        MariaDb::shared()
            .admin()
            .query_first(format!("SELECT @@global.innodb_flush_log_at_trx_commit, {DOUBLEWRITE}"))
            .unwrap(),
        Some((2, 0))
    );
}

#[test]
fn tests_share_one_server_and_use_separate_databases() {
    let server = MariaDb::shared();
    assert_eq!(server.pid(), thread::spawn(|| MariaDb::shared().pid()).join().unwrap());
    let (one, two) = (server.create_database("apart"), server.create_database("apart"));
    assert_ne!(one, two);
    connect(&server.url_for(&one)).query_drop("CREATE TABLE t (n INT)").unwrap();
    let missing = connect(&server.url_for(&two)).query_drop("SELECT n FROM t").unwrap_err();
    assert!(matches!(missing, mysql::Error::MySqlError(error) if error.code == 1146));
}

#[test]
fn a_name_that_needs_quoting_is_refused() {
    for prefix in ["", "a b", "a`b", "a-b"] {
        let outcome = catch_unwind(|| MariaDb::shared().create_database(prefix));
        assert!(outcome.is_err(), "{prefix}");
    }
}

#[test]
fn committed_data_survives_kill_9() {
    let mut server = MariaDb::start().unwrap();
    let mut client = connect(&server.url());
    client.query_drop("CREATE TABLE t (n INT)").unwrap();
    for n in 0..20 {
        client.query_drop(format!("INSERT INTO t VALUES ({n})")).unwrap();
    }
    server.kill9();
    assert_eq!(server.pid(), None);
    assert!(client.ping().is_err());
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());

    server.restart().unwrap();
    let count = connect(&server.url()).query_first("SELECT COUNT(*) FROM t").unwrap();
    assert_eq!(count, Some(20));
}

#[test]
fn stop_and_restart_keep_port_socket_and_data() {
    let mut server = MariaDb::start().unwrap();
    let (port, socket, pid) = (server.port(), server.socket().to_owned(), server.pid());
    let mut client = connect(&server.url());
    client.query_drop("CREATE TABLE t (n INT)").unwrap();
    server.stop();
    server.stop();
    assert_eq!(server.pid(), None);
    assert!(client.ping().is_err());

    server.restart().unwrap();
    assert_eq!((server.port(), server.socket()), (port, socket.as_path()));
    assert_ne!(server.pid(), pid);
    let mut client = connect(&server.url());
    client.query_drop("INSERT INTO t VALUES (1)").unwrap();

    server.restart().unwrap(); // of a running server: it is stopped first
    assert!(client.ping().is_err());
    let count = connect(&server.url()).query_first("SELECT COUNT(*) FROM t").unwrap();
    assert_eq!(count, Some(1));
}

#[test]
fn a_server_that_has_just_started_shuts_down_gracefully() {
    let mut server = MariaDb::start().unwrap();
    for _ in 0..10 {
        server.stop();
        let log = fs::read_to_string(directory_of(&server).join("log")).unwrap();
        assert!(log.contains("Shutdown complete"), "killed, not stopped:\n{log}");
        server.restart().unwrap();
    }
}

#[test]
fn a_restart_waits_for_its_port_while_another_process_has_it() {
    let mut server = MariaDb::start().unwrap();
    server.stop();
    let squatter = std::net::TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    let log = directory_of(&server).join("log");
    thread::scope(|scope| {
        scope.spawn(move || {
            wait_until("the server was refused the port", || {
                fs::read_to_string(&log).is_ok_and(|log| log.contains("Bind on TCP/IP port"))
            });
            drop(squatter);
        });
        server.restart().unwrap();
    });
    assert_eq!(server.status("Aborted_connects"), 0);
}

#[test]
fn a_frozen_server_does_not_answer_and_a_thawed_one_does() {
    let server = MariaDb::start().unwrap();
    let options = OptsBuilder::from_opts(Opts::from_url(&server.url()).unwrap())
        .read_timeout(Some(Duration::from_millis(100)));
    let mut client = None;
    wait_until("a login in time", || {
        client = Conn::new(options.clone()).ok();
        client.is_some()
    });
    let mut client = client.expect("waited for above");
    server.freeze();
    server.freeze();
    assert!(client.query_drop("SELECT 1").is_err());
    assert!(Conn::new(options).is_err());
    server.thaw();
    let mut client = connect(&server.url());
    assert_eq!(client.query_first("SELECT 1").unwrap(), Some(1));
}

#[test]
fn a_frozen_server_can_be_stopped_and_dropped() {
    let mut server = MariaDb::start().unwrap();
    server.freeze();
    server.stop();
    server.restart().unwrap();
    server.freeze();
    let directory = directory_of(&server);
    drop(server);
    assert_eq!(processes_naming(&directory), [""; 0]);
}

#[test]
fn freezing_or_asking_a_stopped_server_panics_with_the_reason() {
    let mut server = MariaDb::start().unwrap();
    server.stop();
    let text = |action: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(action)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    assert!(text(&|| server.freeze()).contains("cannot freeze the private MariaDB"));
    assert!(text(&|| drop(server.admin())).contains("no answer from the private MariaDB at /"));
    assert!(text(&|| assert_eq!(server.status("Uptime"), 0)).contains("no answer"));
}

#[test]
fn connections_are_counted_by_database_and_can_be_killed() {
    let server = MariaDb::start().unwrap();
    let (one, two) = (server.create_database("one"), server.create_database("two"));
    assert_eq!(server.connection_ids(None), [0; 0]);
    let mut first = connect(&server.url_for(&one));
    let mut second = connect(&server.url_for(&two));
    let (first_id, second_id) =
        (u64::from(first.connection_id()), u64::from(second.connection_id()));
    assert_eq!(server.connection_ids(None), [first_id, second_id]);
    assert_eq!(server.connection_ids(Some(&one)), [first_id]);
    assert_eq!(server.process_count(Some(&two)), 1);
    assert_eq!(server.process_count(Some("elsewhere")), 0);
    let admin = server.admin();
    assert_eq!(server.process_count(None), 3);
    drop(admin);

    server.kill_connection(first_id);
    wait_until("the connection is gone", || server.process_count(Some(&one)) == 0);
    assert!(first.ping().is_err());
    second.ping().unwrap();
    server.kill_connection(first_id);
}

#[test]
fn questions_do_not_count_themselves_also_across_restarts() {
    let mut server = MariaDb::start().unwrap();
    assert_eq!(server.process_count(None), 0);
    server.restart().unwrap();
    // One of these has the number of the question before the restart.
    let clients: Vec<_> = (0..20).map(|_| connect(&server.url())).collect();
    assert_eq!(server.process_count(None), clients.len());
    server.kill9();
    server.restart().unwrap();
    for _ in 0..100 {
        assert_eq!(server.process_count(None), 0);
    }
}

#[test]
fn status_reads_one_variable() {
    let server = MariaDb::start().unwrap();
    let before = server.status("com_insert");
    let mut client = connect(&server.url());
    client.query_drop("CREATE TABLE t (n INT)").unwrap();
    client.query_drop("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(server.status("Com_insert"), before + 1);
    let unknown = catch_unwind(AssertUnwindSafe(|| server.status("No_such_status")));
    assert!(unknown.is_err());
}

#[test]
fn two_servers_run_side_by_side() {
    let (one, two) = (MariaDb::start().unwrap(), MariaDb::start().unwrap());
    assert_ne!(one.port(), two.port());
    assert_ne!(one.socket(), two.socket());
    connect(&one.url()).query_drop("CREATE TABLE t (n INT)").unwrap();
    assert!(connect(&two.url()).query_drop("SELECT n FROM t").is_err());
    drop(one);
    connect(&two.url()).query_drop("CREATE TABLE t (n INT)").unwrap();
}

#[test]
fn a_start_does_not_delete_temporary_tables_of_other_servers() {
    let server = MariaDb::start().unwrap();
    let mut client = connect(&server.url());
    client.query_drop("CREATE TEMPORARY TABLE t (n INT) ENGINE=Aria").unwrap();
    client.query_drop("INSERT INTO t VALUES (1)").unwrap();
    let _neighbour = MariaDb::start().unwrap();
    assert_eq!(client.query_first("SELECT n FROM t").unwrap(), Some(1));
    client.query_drop("DROP TABLE t").unwrap();
}

#[test]
fn drop_leaves_neither_process_nor_directory() {
    let server = MariaDb::start().unwrap();
    let directory = directory_of(&server);
    assert_eq!(processes_naming(&directory).len(), 2, "a server and its reaper");
    drop(server);
    assert_eq!(processes_naming(&directory), [""; 0]);
    assert!(!directory.exists());
}

#[test]
fn the_reaper_survives_ctrl_c() {
    let server = MariaDb::start().unwrap();
    let directory = directory_of(&server);
    let group = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // The fields after the name, which is in parentheses: state, parent, process group.
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(2).unwrap().to_owned()
    };
    let ours = group(std::process::id());
    let pids: Vec<u32> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                String::from_utf8_lossy(&line).contains(directory.to_str().unwrap())
            })
        })
        .collect();
    assert_eq!(pids.len(), 2);
    for pid in pids {
        assert_ne!(group(pid), ours);
    }
}

#[test]
fn a_server_that_refuses_to_start_says_why_in_one_line() {
    let error = MariaDb::builder().arg("--no-such-option=1").start().unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StartError::Start { .. }), "{text}");
    assert!(text.contains("unknown variable 'no-such-option=1'"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn an_unusable_temporary_directory_is_an_error_of_one_line() {
    let missing = Path::new("/no/such/directory");
    let long = format!("/tmp/{}", "long".repeat(30));
    for (directory, reason) in [
        (missing, "cannot create /no/such/directory/mariadb-"),
        (Path::new(&long), "is too long a name for a Unix socket; set TMPDIR to a shorter path"),
    ] {
        let output = start_owner("by kill -9", directory).wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(reason), "{text}");
        assert!(!output.status.success());
    }
}

// What remains of a server when the process that owns it ends, however it ends. The owner is this
// test program again, with its own temporary directory, which must be empty afterwards.

const OWNER_ENDS: &str = "THREADWISE_TEST_OWNER_ENDS";
const READY: &str = "the owner is ready";

/// The owner process: it starts servers in every state, then ends as it was told.
#[test]
#[ignore = "runs as a child process of the tests below"]
fn owner() {
    static KEPT: Mutex<Vec<MariaDb>> = Mutex::new(Vec::new());
    let Ok(end) = std::env::var(OWNER_ENDS) else { return };
    if end == "regularly" {
        assert!(MariaDb::shared().pid().is_some());
        return;
    }
    let mut restarted = MariaDb::start().unwrap_or_else(|error| panic!("{error}"));
    restarted.restart().unwrap();
    restarted.kill9();
    restarted.restart().unwrap();
    let frozen = MariaDb::start().unwrap();
    frozen.freeze();
    let mut stopped = MariaDb::start().unwrap();
    stopped.stop();
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).extend([restarted, frozen, stopped]);
    match end.as_str() {
        "by exit" => std::process::exit(0),
        "by panic" => panic!("{READY}"),
        _ => {
            println!("\n{READY}");
            io::stdout().flush().unwrap();
            // Until it is killed; or, if the test is gone, until its pipe closes.
            let _ = io::stdin().read(&mut [0]);
        }
    }
}

fn start_owner(end: &str, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner", "--ignored", "--nocapture"])
        .env(OWNER_ENDS, end)
        .env("TMPDIR", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn assert_nothing_left(directory: &Path) {
    wait_until("nothing is left", || {
        processes_naming(directory).is_empty() && fs::read_dir(directory).unwrap().next().is_none()
    });
}

#[test]
fn kill_9_of_the_owner_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut owner = start_owner("by kill -9", directory.path());
    let output = BufReader::new(owner.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == READY), "the owner failed");
    // Two servers that run and three reapers.
    assert_eq!(processes_naming(directory.path()).len(), 5);
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_nothing_left(directory.path());
}

#[test]
fn kill_9_of_the_owner_during_the_bootstrap_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut owner = start_owner("by kill -9", directory.path());
    wait_until("the bootstrap runs", || {
        processes_naming(directory.path()).iter().any(|line| line.contains("--bootstrap"))
    });
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_nothing_left(directory.path());
}

#[test]
fn no_other_end_of_the_owner_leaves_anything() {
    for (end, succeeds) in [("regularly", true), ("by exit", true), ("by panic", false)] {
        let directory = tempfile::tempdir().unwrap();
        let owner = start_owner(end, directory.path());
        let output = owner.wait_with_output().unwrap();
        assert_eq!(output.status.success(), succeeds, "{end}: {output:?}");
        assert_nothing_left(directory.path());
    }
}
