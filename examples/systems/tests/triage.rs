//! Tests `triage_server`, its client and its load generator, as a user starts them.

mod common;
#[path = "triage/cut.rs"]
mod cut;
#[path = "triage/session.rs"]
mod session;

use std::collections::{BTreeMap, HashMap};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::Server;
use cut::Wire;
use mysql::prelude::Queryable;
use session::{Session, case_of};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

/// Starts the server. Drop clients before the server is told to end: it gives connected clients two
/// seconds to read its last line.
fn start(arguments: &[&str]) -> Server {
    Server::start(env!("CARGO_BIN_EXE_triage_server"), arguments)
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("triage-test-").tempdir().expect("a folder")
}

fn sqlite_in(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("triage.db").display())
}

/// The number, patient and text of each case. Fails for a case without a result.
fn cases_in(folder: &Path) -> Vec<(i64, String, String)> {
    let conn = rusqlite::Connection::open(folder.join("triage.db")).expect("the file");
    let sql = "SELECT c.id, patient, description, category FROM triage_case c
               LEFT JOIN triage_result r ON r.case_id = c.id ORDER BY c.id";
    let mut statement = conn.prepare(sql).expect("the tables");
    let rows = statement.query_map([], |row| {
        row.get::<_, String>(3)?;
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    });
    rows.expect("rows").collect::<Result<_, _>>().expect("a result for each case")
}

#[test]
fn a_case_is_saved_sorted_answered_and_listed() {
    for pool in ["shared", "persistent", "queue", "one", "none"] {
        let server = start(&["--pool", pool]);
        let mut anna = Session::open(server.address());
        let first = anna.ask("anna-1;crushing chest pain and cold sweat");
        assert!(first.starts_with("saved anna-1;1;emergency;0."), "{first}");
        let second = anna.ask("anna-1;mild sore throat and sneezing");
        assert!(second.starts_with("saved anna-1;2;self-care;0."), "{second}");
        let strange = anna.ask("anna-2;zebra quagga");
        assert_eq!(strange, "saved anna-2;3;unknown;0.00", "no word of it is known");
        let history = anna.ask("?anna-1");
        assert!(history.starts_with("history anna-1;2 self-care 0."), "{history}");
        assert!(history.contains(";1 emergency 0."), "{history}");
        drop(anna);
        let printed = server.finish();
        assert!(printed.contains("held-out cases told right"), "{printed}");
        assert!(printed.contains("3 cases acknowledged to 1 clients"), "{printed}");
    }
}

