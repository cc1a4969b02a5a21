//! The TLS connector of the manager's user, with its type erased.
//!
//! The manager holds any connector of the driver's kind. So the manager has no type parameter, and
//! neither have the pools of a program that chooses its encryption at run time.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What carries a connection's bytes.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    /// What ties the login to the encryption below it.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl Transport for Socket {}

#[cfg(unix)]
impl Transport for tokio::net::UnixStream {}

/// A stream of a TLS connector.
struct Encrypted<S>(S);

impl<S: TlsStream + Send + Unpin> Transport for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

/// No connection at all: its first use returns the error.
pub(crate) struct Failed(pub(crate) Option<io::Error>);

impl Transport for Failed {}

impl AsyncRead for Failed {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(self.get_mut().take()))
    }
}

impl AsyncWrite for Failed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(self.get_mut().take()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Failed {
    fn take(&mut self) -> io::Error {
        self.0.take().unwrap_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
type Handshake = Pin<Box<dyn Future<Output = Result<Box<dyn Transport>, BoxError>> + Send>>;

/// Any connector of the driver's kind.
pub(crate) trait Encrypt: Send + Sync {
    /// Does the handshake with the server of this name.
    fn encrypt(&self, domain: &str, socket: Socket) -> Handshake;
}

impl<T> Encrypt for T
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::TlsConnect: Send,
    T::Stream: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn encrypt(&self, domain: &str, socket: Socket) -> Handshake {
        let connect = self.clone().make_tls_connect(domain).map_err(Into::into);
        Box::pin(async move {
            let stream = connect?.connect(socket).await.map_err(Into::into)?;
            Ok(Box::new(Encrypted(stream)) as Box<dyn Transport>)
        })
    }
}
