//! Lines that become rows: an acknowledged line is stored, once, whichever process is killed.
#![cfg(unix)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;
use tempfile::TempDir;
use threadwise::ManageConnection;
use threadwise_systems::database::Dialect;
use threadwise_systems::{Database, Source};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

use common::{Server, run, signal};

const INGEST: &str = env!("CARGO_BIN_EXE_line_ingest");
const LOAD: &str = env!("CARGO_BIN_EXE_line_load");

/// A database that ends with its test.
struct Place {
    url: String,
    _folder: Option<TempDir>,
}

impl Place {
    fn file() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("lines.db").display());
        Self { url, _folder: Some(folder) }
    }

    fn on(server: &MariaDb) -> Self {
        Self { url: server.url_for(&server.create_database("ingest")), _folder: None }
    }

    fn database(&self) -> Database {
        self.url.parse::<Source>().expect("a URL").manager()
    }

    fn ingest(&self, arguments: &[&str]) -> Server {
        Server::start(INGEST, &[&["--db", &self.url], arguments].concat())
    }

    /// The texts of all rows, by client and number. Two rows cannot have the same key.
    fn rows(&self) -> BTreeMap<(String, i64), String> {
        let mut conn = self.database().connect().expect("a connection");
        let rows = conn.query("SELECT client, number, text FROM ingested", &[]).expect("rows");
        let row = |row: threadwise_systems::Row| {
            let key = (row.text(0).unwrap().to_owned(), row.integer(1).unwrap());
            (key, row.text(2).unwrap().to_owned())
        };
        rows.into_iter().map(row).collect()
    }

    fn count(&self) -> i64 {
        let mut conn = self.database().connect().expect("a connection");
        let rows = conn.query("SELECT COUNT(*) FROM ingested", &[]).expect("rows");
        rows[0].integer(0).expect("a number")
    }

    /// Locks the database: nothing is stored until the connection is closed.
    fn lock(&self) -> threadwise_systems::Connection {
        let mut conn = self.database().connect().expect("a connection");
        let lock = match conn.dialect() {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Mysql => "LOCK TABLES ingested READ",
        };
        conn.run(lock).expect("a lock");
        conn
    }

    fn await_rows(&self, at_least: i64) {
        wait::until("rows", || self.count() >= at_least);
    }
}

/// The numbers of the lines of `line_load --clients CLIENTS --lines LINES` whose rows are missing,
/// wrong or superfluous.
fn wrong_lines(place: &Place, name: &str, clients: usize, lines: i64) -> Vec<(String, i64)> {
    let mut rows = place.rows();
    let mut wrong = Vec::new();
    for client in 1..=clients {
        for number in 1..=lines {
            let key = (format!("{name}-{client}"), number);
            let begin = format!("line {number} of {name}-{client}");
            if !rows.remove(&key).is_some_and(|text| text.starts_with(&begin)) {
                wrong.push(key);
            }
        }
    }
    wrong.extend(rows.into_keys());
    wrong
}

/// Runs a load while `act` does harm. Expects that the load succeeds and each line is stored once.
/// Returns its output.
fn under_load(place: &Place, server: &mut Server, act: impl FnOnce(&mut Server)) -> String {
    const CLIENTS: usize = 8;
    const LINES: i64 = 1_000;
    let address = server.address().to_string();
    let (clients, lines) = (CLIENTS.to_string(), LINES.to_string());
    let printed = thread::scope(|scope| {
        let arguments =
            [&*address, "--name", "l", "--clients", &clients, "--lines", &lines, "--window", "8"];
        let load = scope.spawn(move || run(LOAD, &arguments));
        place.await_rows(300);
        act(server);
        load.join().expect("a load")
    });
    assert_eq!(wrong_lines(place, "l", CLIENTS, LINES), []);
    printed
}

/// How often `line_load` reports that it connected again.
fn reconnects(printed: &str) -> u64 {
    let (_, rest) = printed.split_once("connected again ").expect(printed);
    rest.split(' ').next().and_then(|count| count.parse().ok()).expect(printed)
}

/// The process of this worker, by the latest output.
fn worker(server: &Server, number: usize) -> u32 {
    let begin = format!("worker {number} is process ");
    let mut pids = server.printed().lines().rev().filter_map(|line| line.strip_prefix(&begin));
    pids.next().expect("a worker").parse().expect("a process")
}