#[test]
fn each_kind_of_bad_line_has_its_answer_and_the_connection_goes_on() {
    let folder = folder();
    let server = start(&["--db", &sqlite_in(folder.path()), "--max-line", "200"]);
    let mut client = Session::open(server.address());
    let long = [b"anna;".as_slice(), &[b'x'; 100_000]].concat();
    let bad: [(&[u8], &str); 35] = [
        (b"", "error format: there is no `;`"),
        (b"anna has a fever", "error format: there is no `;`"),
        (b"quit", "error format: there is no `;`"),
        (b"anna;", "error text: there is no text"),
        (b"anna; \t ", "error text: there is no text"),
        (b";fever", "error patient: it is empty"),
        (b"../../etc/passwd;fever", "error patient: '.' is not allowed"),
        (b"/etc/passwd;fever", "error patient: '/' is not allowed"),
        (b"anna|rm -rf /;fever", "error patient: '|' is not allowed"),
        (b"$(reboot);fever", "error patient: '$' is not allowed"),
        (b"anna';fever", "error patient: '\\'' is not allowed"),
        (b"anna\" OR 1=1 --;fever", "error patient: '\"' is not allowed"),
        (b"`id`;fever", "error patient: '`' is not allowed"),
        (b"<b>;fever", "error patient: '<' is not allowed"),
        (b"%s%n;fever", "error patient: '%' is not allowed"),
        (b"a b;fever", "error patient: ' ' is not allowed"),
        (b"a\r;fever", "error patient: '\\r' is not allowed"),
        ("Zo\u{eb};fever".as_bytes(), "error patient: '\u{eb}' is not allowed"),
        (b"?", "error patient: it is empty"),
        (b"?;rm", "error patient: ';' is not allowed"),
        (b"?../../etc/passwd", "error patient: '.' is not allowed"),
        (b"anna#1#2;fever", "error key: '#' is not allowed"),
        (b"anna;", "error text: there is no text"),
        (b"anna;fever\x1b[2J", "error text: the text has the control character"),
        ("anna;fe\u{85}ver".as_bytes(), "error text: the text has the control character"),
        (b"an\0na;fever", "error patient: '\\0' is not allowed"),
        (b"\x1b[2Janna;fever", "error patient: '\\u{1b}' is not allowed"),
        (b"012345678901234567890123456789012;x", "error patient: it is longer than 32"),
        (b"anna#;fever", "error key: it is empty"),
        (b"anna#'--;fever", "error key: '\\'' is not allowed"),
        (b"anna;fever\0", "error text: the text has the control character '\\0'"),
        (b"anna;\xff\xfe", "error line: the line is not UTF-8"),
        (&long, "error line: the line is longer than 200 bytes"),
        (b"?nobody", "error unknown: no case of this patient"),
        (b"?anna';DROP TABLE triage_case", "error patient: '\\'' is not allowed"),
    ];
    for (number, (line, expected)) in bad.into_iter().enumerate() {
        client.say([line, b"\n"].concat());
        let answer = client.hear().expect("an answer");
        assert!(
            answer.starts_with(expected),
            "{answer:?} for {:?}",
            line.escape_ascii().to_string()
        );
        assert!(!answer.contains(char::is_control), "{answer:?}");
        assert_eq!(client.save("good;'); DROP TABLE triage_case; -- \u{1f980}"), number as i64 + 1);
    }
    client.say("good;half a line");
    client.end();
    let rest = client.rest();
    assert_eq!(rest, ["error line: the last line has no end (`\\n`); it was not used"]);
    server.finish();
    let cases = cases_in(folder.path());
    assert_eq!(cases.len(), bad.len());
    for (_, patient, text) in cases {
        assert_eq!((&*patient, &*text), ("good", "'); DROP TABLE triage_case; -- \u{1f980}"));
    }
}

#[test]
fn pipelined_lines_are_answered_in_their_order() {
    let server = start(&["--workers", "4", "--window", "8"]);
    let mut client = Session::open(server.address());
    let mut writer = client.stream();
    thread::spawn(move || {
        for n in 0..300 {
            let lines = format!("a{n};fever {n}\nno case\n?a{n}\n?later{n}\nlater{n};cough\n");
            writer.write_all(lines.as_bytes()).expect("a server that reads");
        }
    });
    for n in 0..300 {
        let case = client.hear().expect("an answer");
        assert!(case.starts_with(&format!("saved a{n};")), "{case}");
        assert!(client.hear().expect("an answer").starts_with("error format:"));
        // A question is about all lines before it, and about none after it.
        let history = client.hear().expect("an answer");
        assert!(history.starts_with(&format!("history a{n};{} ", case_of(&case))), "{history}");
        assert!(client.hear().expect("an answer").starts_with("error unknown:"));
        let later = client.hear().expect("an answer");
        assert!(later.starts_with(&format!("saved later{n};")), "{later}");
    }
    drop(client);
    server.finish();
}

#[test]
fn thousands_of_lines_from_many_clients_are_saved_once_each() {
    const CLIENTS: usize = 12;
    const LINES: usize = 250;
    let database = MariaDb::shared();
    let name = database.create_database("triage");
    let server = start(&["--db", &database.url_for(&name)]);
    thread::scope(|threads| {
        for client in 0..CLIENTS {
            let mut session = Session::open(server.address());
            threads.spawn(move || {
                let mut writer = session.stream();
                thread::spawn(move || {
                    for n in 0..LINES {
                        let line = format!("p{client};case {client} {n}\n");
                        writer.write_all(line.as_bytes()).expect("a server that reads");
                    }
                });
                for _ in 0..LINES {
                    case_of(&session.hear().expect("an answer"));
                }
            });
        }
    });
    server.finish();
    let saved = texts_in(database, &name);
    assert_eq!(saved.len(), CLIENTS * LINES);
    for text in (0..CLIENTS).flat_map(|c| (0..LINES).map(move |n| format!("case {c} {n}"))) {
        assert_eq!(saved.get(&text), Some(&1), "{text}");
    }
}

