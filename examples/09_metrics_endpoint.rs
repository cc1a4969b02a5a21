//! The pool's state and counters over HTTP, in Prometheus' text format.
//!
//! `state()` borrows no connection and waits for nobody, so the endpoint answers when it is needed
//! most: when all connections are in use. What to look at: what goes up and down is a gauge; what
//! only grows is a counter, is called `…_total`, and Prometheus makes rates of it; and a name is
//! escaped, for people put quotation marks into names. For how long each `get` waited, which takes a
//! histogram, there are `Events` (example 07) and the crate `prometheus-client`.
//!
//! ```text
//! cargo run --example 09_metrics_endpoint --all-features
//! ```
//!
//! The program asks its own endpoint, while it holds the only connection, and prints a part of the
//! answer:
//!
//! ```text
//! # HELP threadwise_connections Connections, by what they do.
//! # TYPE threadwise_connections gauge
//! threadwise_connections{pool="the \"big\" shop",state="borrowed"} 1
//! threadwise_connections{pool="the \"big\" shop",state="idle"} 0
//! threadwise_connections{pool="the \"big\" shop",state="connecting"} 0
//! # HELP threadwise_connections_limit The most that may be open.
//! # TYPE threadwise_connections_limit gauge
//! threadwise_connections_limit{pool="the \"big\" shop"} 1
//! # HELP threadwise_gets_total Connections lent.
//! # TYPE threadwise_gets_total counter
//! threadwise_gets_total{pool="the \"big\" shop"} 3
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;
use threadwise::{CloseReason, State};
use tiny_http::{Header, Request, Response, Server};

const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result {
    let manager = SqliteManager::memory();
    let pool = SharedPool::builder().name("the \"big\" shop").max_size(1).build(manager)?;
    // For this machine alone: this server limits neither its clients nor their time. Any free port.
    let server = Server::http("127.0.0.1:0")?;
    let address = server.server_addr().to_ip().ok_or("not an IP address")?;
    (0..2).try_for_each(|_| pool.get().map(drop))?;
    let _the_only_one = pool.get()?;
    let page = thread::scope(|threads| {
        threads.spawn(|| server.incoming_requests().for_each(|request| answer(request, &pool)));
        let page = scrape(address);
        server.unblock(); // ends the thread, whatever came of that
        page
    })?;
    let is_shown = |line: &&str| line.contains("_connections") || line.contains("_gets");
    page.lines().filter(is_shown).for_each(|line| println!("{line}"));
    Ok(())
}

/// If whoever asks has gone away, that is no concern of the program's.
fn answer(request: Request, pool: &SharedPool<SqliteManager>) {
    let _ = if request.url() == "/metrics" {
        let format = Header::from_bytes("Content-Type", FORMAT).expect("a valid header");
        request.respond(Response::from_string(metrics(&pool.state())).with_header(format))
    } else {
        request.respond(Response::empty(404))
    };
}

fn metrics(state: &State) -> String {
    let pool = format!("pool=\"{}\"", escape(state.name.as_deref().unwrap_or_default()));
    let family = |name, kind, help, samples: &[(String, u64)]| {
        let head = format!("# HELP threadwise_{name} {help}\n# TYPE threadwise_{name} {kind}\n");
        samples.iter().fold(head, |page, (labels, value)| {
            page + &format!("threadwise_{name}{{{pool}{labels}}} {value}\n")
        })
    };
    let State { borrowed, idle, connecting, counters, .. } = state;
    let by_state = [("borrowed", borrowed), ("idle", idle), ("connecting", connecting)]
        .map(|(state, &value)| (format!(",state=\"{state}\""), value as u64));
    let by_reason = CloseReason::ALL
        .map(|reason| (format!(",reason=\"{}\"", reason.name()), counters.closed(reason)));
    let one = |value| [(String::new(), value)];
    let failures = one(counters.connect_failures);
    let limit = state.max_size.iter().map(|&limit| (String::new(), limit as u64));
    let limit = limit.collect::<Vec<_>>(); // no limit, no sample
    [
        family("connections", "gauge", "Connections, by what they do.", &by_state),
        family("connections_limit", "gauge", "The most that may be open.", &limit),
        family("waiting", "gauge", "Threads that wait for one.", &one(state.waiting as u64)),
        family("gets_total", "counter", "Connections lent.", &one(counters.gets)),
        family("waits_total", "counter", "Gets that had to wait.", &one(counters.waits)),
        family("timeouts_total", "counter", "Gets that gave up.", &one(counters.timeouts)),
        family("opened_total", "counter", "Connections opened.", &one(counters.opened)),
        family("connect_failures_total", "counter", "Failures to open one.", &failures),
        family("closed_total", "counter", "Connections closed.", &by_reason),
    ]
    .concat()
}

/// For the value of a label.
fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

/// What Prometheus does every few seconds.
fn scrape(address: SocketAddr) -> Result<String> {
    let mut server = TcpStream::connect(address)?;
    server.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    let (head, page) = answer.split_once("\r\n\r\n").ok_or("no page")?;
    assert!(head.contains("200 OK") && head.contains(FORMAT), "{head}");
    Ok(page.to_owned())
}