/// Waits for a line that begins with these words.
fn await_line(server: &mut Server, begin: &str) {
    let is_there = |server: &Server| server.printed().lines().any(|line| line.starts_with(begin));
    while !is_there(server) {
        server.next_line();
    }
}

/// Waits until another process is this worker.
fn await_successor(server: &mut Server, number: usize) -> u32 {
    let begin = format!("worker {number} is process ");
    while !server.next_line().starts_with(&begin) {}
    worker(server, number)
}

/// A client that waits for each answer.
struct Client {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a server");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a timeout");
        let answers = BufReader::new(stream.try_clone().expect("a handle"));
        Self { stream, answers }
    }

    fn ask(&mut self, line: &str) -> String {
        self.stream.write_all(format!("{line}\n").as_bytes()).expect("a server that reads");
        self.answer().unwrap_or_else(|| panic!("no answer to {line}"))
    }

    /// Reads an answer. Returns `None` when the server is gone.
    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        (matches!(read, Ok(count) if count > 0) && line.ends_with('\n')).then(|| {
            line.pop();
            line
        })
    }
}

#[test]
fn lines_are_answered_in_their_order_and_bad_ones_cost_only_themselves() {
    let place = Place::file();
    let server = place.ingest(&["--max-line", "100"]);
    let mut client = Client::connect(server.address());
    let (too_long, long_name) = ("y".repeat(101), format!("@{}:1 x", "n".repeat(33)));
    let lines = [
        "hello",
        "@a:1 one",
        "@a:1 one",
        "@a:1 uno",
        "@",
        "@a';DROP TABLE ingested;--:1 x",
        "@ x",
        "@a x",
        "@a: x",
        "@:1 x",
        "@a:-1 x",
        "@a:+1 x",
        "@-a:1 x",
        "@ä:1 x",
        "@a:9223372036854775808 x",
        "@a:1:2 x",
        &long_name,
        "",
        "@a:2",
        "@a:2 ",
        &too_long,
        "'); DROP TABLE ingested; --",
        "@b.2:9 Zoë 🦀\tx\r",
    ];
    client.stream.write_all(lines.join("\n").as_bytes()).unwrap();
    client.stream.write_all(b"\n\xff\xfe\nlast\nhalf a li").unwrap();
    client.stream.shutdown(Shutdown::Write).unwrap();
    let answers: Vec<_> = std::iter::from_fn(|| client.answer()).collect();
    let expected = [
        "ok",
        "ok @a:1",
        "ok @a:1",
        "error @a:1: another text",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: after `@`",
        "error: the line is empty",
        "error: the text is empty",
        "error: the text is empty",
        "error: the line is longer than 100",
        "ok",
        "ok @b.2:9",
        "error: the line is not UTF-8",
        "ok",
    ];
    assert_eq!(answers.len(), expected.len(), "{answers:?}");
    for (answer, expected) in answers.iter().zip(expected) {
        let is_ok = expected.starts_with("ok");
        assert!(if is_ok { answer == expected } else { answer.starts_with(expected) }, "{answer}");
    }
    let printed = server.finish();
    assert!(printed.contains("try: nc 127.0.0.1 "), "{printed}");
    let texts: BTreeSet<_> = place.rows().into_values().collect();
    let stored = ["hello", "one", "'); DROP TABLE ingested; --", "Zoë 🦀\tx", "last"];
    assert_eq!(texts, BTreeSet::from(stored.map(str::to_owned)));
}

#[test]
fn a_line_that_the_table_does_not_take_is_refused_and_the_others_of_its_batch_are_stored() {
    for place in [Place::file(), Place::on(MariaDb::shared())] {
        let mut conn = place.database().connect().expect("a connection");
        let columns = "id {id}, client VARCHAR(40), number BIGINT, text VARCHAR(40), worker BIGINT, \
                       UNIQUE (client, number), CHECK (text <> 'forbidden')";
        conn.create_table("ingested", columns).expect("a table");
        drop(conn);
        let server = place.ingest(&[]);
        let mut client = Client::connect(server.address());
        let lines: String = (1..=20)
            .map(|number| format!("@a:{number} {}\n", if number == 7 { "forbidden" } else { "x" }))
            .collect();
        client.stream.write_all(lines.as_bytes()).unwrap();
        for number in 1..=20 {
            let answer = client.answer().expect("an answer");
            if number == 7 {
                assert!(answer.starts_with("error @a:7: the database does not take"), "{answer}");
            } else {
                assert_eq!(answer, format!("ok @a:{number}"));
            }
        }
        assert_eq!(place.count(), 19);
        drop(client);
        server.finish();
    }
}

