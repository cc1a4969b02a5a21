//! A private MariaDB, and proxies before it: for scenarios, which cut a server off, and for pools of
//! other languages.

use std::net::{Ipv4Addr, SocketAddr};

use threadwise_testkit::Proxy;
use threadwise_testkit::mariadb::MariaDb;

use crate::{Failure, Result};

/// Enough for all contenders at the same time.
const MAX_CONNECTIONS: u32 = 512;

/// A private server. Dropping it ends it.
pub(crate) struct PrivateServer(MariaDb);

impl PrivateServer {
    /// Starts a server.
    pub(crate) fn start() -> Result<Self> {
        let server = MariaDb::builder().max_connections(MAX_CONNECTIONS).start();
        server.map(Self).map_err(Failure::of)
    }

    /// The URL for the drivers of this process.
    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// The URL of this server or of a proxy for programs of other languages. It has no parameters,
    /// which each driver would understand differently.
    pub(crate) fn url_at(address: SocketAddr) -> String {
        format!("mysql://root@{address}/test")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.0.port()))
    }

    /// Starts a proxy before the server.
    pub(crate) fn proxy(&self) -> Result<Proxy> {
        Proxy::before(self.address()).map_err(Failure::of)
    }
}
