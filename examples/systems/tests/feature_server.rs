//! Tests `feature_server` over its socket.

mod common;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::Server;
use serde_json::Value as Json;
use threadwise::ManageConnection;
use threadwise_systems::{Connection, PoolChoice, Source};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait::AtEnd;

const PROGRAM: &str = env!("CARGO_BIN_EXE_feature_server");
const POOLS: [&str; 3] = ["shared", "persistent", "queue"];

fn start(arguments: &[&str]) -> Server {
    Server::start(PROGRAM, &[&["--users", "60"], arguments].concat())
}

/// A client that keeps its connection.
struct Client {
    agent: ureq::Agent,
    address: SocketAddr,
}

struct Answer {
    status: u16,
    retry_after: Option<String>,
    body: String,
}

impl Client {
    fn of(server: &Server) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)));
        Self { agent: config.build().new_agent(), address: server.address() }
    }

    fn get(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut answer =
            self.agent.get(url).call().unwrap_or_else(|error| panic!("{path}: {error}"));
        let retry_after = answer.headers().get("retry-after");
        Answer {
            status: answer.status().as_u16(),
            retry_after: retry_after.map(|value| value.to_str().expect("text").to_owned()),
            body: answer.body_mut().read_to_string().expect("text"),
        }
    }

    fn state(&self, what: &str) -> u64 {
        self.get("/state").json()[what].as_u64().expect("a number")
    }
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.body))
    }

    fn assert_unavailable(&self) {
        let told = self.retry_after.as_deref();
        assert_eq!((self.status, told), (503, Some("1")), "{}", self.body);
    }
}

/// Sends bytes, and reads to the end of the connection.
fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream.write_all(bytes).expect("a server that reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and an end");
    answer
}

/// Retries until the condition holds, for two minutes.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < end, "it never came to be that {what}");
        thread::sleep(Duration::from_millis(5)); // asked over a socket: there is no event
    }
}

fn connect(url: &str) -> Connection {
    url.parse::<Source>().expect("a database").manager().connect().expect("a connection")
}

/// The content of the table `scored`: request → person and score.
fn written(conn: &mut Connection) -> HashMap<String, (i64, f64)> {
    let rows = conn.query("SELECT request, person, score FROM scored", &[]).expect("rows");
    let count = rows.len();
    let rows: HashMap<_, _> = rows
        .iter()
        .map(|row| {
            let text = row.text(0).expect("text").to_owned();
            (text, (row.integer(1).expect("a number"), row.real(2).expect("a number")))
        })
        .collect();
    assert_eq!(rows.len(), count, "no request has two rows");
    rows
}

fn assert_has_all(rows: &HashMap<String, (i64, f64)>, acknowledged: &[Json]) {
    for answer in acknowledged {
        let request = answer["request"].as_str().expect("text");
        let (person, score) = rows.get(request).unwrap_or_else(|| panic!("{request} is lost"));
        assert_eq!(Some(*person), answer["user"].as_i64());
        assert!((score - answer["score"].as_f64().expect("a number")).abs() < 1e-9);
    }
}

/// Clients that send one request after the other, and keep the acknowledged answers.
#[derive(Default)]
struct Load {
    acknowledged: Mutex<Vec<Json>>,
    refused: Mutex<u64>,
    is_over: AtomicBool,
}

impl Load {
    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().expect("no panic").len()
    }

    fn refused(&self) -> u64 {
        *self.refused.lock().expect("no panic")
    }

    /// Sends requests until the test is over, or until the server is gone.
    fn ask(&self, client: &Client, from: usize) {
        for user in (1..=60).cycle().skip(from) {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let url = format!("http://{}/score/{user}", client.address);
            let Ok(mut answer) = client.agent.get(url).call() else { return };
            let Ok(body) = answer.body_mut().read_to_string() else { return };
            match answer.status().as_u16() {
                200 => {
                    let body = serde_json::from_str(&body).expect("JSON");
                    self.acknowledged.lock().expect("no panic").push(body);
                }
                503 => *self.refused.lock().expect("no panic") += 1,
                other => panic!("{other}: {body}"),
            }
        }
    }
}

#[test]
fn a_score_is_the_same_on_every_pool_and_database_however_it_is_fetched() {
    let maria = MariaDb::shared();
    let url = maria.url_for(&maria.create_database("features"));
    let mut first: Option<Json> = None;
    for db in ["sqlite", &url] {
        let parallel = PoolChoice::ALL.map(|kind| (kind.to_string(), "parallel"));
        for (kind, fetch) in parallel.into_iter().chain([("shared".to_owned(), "sequential")]) {
            let server = start(&["--db", db, "--pool", &kind, "--fetch", fetch]);
            let answer = Client::of(&server).get("/score/7");
            assert_eq!(answer.status, 200, "{}", answer.body);
            let answer = answer.json();
            let features = answer["features"].as_object().expect("an object");
            assert_eq!(features.len(), 20);
            let first = first.get_or_insert_with(|| answer.clone());
            let close = |a: &Json, b: &Json| {
                (a.as_f64().expect("a number") - b.as_f64().expect("a number")).abs() < 1e-6
            };
            assert!(close(&first["score"], &answer["score"]), "{first} {answer}");
            for (name, value) in features {
                assert!(close(&first["features"][name], value), "{name}: {first} {answer}");
            }
            server.finish();
        }
    }
}