/// How often each text was saved. Fails for a case without a result.
fn texts_in(database: &MariaDb, name: &str) -> HashMap<String, u64> {
    let mut conn = database.admin();
    let sql = format!(
        "SELECT description, COUNT(*), COUNT(r.case_id) FROM {name}.triage_case c
         LEFT JOIN {name}.triage_result r ON r.case_id = c.id GROUP BY description"
    );
    let rows: Vec<(String, u64, u64)> = conn.query(sql).expect("the tables");
    let count = |(text, cases, results)| {
        assert_eq!(cases, results, "{text:?} without its result");
        (text, cases)
    };
    rows.into_iter().map(count).collect()
}

#[test]
fn a_client_beyond_the_limit_gets_a_message_and_the_others_go_on() {
    let server = start(&["--max-clients", "2"]);
    let mut clients = [(); 2].map(|()| Session::open(server.address()));
    clients[0].save("anna;fever");
    clients[1].save("anna;fever");
    for _ in 0..3 {
        let mut third = Session::open(server.address());
        third.say("anna;fever\n"); // closing on unread input must not lose the message
        assert_eq!(third.rest(), ["bye: there are too many clients; try again later"]);
    }
    let [mut first, second] = clients;
    drop(second);
    first.save("anna;fever");
    // The place is free after the server has seen the end of the second client.
    while !answer_of_new_client(server.address()).starts_with("saved ") {}
    drop(first);
    let printed = server.finish();
    assert!(printed.contains("clients turned away"), "{printed}");
}

fn answer_of_new_client(address: SocketAddr) -> String {
    let mut client = Session::open(address);
    client.say("anna;fever\n");
    client.hear().expect("an answer or a farewell")
}

#[test]
fn a_client_that_does_not_read_is_not_read_delays_no_other_and_misses_nothing() {
    let server = start(&[]);
    let deaf = Session::open(server.address());
    let mut writer = deaf.stream();
    // If a write has waited for this long, the server has stopped reading.
    writer.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let chunk = b"no case\n".repeat(8192);
    let mut written = 0;
    loop {
        match writer.write(&chunk[written % chunk.len()..]) {
            Ok(size) => written += size,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        assert!(written < 1 << 30, "the server reads without end");
    }
    let mut other = Session::open(server.address());
    for _ in 0..100 {
        other.save("anna;fever");
    }
    let owed = written.div_ceil(8);
    let missing = (8 - written % 8) % 8;
    thread::spawn(move || {
        writer.set_write_timeout(None).expect("no timeout");
        writer.write_all(&b"no case\n"[8 - missing..]).expect("a server that reads again");
        writer.shutdown(std::net::Shutdown::Write).expect("a connection");
    });
    let answers = deaf.rest();
    assert_eq!(answers.len(), owed);
    assert!(answers.iter().all(|answer| answer.starts_with("error format:")));
    drop(other);
    server.finish();
}

#[test]
fn a_greedy_client_does_not_starve_another() {
    let server = start(&["--workers", "1"]);
    let mut greedy = Session::open(server.address());
    let mut writer = greedy.stream();
    let flooding = thread::spawn(move || while writer.write_all(b"greedy;fever\n").is_ok() {});
    let (begun, has_begun) = mpsc::channel();
    let reading = thread::spawn(move || {
        while greedy.hear().is_some_and(|line| line.starts_with("saved ")) {
            let _ = begun.send(()); // only the first is waited for
        }
    });
    has_begun.recv().expect("a first answer");
    let mut modest = Session::open(server.address());
    let cases: Vec<i64> = (0..21).map(|_| modest.save("modest;fever")).collect();
    // There is one worker, so numbers count what it did. In turns, what the other has under way
    // (`--window`) goes before each line: 640 in all, and more while this thread does not run. Out
    // of turn, it was 72 299.
    let all = cases[20] - cases[0];
    assert!(all < 20_000, "{all} lines were saved while 20 of this client were");
    drop(modest);
    server.finish();
    reading.join().expect("the server ended");
    flooding.join().expect("the server ended");
}

#[test]
fn idle_slow_and_deaf_clients_are_closed() {
    let server = start(&["--idle-timeout", "1"]);
    let idle = Session::open(server.address());
    let slow = Session::open(server.address());
    let mut drip = slow.stream();
    let dripping = thread::spawn(move || {
        while drip.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(50)); // slowness is what this is about
        }
    });
    let deaf = Session::open(server.address());
    let mut flood = deaf.stream();
    let flooding = thread::spawn(move || while flood.write_all(&b"x\n".repeat(4096)).is_ok() {});
    let farewell = "bye: no line came for too long; connect again when there is something to say";
    assert_eq!(idle.rest(), [farewell]);
    let mut slow = slow;
    assert_eq!(slow.hear().as_deref(), Some(farewell));
    dripping.join().expect("the server closed");
    flooding.join().expect("the server closed");
    drop((slow, deaf));
    server.finish();
}

