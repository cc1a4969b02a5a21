//! The manager of `docs/managers.md` keeps the promises.

#![allow(unreachable_pub, reason = "in a crate of its own, the manager is public")]

/// The crate that the page builds.
#[path = "../examples/line_manager"]
mod line_manager {
    pub mod driver;
    pub mod manager;
    pub mod server;
}

// ANCHOR: test
use std::io;

use line_manager::driver::Connection;
use line_manager::manager::LineManager;
use line_manager::server;
use threadwise_conformance::{ManagerUnderTest, Proxy, conformance};

struct LineServer(Proxy);

impl LineServer {
    fn manager_with(&self, password: &str) -> LineManager {
        LineManager { address: self.0.address(), password: password.into() }
    }
}

impl ManagerUnderTest for LineServer {
    type Manager = LineManager;

    fn start() -> Self {
        let server = server::serve().expect("a port for the server");
        Self(Proxy::before(server).expect("a port for the proxy"))
    }

    fn manager(&self) -> LineManager {
        self.manager_with("sesame")
    }

    fn echo(&self, conn: &mut Connection, nonce: u64) -> io::Result<u64> {
        conn.ask(&format!("echo {nonce}"))?.parse().map_err(io::Error::other)
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.0)
    }
    // ANCHOR_END: test

    // ANCHOR: optional
    fn soil(&self, conn: &mut Connection) {
        conn.ask("name alice").expect("a name");
        conn.ask("begin").expect("a transaction");
    }

    fn is_fresh(&self, conn: &mut Connection) -> bool {
        conn.ask("session").expect("an answer") == r#""" false"#
    }

    fn begin(&self, conn: &mut Connection) {
        conn.ask("begin").expect("a transaction");
    }

    fn fail(&self, conn: &mut Connection) -> io::Error {
        conn.ask("nonsense").expect_err("there is no such command")
    }

    const PASSWORD: Option<&'static str> = Some("abracadabra");

    fn refused_manager(&self) -> LineManager {
        self.manager_with("abracadabra")
    }
}

conformance!(
    LineServer: cut, notice, silence, outage, refusal, lost, failure, session, changes, transaction,
    count, fork
);
// ANCHOR_END: optional

#[test]
fn the_manager_is_as_short_as_the_page_says() {
    let source = include_str!("../examples/line_manager/manager.rs");
    let lines = source.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(lines.count() <= 60);
}
