//! The manager of HTTP connections.

use std::borrow::Cow;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use threadwise::ManageConnection;
use url::Url;

use super::{Connection, Error, Limits};

/// Opens connections to one server, and says which of them may be lent again.
#[derive(Clone, Debug)]
pub struct Http {
    host: String,
    port: u16,
    limits: Limits,
}

impl Http {
    /// Connections to `host`, a name or an address, within the default [`Limits`].
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, limits: Limits::default() }
    }

    /// Connections to the server of `url`, whatever its path.
    ///
    /// # Errors
    ///
    /// If it is not an `http` URL: there is no TLS here. Or if there is a password in it, which
    /// would go over the wire for all to read.
    pub fn for_url(url: &Url) -> Result<Self, Error> {
        if !url.username().is_empty() || url.password().is_some() {
            let reason = "a user name or a password in the URL: they are not sent over plain http";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        match (url.scheme(), url.host_str(), url.port_or_known_default()) {
            ("http", Some(host), Some(port)) => Ok(Self::new(host, port)),
            (scheme, ..) => {
                let reason = format!("not an http:// URL: it begins with `{scheme}:`");
                Err(Error::Unsupported(reason))
            }
        }
    }

    /// Sets other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn dial(&self, limit: Duration) -> io::Result<TcpStream> {
        let end = Instant::now() + limit;
        let host = self.host.trim_start_matches('[').trim_end_matches(']'); // of an IPv6 address
        let mut refused = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (host, self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, time_until(end)?) {
                // On loopback, a socket may connect to itself if no server listens: TCP allows two
                // sockets that connect to each other at the same time.
                Ok(stream) if stream.local_addr()? == address => refused = refused_by(address),
                Ok(stream) => return Ok(stream),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

fn time_until(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn refused_by(address: SocketAddr) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, format!("no server listens on {address}"))
}

impl ManageConnection for Http {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        self.connect_within(self.limits.connect)
    }

    fn connect_within(&self, limit: Duration) -> Result<Connection, Error> {
        let server = format!("{}:{}", self.host, self.port);
        match self.dial(limit.min(self.limits.connect)) {
            Ok(stream) => Connection::new(stream, &server, self.limits),
            Err(source) => Err(Error::Unreachable { server, source }),
        }
    }

    /// Checks the socket. HTTP has no ping, and a real request would be work for the server.
    /// `is_lost` handles a connection that breaks between this check and the request.
    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        if self.has_broken(conn) { Err(Error::Spent("the server has closed it")) } else { Ok(()) }
    }

    // ANCHOR: manager
    fn has_broken(&self, conn: &mut Connection) -> bool {
        conn.has_broken()
    }

    /// Whether a user has left a part of a body unread. The next answer would begin behind it.
    fn has_changed(&self, conn: &mut Connection) -> bool {
        conn.is_in_body()
    }

    /// Reads that rest, if it is small. If this fails, the pool closes the connection.
    fn reset(&self, conn: &mut Connection) -> Result<(), Error> {
        conn.drain()
    }

    fn is_lost(&self, error: &Error) -> bool {
        error.is_lost()
    }
    // ANCHOR_END: manager

    fn reset_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        conn.drain_within(limit)
    }

    fn is_permanent(&self, error: &Error) -> bool {
        matches!(error, Error::Unsupported(_)) // a host's name that cannot stand in a header
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        Some(format!("{}:{}", self.host, self.port).into())
    }

    /// Closes this process's copy of the socket. The server does not notice, because the parent has
    /// its own copy.
    fn forget_in_child(&self, conn: Connection) {
        drop(conn);
    }
}