#[test]
fn ctrl_c_answers_what_is_under_way_and_keeps_all_that_was_acknowledged() {
    let folder = folder();
    let server = start(&["--db", &sqlite_in(folder.path())]);
    let (began, has_begun) = mpsc::channel();
    let answered: BTreeMap<i64, String> = thread::scope(|threads| {
        let clients: Vec<_> = (0..6)
            .map(|client| {
                let mut session = Session::open(server.address());
                let began = began.clone();
                threads.spawn(move || {
                    let mut writer = session.stream();
                    thread::spawn(move || {
                        // Reads until the server closes.
                        for n in 0.. {
                            if writer
                                .write_all(format!("p{client};case {client} {n}\n").as_bytes())
                                .is_err()
                            {
                                break;
                            }
                        }
                    });
                    let mut saved = Vec::new();
                    loop {
                        let line = session.hear().expect("a farewell before the end");
                        if line.starts_with("bye: the server ends") {
                            return saved;
                        }
                        let text = format!("case {client} {}", saved.len()); // in order
                        saved.push((case_of(&line), text));
                        if saved.len() == 20 {
                            began.send(()).expect("the test waits");
                        }
                    }
                })
            })
            .collect();
        for _ in 0..6 {
            has_begun.recv().expect("a client that works");
        }
        server.interrupt();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let (status, printed) = server.wait();
    assert!(status.success(), "{status}: {printed}");
    let cases = cases_in(folder.path());
    let saved: BTreeMap<i64, String> = cases.into_iter().map(|(id, _, text)| (id, text)).collect();
    assert_eq!(saved, answered, "what was under way was answered, and nothing else was saved");
}

#[test]
fn history_survives_a_restart_and_so_do_keys() {
    let folder = folder();
    let db = sqlite_in(folder.path());
    let server = start(&["--db", &db]);
    let mut client = Session::open(server.address());
    let first = client.ask("anna#k1;mild headache");
    let history = client.ask("?anna");
    drop(client);
    server.finish();
    let server = start(&["--db", &db, "--pool", "persistent"]);
    let mut client = Session::open(server.address());
    assert_eq!(client.ask("?anna"), history);
    assert_eq!(client.ask("anna#k1;mild headache"), first, "it is not saved again");
    assert!(client.ask("anna#k1;fever").starts_with("error key: this patient has a case"));
    assert_eq!(client.save("zoe#k1;fever"), 2, "another patient's keys are her own");
    assert_eq!(client.ask("?anna"), history);
    drop(client);
    server.finish();
}

#[test]
fn connections_are_as_many_as_workers_when_persistent_and_as_told_when_shared() {
    let database = MariaDb::shared();
    for (pool, most) in [("persistent", 3), ("shared", 2)] {
        let name = database.create_database("triage");
        let db = database.url_for(&name);
        let server = start(&["--db", &db, "--pool", pool, "--workers", "3", "--connections", "2"]);
        let mut client = Session::open(server.address());
        // For a moment there may be one more: the manager's own, which asks about names, or the one with
        // which the pool has tried the settings.
        wait::until("all connections and no more", || {
            client.say("anna;fever\n".repeat(30));
            for _ in 0..30 {
                case_of(&client.hear().expect("an answer"));
            }
            database.process_count(Some(&name)) == most
        });
        drop(client);
        server.finish();
    }
}

#[test]
fn a_commit_whose_answer_was_lost_is_found_and_not_repeated_on_any_pool() {
    thread::scope(|threads| {
        for pool in ["shared", "persistent", "queue", "one", "none"] {
            threads.spawn(move || lose_answers_of_commits(pool));
        }
    });
}

fn lose_answers_of_commits(pool: &str) {
    let database = MariaDb::shared();
    let name = database.create_database("triage");
    let port = database.port();
    let wire = Wire::to(SocketAddr::from(([127, 0, 0, 1], port)));
    let db = database.url_for(&name);
    let db = db.replace(&format!(":{port}"), &format!(":{}", wire.address().port()));
    let server = start(&["--db", &db, "--pool", pool, "--wait", "4", "--settle", "4"]);
    let mut client = Session::open(server.address());
    for text in ["first", "second"] {
        wire.cut_next_commit();
        client.save(&format!("anna;{text}"));
    }
    // If the database does not answer, the answer says so.
    wire.stay_down_after_it();
    wire.cut_next_commit();
    let answer = client.ask("anna#k;third");
    assert!(answer.starts_with("error uncertain: "), "{pool}: {answer}");
    let answer = client.ask("anna;fourth");
    assert!(answer.starts_with("error not-saved: "), "{pool}: {answer}");
    wire.mend();
    while !client.ask("anna#k;third").starts_with("saved anna;") {}
    client.save("anna;fifth");
    drop(client);
    server.finish();
    let saved = texts_in(database, &name);
    let once = ["first", "second", "third", "fifth"].map(|text| (text.to_owned(), 1));
    assert_eq!(saved, HashMap::from(once), "{pool}");
}

/// What a client of the test below learned about a case.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Saved,
    NotSaved,
    Uncertain,
}

#[test]
fn a_database_that_is_killed_under_load_loses_nothing_acknowledged() {
    let mut database = MariaDb::builder().durable(true).start().expect("a MariaDB");
    let name = database.create_database("triage");
    let server = start(&["--db", &database.url_for(&name), "--wait", "1"]);
    let address = server.address();
    let is_over = AtomicBool::new(false);
    let (tell, told) = mpsc::channel();
    let outcomes: Vec<(String, Told)> = thread::scope(|threads| {
        let is_over = &is_over;
        let clients: Vec<_> = (0..6)
            .map(|client| {
                let tell = tell.clone();
                threads.spawn(move || send_until(is_over, address, client, &tell))
            })
            .collect();
        drop(tell);
        let wait_for =
            |wanted, count| told.iter().filter(|told| *told == wanted).take(count).count();
        assert_eq!(wait_for(Told::Saved, 100), 100);
        database.kill9();
        assert_eq!(wait_for(Told::NotSaved, 3), 3);
        database.restart().expect("a restart");
        assert_eq!(wait_for(Told::Saved, 200), 200, "it serves again by itself");
        is_over.store(true, SeqCst);
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    server.finish();
    let saved = texts_in(&database, &name);
    let mut cases: HashMap<&str, Vec<Told>> = HashMap::new();
    for (text, told) in &outcomes {
        cases.entry(text).or_default().push(*told);
    }
    for (text, told) in &cases {
        let times = saved.get(*text).copied().unwrap_or(0);
        match told.last().expect("it was told something") {
            Told::Saved => assert_eq!(times, 1, "{text}: {told:?}"),
            Told::NotSaved => assert_eq!(times, 0, "{text}: {told:?}"),
            Told::Uncertain => assert!(times <= 1, "{text}: {told:?}"),
        }
    }
    assert!(saved.keys().all(|text| cases.contains_key(&**text)), "a case from nowhere");
}

/// Sends cases until the test is over. Clients with an even number give keys, and resend cases that
/// were not saved or are uncertain. The others accept each answer.
fn send_until(
    is_over: &AtomicBool,
    address: SocketAddr,
    client: usize,
    tell: &mpsc::Sender<Told>,
) -> Vec<(String, Told)> {
    let mut session = Session::open(address);
    let mut outcomes = Vec::new();
    let mut n = 0;
    while !is_over.load(SeqCst) {
        let has_key = client.is_multiple_of(2);
        let key = if has_key { format!("#{n}") } else { String::new() };
        let text = format!("case {client} {n}");
        let answer = session.ask(&format!("p{client}{key};{text}"));
        let told = match answer.split([' ', ':']).collect::<Vec<_>>()[..] {
            ["saved", ..] => Told::Saved,
            ["error", "not-saved", ..] => Told::NotSaved,
            ["error", "uncertain", ..] => Told::Uncertain,
            _ => panic!("{answer}"),
        };
        outcomes.push((text, told));
        let _ = tell.send(told); // fails at the end
        n += usize::from(told == Told::Saved || !has_key);
    }
    outcomes
}

#[test]
fn the_client_prints_answers_and_its_code_tells_errors_and_an_early_end() {
    let server = start(&["--max-clients", "1"]);
    let address = server.address().to_string();
    let (code, output) = client(&address, "anna;fever\r\n?anna"); // the last line without its end
    assert_eq!(code, Some(0), "{output}");
    assert!(
        output.starts_with("saved anna;1;") && output.contains("\nhistory anna;1 "),
        "{output}"
    );
    // The server needs a moment to see that a client has left, and until then its place is taken.
    wait::until("an answer to a bad line", || {
        let (code, output) = client(&address, "nonsense\n");
        assert_eq!(code, Some(if output.starts_with("bye: ") { 2 } else { 1 }), "{output}");
        code == Some(1)
    });
    let session = wait::until_some("the place", || {
        let mut session = Session::open(server.address());
        session.say("anna;fever\n");
        session.hear().expect("an answer or a farewell").starts_with("saved ").then_some(session)
    });
    let (code, output) = client(&address, "anna;fever\n");
    assert_eq!((code, &*output), (Some(2), "bye: there are too many clients; try again later\n"));
    drop(session);
    server.finish();
    assert_eq!(client(&address, "anna;fever\n").0, Some(2), "the server is gone");
}

fn client(address: &str, input: &str) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_triage_client"))
        .arg(address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the client");
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes()); // it may have ended
    let mut output = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut output).expect("UTF-8");
    (common::wait(&mut child).code(), output)
}

#[test]
fn the_load_generator_compares_all_pools_and_none() {
    let load = env!("CARGO_BIN_EXE_triage_load");
    let printed = common::run(load, &["--compare", "--seconds", "1", "--clients", "4"]);
    let rows: Vec<Vec<_>> = printed.lines().map(|row| row.split_whitespace().collect()).collect();
    let names: Vec<_> = rows[1..].iter().map(|row| row[0]).collect();
    assert_eq!(names, ["shared", "persistent", "queue", "one", "none"], "{printed}");
    for row in &rows[1..] {
        assert!(row[1].parse::<u64>().expect("cases/s") > 0 && row[4] == "0", "{printed}");
    }
    let server = start(&[]);
    let address = server.address().to_string();
    let printed = common::run(load, &[&address, "--seconds", "1", "--clients", "2"]);
    assert!(printed.contains(&address), "{printed}");
    server.finish();
}

#[test]
fn a_setting_that_does_not_fit_is_named_without_the_password() {
    let program = env!("CARGO_BIN_EXE_triage_server");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (arguments, named) in [
        (["--db", "mysql://me:secret@127.0.0.1:1/x"], "--db"),
        (["--db", "postgres://me:secret@there/x"], "--db"),
        (["--listen", &address], "--listen"),
        (["--workers", "0"], "--workers"),
    ] {
        let output = common::output(program, &arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(named), "{arguments:?}: {errors}");
        assert!(named != "--db" || !errors.contains("secret"), "{errors}");
    }
}
