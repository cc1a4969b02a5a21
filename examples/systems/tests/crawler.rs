//! Tests the crawler on its own site with its traps, and on servers of the tests.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use threadwise_systems::http::server::{Asked, Reply, Server, Settings, Then};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crawler");
const KINDS: [&str; 5] = ["shared", "persistent", "queue", "one", "none"];

/// The printed status (`---` if there was no answer) of each fetched target.
fn fetched(text: &str) -> BTreeMap<&str, &str> {
    let mut all = BTreeMap::new();
    for line in text.lines().skip(1).take_while(|line| !line.is_empty()) {
        let target = line.split_whitespace().find(|word| word.starts_with('/'));
        let target = target.unwrap_or_else(|| panic!("{line}")).trim_end_matches(':');
        assert_eq!(all.insert(target, &line[..3]), None, "fetched twice: {line}");
    }
    all
}

/// The number before `unit` in the last printed lines.
fn number(text: &str, unit: &str) -> usize {
    let words: Vec<_> = text.split_whitespace().collect();
    let found = words.windows(2).rfind(|pair| pair[1].starts_with(unit));
    found.and_then(|pair| pair[0].parse().ok()).unwrap_or_else(|| panic!("no {unit:?} in {text}"))
}

#[test]
fn each_page_of_a_site_with_traps_is_fetched_once_on_every_pool() {
    for kind in KINDS {
        let text = common::run(PROGRAM, &["--pool", kind, "--shelves", "3"]);
        let pages = fetched(&text);
        let count = |start: &str| pages.keys().filter(|target| target.starts_with(start)).count();
        assert_eq!((count("/shelf/"), count("/img/")), (3 * 13, 3 * 12 + 1), "{kind}: {text}");
        for (target, status) in [
            ("/", "200"),
            ("/missing", "404"),
            ("/moved", "301"),
            ("/moved/here", "200"),
            ("/circle", "302"),
            ("/away", "302"),
            ("/in/pieces", "200"),
            ("/in/pieces/next", "200"),
            ("/last", "200"),
            ("/quit", "200"),
            ("/race", "200"),
            ("/old", "200"),
            ("/large", "---"),
            ("/large/in/pieces", "---"),
            ("/cut", "---"),
            ("/garbage", "---"),
            ("/page?x=1", "200"),
            ("/page?x=2", "200"),
            ("/broken", "200"),
            ("/found", "200"),
            ("/text", "200"),
            ("/bytes", "200"),
            ("/after/bytes", "200"),
            ("/nothing", "204"),
            ("/calendar?month=4", "200"),
        ] {
            assert_eq!(pages.get(target), Some(&status), "{kind}: {target} in {text}");
        }
        for target in ["/never", "/calendar?month=5"] {
            assert!(!pages.contains_key(target), "{kind}: {target} in {text}");
        }
        assert!(
            !text.contains("example.org:") && number(&text, "elsewhere") == 4,
            "{kind}: {text}"
        );
        // `/race` closes a connection that was used before, so the client sends one request twice.
        let requests = number(&text, "requests");
        assert!((pages.len()..=pages.len() + 1).contains(&requests), "{kind}: {text}");
    }
}

#[test]
fn a_pool_needs_no_more_connections_than_it_has_places_and_no_pool_needs_one_for_each_page() {
    for (kind, most) in [("shared", 3), ("queue", 3), ("one", 1), ("persistent", 6)] {
        let server = Server::start(Settings::default(), plain).expect("a server");
        let text = crawl(&server, &["--pool", kind, "--connections", "3", "--threads", "6"]);
        assert_eq!(fetched(&text).len(), 101, "{kind}: {text}");
        let counts = server.counts();
        assert!(counts.used <= most && counts.requests == 101, "{kind}: {counts:?}");
        assert!(number(&text, "connections") <= most + 1, "a persistent pool tries one: {text}");
    }
    let server = Server::start(Settings::default(), plain).expect("a server");
    let text = crawl(&server, &["--pool", "none"]);
    assert_eq!((server.counts().used, number(&text, "connections")), (101, 102), "{text}");
}

