//! Makes the [`WatchedStream`] when the driver connects.
//!
//! To the driver this is a TLS connector that it may use at once (`sslnegotiation=direct`), without
//! asking the server first. So the driver hands over its socket in every case, and this module asks
//! the server for TLS if the settings say so.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use postgres::Socket;
use postgres::config::{SslMode, SslNegotiation};
use postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Wire;
use super::stream::WatchedStream;
use super::tls::{BoxError, Encrypt, Failed, Transport};

/// What the settings say about encryption.
#[derive(Clone)]
pub(crate) struct Encryption {
    pub(crate) mode: SslMode,
    pub(crate) negotiation: SslNegotiation,
    pub(crate) connector: Option<Arc<dyn Encrypt>>,
}

/// Where the bytes go.
#[derive(Clone)]
pub(crate) enum Route {
    /// Over the socket that the driver has connected.
    Driver(Encryption),
    /// Over a Unix socket with this path. The driver has connected to something else; see
    /// [`open`](crate::manager).
    #[cfg(unix)]
    UnixSocket(PathBuf),
}

/// A connector for one connection.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) wire: Wire,
    pub(crate) route: Route,
}

/// The same for the host that the driver wants to reach.
pub(crate) struct ToHost {
    connector: Connector,
    domain: String,
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = WatchedStream;
    type TlsConnect = ToHost;
    type Error = BoxError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<ToHost, BoxError> {
        Ok(ToHost { connector: self.clone(), domain: domain.to_owned() })
    }
}

impl TlsConnect<Socket> for ToHost {
    type Stream = WatchedStream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<WatchedStream, BoxError>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let Connector { wire, route } = self.connector;
            let transport: Box<dyn Transport> = match route {
                Route::Driver(encryption) => {
                    let until = wire.lock().until;
                    let negotiated = encryption.negotiate(&self.domain, socket);
                    match until {
                        Some(until) => tokio::time::timeout_at(until.into(), negotiated)
                            .await
                            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??,
                        None => negotiated.await?,
                    }
                }
                #[cfg(unix)]
                Route::UnixSocket(path) => {
                    drop(socket);
                    // As an error of the stream, since the driver takes one of its connector for one
                    // of encryption.
                    match tokio::net::UnixStream::connect(&path).await {
                        Ok(stream) => Box::new(stream),
                        Err(error) => Box::new(Failed(Some(NoSocket { path, error }.into()))),
                    }
                }
            };
            Ok(WatchedStream::new(transport, wire))
        })
    }
}

impl Encryption {
    /// Asks the server for encryption, unless the settings forbid it.
    async fn negotiate(
        self,
        domain: &str,
        mut socket: Socket,
    ) -> Result<Box<dyn Transport>, BoxError> {
        let Some(connector) = self.connector.filter(|_| self.mode != SslMode::Disable) else {
            return Ok(Box::new(socket));
        };
        if self.negotiation == SslNegotiation::Postgres && !accepts_tls(&mut socket).await? {
            return match self.mode {
                SslMode::Prefer => Ok(Box::new(socket)),
                _ => Err("the server does not offer TLS, and `sslmode=require` asks for it".into()),
            };
        }
        connector.encrypt(domain, socket).await
    }
}

/// Whether the server accepts encryption.
async fn accepts_tls(socket: &mut Socket) -> io::Result<bool> {
    /// The length of this message, and the number that stands in place of a version.
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    socket.write_all(&SSL_REQUEST).await?;
    let mut answer = [0];
    socket.read_exact(&mut answer).await?;
    match answer {
        [b'S'] => Ok(true),
        [b'N'] => Ok(false),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the server does not speak PostgreSQL's protocol, or is too busy to answer",
        )),
    }
}

/// There is no server at the Unix socket.
#[derive(Debug)]
pub(crate) struct NoSocket {
    path: PathBuf,
    pub(crate) error: io::Error,
}

impl fmt::Display for NoSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to the Unix socket {}: {}", self.path.display(), self.error)
    }
}

impl From<NoSocket> for io::Error {
    fn from(error: NoSocket) -> Self {
        Self::new(error.error.kind(), error)
    }
}

impl std::error::Error for NoSocket {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