#[test]
fn bad_requests_get_their_error_and_others_are_served() {
    let server = start(&["--request-ms", "2000"]);
    let (client, address) = (Client::of(&server), server.address());
    let status = |path: &str| client.get(path).status;
    assert_eq!(status("/score/61"), 404);
    for user in ["", "x", "-1", "1.5", "+1", "99999999999999999999", "%31", "1'--", "7/8"] {
        assert_eq!(status(&format!("/score/{user}")), 400, "{user}");
    }
    assert_eq!((status("/"), status("/scores/7"), status("/healthz")), (404, 404, 200));

    let head = "HTTP/1.1\r\nHost: here\r\n";
    let starts = |bytes: &[u8], with: &str| {
        let answer = raw(address, bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {with}")), "{with}: {answer}");
        answer
    };
    let answer =
        starts(format!("POST /score/7 {head}Content-Length: 3\r\n\r\nabc").as_bytes(), "405");
    assert!(answer.contains("allow: GET"), "{answer}");
    starts(format!("GET /score/7 {head}Content-Length: 3\r\n\r\nabc").as_bytes(), "400");
    starts(format!("GET /{} {head}\r\n", "x".repeat(2000)).as_bytes(), "414");
    starts(format!("GET /{} {head}\r\n", "x".repeat(200_000)).as_bytes(), "431");
    starts(format!("GET / {head}A: {}\r\n\r\n", "x".repeat(9000)).as_bytes(), "431");
    starts(b"\x16\x03\x01\x02\x00\r\n\r\n", "400"); // a client that speaks TLS
    starts(b"hello\r\n\r\n", "400");
    starts(b"GET / HTTP/1.1\r\n\r\n", "400");
    starts(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400");
    starts(format!("GET / {head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").as_bytes(), "400");
    starts(format!("DELETE / {head}\r\n").as_bytes(), "405");
    starts(b"GET /score/7 HTTP/1.1\r\nHo", "408"); // and never goes on
    assert_eq!(client.get("/score/7").status, 200);
    server.finish();
}

#[test]
fn a_client_may_send_requests_ahead_in_pieces_or_with_its_last_words() {
    let server = start(&[]);
    let two = "GET /score/3 HTTP/1.1\r\nHost: a\r\n\r\nGET /score/4 HTTP/1.1\r\nHost: a\r\n";
    let answers = raw(server.address(), format!("{two}Connection: close\r\n\r\n").as_bytes());
    let place = |text: &str| answers.find(text).unwrap_or_else(|| panic!("{text}: {answers}"));
    assert!(place("\"user\":3") < place("\"user\":4"));

    let mut stream = TcpStream::connect(server.address()).expect("a server");
    for byte in b"GET /score/5 HTTP/1.1\r\nHost: a\r\n\r\n" {
        stream.write_all(&[*byte]).expect("a server that reads");
    }
    stream.shutdown(Shutdown::Write).expect("a connection");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("\"user\":5"), "{answer}");
    server.finish();
}

#[test]
fn silent_and_slow_clients_cost_no_worker() {
    let server = start(&["--workers", "1"]);
    let silent: Vec<_> = (0..50)
        .map(|number| {
            let mut stream = TcpStream::connect(server.address()).expect("a server");
            if number % 2 == 0 {
                stream.write_all(b"GET /score/1 HT").expect("a server that reads");
            }
            stream
        })
        .collect();
    let clients: Vec<_> = (0..5).map(|_| Client::of(&server)).collect();
    for _ in 0..3 {
        // Each client keeps its connection, and there is one worker.
        assert!(clients.iter().all(|client| client.get("/score/1").status == 200));
    }
    drop(silent);
    server.finish();
}

#[test]
fn a_client_beyond_the_limit_is_asked_to_come_back() {
    let server = start(&["--max-clients", "2"]);
    let (one, two) = (Client::of(&server), Client::of(&server));
    assert_eq!((one.get("/score/1").status, two.get("/score/1").status), (200, 200));
    let third = Client::of(&server).get("/score/1");
    third.assert_unavailable();
    assert!(third.body.contains("--max-clients"), "{}", third.body);
    drop(one);
    until("there is room again", || Client::of(&server).get("/score/1").status == 200);
    assert_eq!(two.get("/score/1").status, 200);
    server.finish();
}

#[test]
fn a_task_that_holds_a_connection_while_it_waits_for_others_that_want_one_never_ends() {
    let holding = ["--connections", "1", "--fetch", "holding"];
    for pool in ["shared", "queue"] {
        let deadline = ["--deadline-ms", "300", "--pool", pool];
        let server = start(&[&holding[..], &deadline].concat());
        let client = Client::of(&server);
        client.get("/score/7").assert_unavailable();
        until("a `get` has timed out", || client.state("timeouts") > 0);
        server.finish();
        // The same connection is enough for tasks that hold no connection while they wait.
        let server = start(&["--connections", "1", "--fetchers", "4", "--pool", pool]);
        assert_eq!(Client::of(&server).get("/score/7").status, 200);
        server.finish();
    }
    // Each thread has its own connection, and this thread has borrowed its own already: the pool
    // returns an error.
    let server =
        start(&[&holding[..], &["--deadline-ms", "30000", "--pool", "persistent"]].concat());
    let answer = Client::of(&server).get("/score/7");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("already holds its connection"), "{}", answer.body);
    server.finish();
}