#[test]
fn the_comparison_has_a_row_for_each_pool_with_the_servers_counts() {
    let text = common::run(PROGRAM, &["--compare", "--shelves", "2", "--threads", "3"]);
    for kind in KINDS {
        let row = text.lines().find(|row| row.trim_start().starts_with(kind));
        let row: Vec<_> = row.unwrap_or_else(|| panic!("{text}")).split_whitespace().collect();
        let [connections, requests] =
            [1, 3].map(|column| row[column].parse::<usize>().expect(kind));
        assert_eq!(connections >= requests, kind == "none", "{text}");
    }
}

#[test]
fn the_comparison_shows_what_a_pool_is_for() {
    // So long that the work of a busy machine takes little of the time.
    let text = common::run(PROGRAM, &["--compare", "--shelves", "2", "--round-trip", "50"]);
    assert!(text.contains("with 8 threads on 6 connections"), "{text}");
    let pages_per_s = |kind: &str| {
        let row = text.lines().find(|row| row.trim_start().starts_with(kind));
        let figure = row.and_then(|row| row.split_whitespace().nth(4)?.parse::<u64>().ok());
        figure.unwrap_or_else(|| panic!("{kind} in {text}"))
    };
    // A page takes one round trip on an open connection, two on a new one; six pages at once, or
    // one.
    for pool in ["shared", "queue", "persistent"] {
        assert!(pages_per_s(pool) > pages_per_s("none"), "{text}");
    }
    assert!(pages_per_s("none") > pages_per_s("one"), "{text}");
    assert!(text.contains("at most 20 pages on one connection, 80 on a new"), "{text}");
    assert!(text.contains("120 on 6 that stay open"), "{text}");
}

#[test]
fn a_crawl_stays_within_its_bounds() {
    let site = |asked: &Asked| {
        let depth = asked.request.uri().path().len();
        let path = asked.request.uri().path().trim_end_matches('/');
        Reply::new(
            200,
            format!("<a href={path}/a>x</a><a href={path}/b>y</a>{}", "x".repeat(depth * 100)),
        )
        .html()
    };
    for (bounds, pages, failed) in [
        (["--max-depth", "3"], 1 + 2 + 4 + 8, 0),
        (["--max-pages", "20"], 20, 0),
        (["--max-bytes", "500"], 1 + 2 + 4 + 8, 8), // those of the last level are too large
    ] {
        let server = Server::start(Settings::default(), site).expect("a server");
        let text = crawl(&server, &bounds);
        assert_eq!(fetched(&text).len(), pages, "{bounds:?}: {text}");
        assert_eq!(number(&text, "failed"), failed, "{bounds:?}: {text}");
    }
}

#[test]
fn a_server_that_hangs_costs_its_page_and_no_other() {
    let site = |asked: &Asked| match asked.request.uri().path() {
        "/" => Reply::new(200, "<a href=/hang>1</a><a href=/slow>2</a><a href=/fine>3</a>").html(),
        "/hang" => Reply::raw("").then(Then::Hang),
        "/slow" => Reply::raw("HTTP/1.1 200 OK\r\n\r\n").then(Then::Dribble(b"slow")),
        _ => Reply::new(200, ""),
    };
    let server = Server::start(Settings::default(), site).expect("a server");
    let text = crawl(&server, &["--timeout", "1", "--threads", "2", "--connections", "2"]);
    let pages: Vec<_> = fetched(&text).into_iter().collect();
    assert_eq!(pages, [("/", "200"), ("/fine", "200"), ("/hang", "---"), ("/slow", "---")]);
    assert_eq!(text.matches("took longer than 1s").count(), 2, "{text}");
}