#[test]
fn thousands_of_lines_of_many_clients_are_stored_once_through_each_pool() {
    for place in [Place::file(), Place::on(MariaDb::shared())] {
        for pool in ["queue", "shared", "persistent", "one", "none"] {
            let server = place.ingest(&["--pool", pool, "--workers", "3"]);
            let address = server.address().to_string();
            // Sends the same lines twice, like a client that has lost all answers.
            let load = [&*address, "--name", pool, "--clients", "12", "--lines", "100"];
            run(LOAD, &load);
            run(LOAD, &load);
            server.finish();
        }
        assert_eq!(place.count(), 5 * 12 * 100);
    }
}

#[test]
fn lines_under_way_in_a_killed_worker_are_not_acknowledged_and_are_stored_once_when_sent_again() {
    for place in [Place::file(), Place::on(MariaDb::shared())] {
        let mut server = place.ingest(&[]);
        let mut clients: Vec<_> = (0..8).map(|_| Client::connect(server.address())).collect();
        for (name, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.ask(&format!("@c{name}:1 x")), format!("ok @c{name}:1"));
        }
        let lock = place.lock();
        for (name, client) in clients.iter_mut().enumerate() {
            client.stream.write_all(format!("@c{name}:2 x\n").as_bytes()).expect("a worker");
        }
        for number in [1, 2] {
            signal(worker(&server, number), "KILL");
            await_successor(&mut server, number);
        }
        for client in &mut clients {
            assert_eq!(client.answer(), None, "nothing can be committed");
        }
        drop(lock);
        for name in 0..8 {
            let mut client = Client::connect(server.address());
            for number in [1, 2, 3] {
                let line = format!("@c{name}:{number} x");
                assert_eq!(client.ask(&line), format!("ok @c{name}:{number}"));
            }
        }
        assert_eq!(place.count(), 8 * 3);
        server.finish();
    }
}

#[test]
fn a_killed_worker_loses_nothing_that_was_acknowledged_and_another_takes_its_place() {
    for place in [Place::file(), Place::on(MariaDb::shared())] {
        let mut server = place.ingest(&[]);
        under_load(&place, &mut server, |server| {
            for number in [1, 2, 1] {
                let before = worker(server, number);
                signal(before, "KILL");
                assert_ne!(await_successor(server, number), before);
            }
        });
        server.finish();
    }
}

#[test]
fn a_killed_database_loses_nothing_that_was_acknowledged() {
    let mut database = MariaDb::builder().durable(true).start().expect("a server");
    let place = Place::on(&database);
    let mut server = place.ingest(&["--patience", "120"]); // longer than any restart
    let printed = under_load(&place, &mut server, |_| {
        database.kill9();
        database.restart().expect("the server again");
    });
    assert_eq!(reconnects(&printed), 0, "its clients only had to wait: {printed}");

    // Once more, while a line is certainly under way.
    let lock = place.lock();
    let mut client = Client::connect(server.address());
    client.stream.write_all(b"@a:1 x\n").expect("a worker");
    let insert =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO ing%'";
    let mut admin = database.admin();
    wait::until("the line's insert", || admin.query_first(insert).expect("a count") == Some(1));
    database.kill9();
    drop(lock);
    database.restart().expect("the server again");
    assert_eq!(client.answer().as_deref(), Some("ok @a:1"));
    assert!(place.rows().contains_key(&("a".to_owned(), 1)));
    drop(client);
    server.finish();
}

#[test]
fn while_the_database_is_away_lines_wait_and_then_are_to_be_sent_again() {
    let mut database = MariaDb::start().expect("a server");
    let place = Place::on(&database);
    let mut server = place.ingest(&["--workers", "1", "--patience", "1"]);
    await_line(&mut server, "worker 1 begins");
    let mut client = Client::connect(server.address());
    assert_eq!(client.ask("@a:1 x"), "ok @a:1");
    database.kill9();
    let answer = client.ask("@a:2 x");
    assert!(answer.starts_with("again @a:2: ") && !answer.contains("127.0.0.1"), "{answer}");

    // A worker that is forked now finds no database. The supervisor tries again and again.
    signal(worker(&server, 1), "KILL");
    await_successor(&mut server, 1);
    await_successor(&mut server, 1);
    database.restart().expect("the server again");
    while !server.next_line().starts_with("worker 1 begins") {} // not the first one's line
    let mut client = Client::connect(server.address());
    assert_eq!(client.ask("@a:2 x"), "ok @a:2");
    drop(client);
    server.finish();
    assert_eq!(place.count(), 2);
}

