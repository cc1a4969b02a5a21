//! An address on which no server listens, for as long as a test needs it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// A port of 127.0.0.1 that refuses connections until this is dropped.
///
/// A port that was free a moment ago may be another program's by now. This one is the client's end of an
/// open connection, so no server can listen on it.
#[derive(Debug)]
pub struct ClosedPort {
    client: TcpStream,
    _server: TcpListener,
}

impl ClosedPort {
    /// Takes a port.
    ///
    /// # Panics
    ///
    /// If the system gives none.
    #[must_use]
    pub fn take() -> Self {
        Self::connected().expect("a port of 127.0.0.1")
    }

    fn connected() -> io::Result<Self> {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let client = TcpStream::connect(server.local_addr()?)?;
        Ok(Self { client, _server: server })
    }

    /// The address that refuses connections.
    ///
    /// # Panics
    ///
    /// If the system does not know its own socket's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.client.local_addr().expect("the address of an open socket")
    }

    /// The port that refuses connections.
    ///
    /// # Panics
    ///
    /// The same as [`address`](Self::address).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address().port()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_port_refuses_connections_and_no_server_can_have_it() {
        let closed = ClosedPort::take();
        let error = TcpStream::connect(closed.address()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = TcpListener::bind(closed.address()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