#[test]
fn a_server_that_goes_away_ends_the_crawl() {
    let output = common::output(PROGRAM, &["--url", "http://127.0.0.1:1/", "--pool", "queue"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("running"), "{errors}");

    let server = Server::start(Settings::default(), endless).expect("a server");
    // The site has so many pages that some are always known and not fetched yet.
    let endless = ["--max-pages", "1000000", "--max-depth", "1000000"];
    let mut crawler = start(&server, &[&endless[..], &["--pool", "queue"]].concat());
    lines(&mut crawler, 20);
    drop(server);
    let (status, text) = finish(crawler);
    assert!(status.success() && text.contains("ended early"), "{text}");
    assert!(number(&text, "failed") > 0, "{text}");
}

#[test]
fn ctrl_c_ends_a_crawl_in_order() {
    for kind in KINDS {
        let server = Server::start(Settings::default(), endless).expect("a server");
        let arguments = ["--pool", kind, "--max-pages", "1000000", "--max-depth", "1000000"];
        let mut crawler = start(&server, &arguments);
        lines(&mut crawler, 20);
        common::signal(crawler.id(), "INT");
        let (status, text) = finish(crawler);
        assert!(status.success(), "{kind}: {status}: {text}");
        assert!(text.contains("ended early"), "{kind}: {text}");
        assert_eq!(number(&text, "failed"), 0, "what was begun was finished: {kind}: {text}");
    }
}

#[test]
fn ctrl_c_ends_a_crawl_whose_server_hangs() {
    let hang = |_: &Asked| Reply::raw("").then(Then::Hang);
    let server = Server::start(Settings::default(), hang).expect("a server");
    let crawler = start(&server, &["--timeout", "1"]);
    assert!(server.wait(std::time::Duration::from_secs(60), |counts| counts.requests == 1));
    common::signal(crawler.id(), "INT");
    let (status, text) = finish(crawler);
    assert!(status.success() && text.contains("took longer"), "{status}: {text}");
}

#[test]
fn a_url_that_cannot_be_crawled_is_an_error() {
    for (arguments, reason) in [
        (["--url", "https://localhost/"], "not an http:// URL"),
        (["--url", "nonsense"], "relative URL"),
        (["--url", "http://me:secret@localhost/"], "a password in the URL"),
        (["--threads", "0"], "0 is not in"),
        (["--pool", "pond"], "possible values"),
    ] {
        let output = common::output(PROGRAM, &arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(reason), "{arguments:?}: {errors}");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(!errors.contains("secret") && !printed.contains("secret"), "{errors} {printed}");
    }
}

/// A site of a hundred pages without traps.
fn plain(asked: &Asked) -> Reply {
    let links = (0..100).map(|page| format!("<a href=/{page}>x</a>"));
    let is_start = asked.request.uri().path() == "/";
    Reply::new(200, if is_start { links.collect() } else { String::new() }).html()
}

/// A site in which each page links to two new ones.
fn endless(asked: &Asked) -> Reply {
    let path = asked.request.uri().path().trim_start_matches('/');
    let number: u64 = path.parse().unwrap_or(1);
    let links = [2 * number, 2 * number + 1].map(|page| format!("<a href=/{page}>x</a>"));
    Reply::new(200, links.concat()).html()
}

fn url(server: &Server) -> String {
    format!("http://{}/", server.address())
}

fn crawl(server: &Server, arguments: &[&str]) -> String {
    common::run(PROGRAM, &[&["--url", &url(server)], arguments].concat())
}

fn start(server: &Server, arguments: &[&str]) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(["--url", &url(server)]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("the crawler")
}

/// Waits until the crawler has printed this many lines.
fn lines(crawler: &mut Child, number: usize) {
    let output = BufReader::with_capacity(1, crawler.stdout.as_mut().expect("a pipe"));
    assert_eq!(output.lines().map_while(Result::ok).take(number).count(), number);
}

fn finish(mut crawler: Child) -> (std::process::ExitStatus, String) {
    let mut text = String::new();
    let mut output = crawler.stdout.take().expect("a pipe");
    output.read_to_string(&mut text).expect("UTF-8"); // until it has ended, or it would wait for us
    (common::wait(&mut crawler), text)
}