#[test]
fn workers_have_connections_of_their_own_also_when_the_pool_was_built_before_the_fork() {
    let database = MariaDb::builder().arg("--performance-schema=ON").start().expect("a server");
    let mut admin = database.admin();
    admin.query_drop("SET GLOBAL log_output = 'TABLE'").expect("a setting");
    for pool in ["queue", "shared", "persistent"] {
        let place = Place::on(&database);
        let mut server = place.ingest(&[
            "--pool",
            pool,
            "--pool-before-fork",
            "--workers",
            "3",
            "--connections",
            "2",
        ]);
        assert!(!server.printed().contains("the parent has 0 "), "{}", server.printed());
        for number in 1..=3 {
            await_line(&mut server, &format!("worker {number} begins with 0 connections open"));
        }
        admin.query_drop("SET GLOBAL general_log = ON").expect("a setting");
        let address = server.address().to_string();
        run(LOAD, &[&*address, "--clients", "12", "--lines", "50"]);
        admin.query_drop("SET GLOBAL general_log = OFF").expect("a setting");

        let of = |sessions: &BTreeMap<u64, u32>, pid| -> BTreeSet<u64> {
            sessions.iter().filter(|(_, its)| **its == pid).map(|(id, _)| *id).collect()
        };
        let sessions = sessions(&mut admin, "line_ingest", pool);
        let parents = of(&sessions, server.pid());
        assert!(!parents.is_empty(), "the parent's own are open still: {sessions:?}");
        for number in 1..=3 {
            assert!(!of(&sessions, worker(&server, number)).is_empty(), "{sessions:?}");
        }
        let used: BTreeSet<u64> = admin
            .query("SELECT DISTINCT thread_id FROM mysql.general_log WHERE argument LIKE 'INSERT%'")
            .expect("the log")
            .into_iter()
            .collect();
        assert!(!used.is_empty() && used.is_disjoint(&parents), "{used:?} of {sessions:?}");
        admin.query_drop("TRUNCATE mysql.general_log").expect("an empty log");
        server.finish();
        wait::until("the sessions to end", || {
            self::sessions(&mut admin, "line_ingest", pool).is_empty()
        });
    }
}

/// The open sessions of a program's pool, and the process that each session names as its own.
fn sessions(admin: &mut mysql::Conn, program: &str, pool: &str) -> BTreeMap<u64, u32> {
    let named = "SELECT processlist_id FROM performance_schema.session_connect_attrs \
                 WHERE attr_name = ? AND attr_value = ?";
    let sql = format!(
        "SELECT processlist_id, attr_value FROM performance_schema.session_connect_attrs \
         WHERE attr_name = '_pid' AND processlist_id IN ({named}) AND processlist_id IN ({named})"
    );
    let rows: Vec<(u64, String)> =
        admin.exec(sql, ("program_name", program, "pool_name", pool)).expect("attributes");
    rows.into_iter().map(|(id, pid)| (id, pid.parse().expect("a process"))).collect()
}

#[test]
fn a_pool_on_sqlite_is_not_built_before_the_fork() {
    let output = common::output(INGEST, &["--pool-before-fork"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("must not be carried across a fork"));
}

#[test]
fn a_database_that_is_away_is_an_error_before_the_server_listens() {
    let output = common::output(INGEST, &["--db", "mysql://me:secret@127.0.0.1:1/x"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("--db") && !errors.contains("secret"));
    assert!(output.stdout.is_empty(), "no output");
}

#[test]
fn ctrl_c_stores_what_is_under_way_and_loses_nothing_that_was_acknowledged() {
    let place = Place::file();
    let server = place.ingest(&[]);
    // A terminal sends the signal to all processes. The workers leave it to their parent.
    signal(worker(&server, 1), "INT");
    signal(worker(&server, 2), "TERM");
    let address = server.address();
    let acknowledged = thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|name| {
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    let sent = (1_i64..).take_while(|number| {
                        let line = format!("@c{name}:{number} x\n");
                        client.stream.write_all(line.as_bytes()).is_ok()
                            && client
                                .answer()
                                .inspect(|answer| assert!(answer.starts_with("ok")))
                                .is_some()
                    });
                    sent.map(|number| (format!("c{name}"), number)).collect::<Vec<_>>()
                })
            })
            .collect();
        place.await_rows(100);
        server.finish(); // expects code 0
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<BTreeSet<_>>()
    });
    let stored: BTreeSet<_> = place.rows().into_keys().collect();
    assert!(acknowledged.len() >= 90 && acknowledged.is_subset(&stored));
}