#[test]
fn no_more_connections_are_needed_than_rayon_has_threads() {
    for pool in POOLS {
        let server = start(&["--workers", "8", "--connections", "3", "--pool", pool]);
        let load = Load::default();
        let client = Client::of(&server);
        thread::scope(|threads| {
            let _end = AtEnd(|| load.is_over.store(true, Ordering::Relaxed));
            for number in 0..8 {
                let (load, client) = (&load, Client::of(&server));
                threads.spawn(move || load.ask(&client, number));
            }
            let is_open = || client.state("open") == 3;
            until("some are served by all", || load.acknowledged() > 50 && is_open());
        });
        assert_eq!(client.state("open"), 3, "{pool}");
        server.finish();
    }
}

#[test]
fn ctrl_c_finishes_what_is_under_way_and_each_acknowledged_score_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("scores.db").display());
    let server = start(&["--db", &url, "--workers", "4"]);
    let load = Load::default();
    thread::scope(|threads| {
        for number in 0..6 {
            let (load, client) = (&load, Client::of(&server));
            threads.spawn(move || load.ask(&client, number));
        }
        until("there is load", || load.acknowledged() > 100);
        server.interrupt();
        // The clients end when the server has gone.
    });
    let (status, printed) = server.wait();
    assert!(status.success(), "{status}: {printed}");
    let acknowledged = load.acknowledged.into_inner().expect("no panic");
    assert_has_all(&written(&mut connect(&url)), &acknowledged);
}

#[test]
fn a_database_that_does_not_answer_is_not_waited_for_beyond_the_deadline() {
    let maria = MariaDb::start().expect("a server");
    let url = maria.url_for(&maria.create_database("features"));
    let server = start(&["--db", &url, "--deadline-ms", "300"]);
    let client = Client::of(&server);
    until("it is served", || client.get("/score/7").status == 200);
    maria.freeze();
    // The driver would wait for a minute. The database stays frozen until these requests are
    // answered.
    for _ in 0..4 {
        client.get("/score/7").assert_unavailable();
    }
    assert_eq!(client.get("/healthz").status, 200);
    maria.thaw();
    until("it is served again", || client.get("/score/7").status == 200);
    server.finish();
}

#[test]
fn a_database_killed_under_load_loses_no_acknowledged_score_and_is_found_again() {
    let mut maria = MariaDb::builder().durable(true).start().expect("a server");
    for pool in POOLS {
        let url = maria.url_for(&maria.create_database("features"));
        let server = start(&["--db", &url, "--pool", pool, "--deadline-ms", "500"]);
        let load = Load::default();
        thread::scope(|threads| {
            let _end = AtEnd(|| load.is_over.store(true, Ordering::Relaxed));
            for number in 0..4 {
                let (load, client) = (&load, Client::of(&server));
                threads.spawn(move || load.ask(&client, number));
            }
            until("there is load", || load.acknowledged() > 30);
            maria.kill9();
            let before = load.refused();
            until("clients are told that the database is away", || load.refused() > before + 4);
            maria.restart().expect("the same server");
            let before = load.acknowledged();
            until("scores are given again", || load.acknowledged() > before + 30);
        });
        server.finish();
        let acknowledged = load.acknowledged.into_inner().expect("no panic");
        assert_has_all(&written(&mut connect(&url)), &acknowledged);
    }
}

#[test]
fn the_comparison_has_a_row_for_each_pool_and_none_fails() {
    let small = ["--compare", "--seconds", "0.3", "--clients", "2", "--users", "60"];
    let printed = common::run(PROGRAM, &small);
    let rows: Vec<Vec<&str>> =
        printed.lines().map(|row| row.split_whitespace().collect()).collect();
    let rows: Vec<_> = rows.iter().skip_while(|row| row.first() != Some(&"requests/s")).collect();
    let names: Vec<_> = rows.iter().skip(1).filter_map(|row| row.first()).collect();
    assert_eq!(names, [&"shared", &"persistent", &"queue", &"one", &"none", &"shared,"]);
    for row in &rows[1..names.len() + 1] {
        assert_eq!(row.last(), Some(&"0"), "none failed: {printed}");
    }
}

#[test]
fn a_database_that_is_away_is_an_error_at_the_start_without_its_password() {
    let url = "mysql://me:secret@127.0.0.1:1/x";
    let output = common::output(PROGRAM, &["--db", url]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("connection") && !text.contains("secret"), "{text}");
}