#[test]
fn workers_end_with_their_parent_also_when_it_is_killed() {
    let place = Place::file();
    let server = place.ingest(&["--workers", "3"]);
    let mut client = Client::connect(server.address());
    assert_eq!(client.ask("x"), "ok");
    server.kill9();
    assert_eq!(client.answer(), None, "its worker has gone");
    // The output ends when no process has its other end open, workers included.
    let workers = [1, 2, 3].map(|number| worker(&server, number));
    let (ended, all_gone) = std::sync::mpsc::channel();
    thread::spawn(move || ended.send(server.wait()));
    if all_gone.recv_timeout(wait::PATIENCE).is_err() {
        workers.iter().for_each(|pid| signal(*pid, "KILL"));
        panic!("workers outlive their parent");
    }
}

#[test]
fn workers_are_renewed_one_by_one_under_load() {
    let place = Place::file();
    let mut server = place.ingest(&[]);
    let before = [worker(&server, 1), worker(&server, 2)];
    under_load(&place, &mut server, |server| {
        server.signal("HUP");
        let first = await_successor(server, 1);
        let second = await_successor(server, 2);
        assert!(!before.contains(&first) && !before.contains(&second));
    });
    server.finish();
}

#[test]
fn a_client_without_a_place_gets_a_message() {
    let place = Place::file();
    let server = place.ingest(&["--workers", "1", "--max-clients", "1"]);
    let mut first = Client::connect(server.address());
    assert_eq!(first.ask("x"), "ok");
    let mut second = Client::connect(server.address());
    let answer = second.answer().expect("an answer");
    assert!(answer.starts_with("again: ") && answer.contains("--max-clients"), "{answer}");
    assert_eq!((second.answer(), first.ask("y")), (None, "ok".to_owned()));
    drop(first);
    wait::until("the place to be free", || {
        let mut third = Client::connect(server.address());
        third.stream.write_all(b"z\n").is_ok()
            && third.answer().is_some_and(|answer| answer == "ok")
    });
    server.finish();
}

#[test]
fn a_client_that_is_idle_slow_or_takes_no_answers_is_sent_away_and_delays_no_other() {
    let place = Place::file();
    let server = place.ingest(&["--workers", "1", "--idle", "1"]);
    let deaf = TcpStream::connect(server.address()).expect("a server");
    deaf.set_write_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut slow = Client::connect(server.address());
    thread::scope(|scope| {
        scope.spawn(|| while (&deaf).write_all(&b"@\n".repeat(1_000)).is_ok() {}); // until it is cut off
        slow.stream.write_all(b"half a").unwrap();
        let answer = slow.answer().expect("an answer");
        assert!(answer.starts_with("error: no line came") && answer.contains("--idle"), "{answer}");
        assert_eq!(slow.answer(), None);
        assert_eq!(Client::connect(server.address()).ask("x"), "ok");
    });
    server.finish();
}

#[test]
fn the_service_manager_is_told_when_it_is_ready_and_when_it_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(wait::PATIENCE)).expect("a timeout");
    let setting = format!("NOTIFY_SOCKET={}", path.display());
    let server = Server::start("env", &[&setting, INGEST]);
    let word = || {
        let mut bytes = [0; 100];
        let count = manager.recv(&mut bytes).expect("a word");
        String::from_utf8_lossy(&bytes[..count]).trim_end().to_owned()
    };
    assert_eq!(word(), "READY=1");
    server.finish();
    assert_eq!(word(), "STOPPING=1");
}

#[cfg(target_os = "linux")]
#[test]
fn the_parent_has_one_thread() {
    let place = Place::file();
    let server = place.ingest(&[]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(status.contains("\nThreads:\t1\n"), "{status}");
    server.finish();
}

#[test]
fn kinds_of_pools_are_compared() {
    let printed = run(LOAD, &["--compare", "--clients", "2", "--lines", "20"]);
    assert_eq!(printed.lines().count(), 1 + 2 * 5, "{printed}");
    assert!(printed.contains("queue, batches") && printed.contains("none, single lines"));
}
