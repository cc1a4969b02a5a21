//! An HTTP/1.1 server for real clients. `hyper` reads requests and writes responses; the limits of
//! time are here.

use std::future::{Future, poll_fn};
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::rt::ReadBufCursor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use nix::sys::socket::{Shutdown as Half, shutdown};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::sleep_until;
use ureq_proto::http::{HeaderValue, Request, Response, StatusCode, header};

use crate::Shutdown;
use crate::sockets::{Room, accept, hang_up};

/// The most bytes of a request's line and headers. Beyond it, the client gets an error.
pub const MAX_HEAD: usize = 8 * 1024;

/// How long a client that gets its last answer may keep sending.
const LEAVE: Duration = Duration::from_secs(1);

/// The limits of a server's clients.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Clients at once. Any others get the error 503.
    pub clients: usize,
    /// The time from a request's first byte to the end of its headers.
    pub request: Duration,
    /// The time from an answer to the next request.
    pub idle: Duration,
}

/// Serves until the shutdown begins, and then answers what is under way. `service` answers a
/// request. It runs on the thread that serves all clients, so it must not block.
///
/// # Errors
///
/// If the system cannot watch the listener.
pub async fn serve<F>(
    listener: TcpListener,
    limits: ServerLimits,
    stop: &Arc<Shutdown>,
    service: impl Fn(Request<Incoming>) -> F + Clone + 'static,
) -> io::Result<()>
where
    F: Future<Output = Response<String>> + 'static,
{
    accept(listener, limits.clients, stop, |stream, room| {
        let (stop, service) = (Arc::clone(stop), service.clone());
        async move {
            match room {
                Room::Yes => serve_one(stream, limits, &stop, service).await,
                Room::No => {
                    let refuse = move |_| async move { too_many(limits.clients) };
                    serve_one(stream, limits, &stop, refuse).await;
                }
            }
        }
    })
    .await
}

/// Serves one client.
async fn serve_one<F: Future<Output = Response<String>>>(
    stream: TcpStream,
    limits: ServerLimits,
    stop: &Shutdown,
    service: impl Fn(Request<Incoming>) -> F,
) {
    let stream = Arc::new(stream);
    let clock = Arc::new(Clock::default());
    let socket = Socket { stream: Arc::clone(&stream), clock: Arc::clone(&clock) };
    let answer = service_fn(|request| async {
        clock.enter(Phase::Served);
        let mut response = service(request).await;
        let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        clock.enter(if is_upgrade { Phase::Upgraded } else { Phase::Idle });
        if stop.has_begun() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, std::convert::Infallible>(response)
    });
    // A client may end its input after its last request, and still read the answer.
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD).half_close(true).header_read_timeout(None);
    {
        let mut connection = pin!(http.serve_connection(socket, answer).with_upgrades());
        let mut end = pin!(sleep_until(clock.end(&limits).into()));
        let mut stopping = pin!(stop.begun());
        let mut is_stopping = false;
        poll_fn(|cx| {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
                let is_over = connection.as_mut().poll(cx).is_ready();
                if is_over || clock.phase() == Phase::Reading {
                    return Poll::Ready(()); // a request that is not whole is none
                }
            }
            end.as_mut().reset(clock.end(&limits).into());
            end.as_mut().poll(cx)
        })
        .await;
    }
    if clock.phase() == Phase::Upgraded {
        return; // the socket belongs to the service
    }
    if clock.phase() == Phase::Reading && Instant::now() >= clock.end(&limits) {
        let late = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let _ = stream.try_write(late.as_bytes()); // fails if it does not read
    }
    hang_up(&stream, LEAVE).await;
}

fn too_many(clients: usize) -> Response<String> {
    let body = format!("{clients} clients are here already (`--max-clients`)\n");
    let response = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
    let response = response.header(header::RETRY_AFTER, 1).header(header::CONNECTION, "close");
    response.body(body).expect("valid headers")
}

/// What a connection does, and since when.
struct Clock(Mutex<(Phase, Instant)>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The client has sent no part of a request.
    Idle,
    /// A part of a request has come.
    Reading,
    /// The service has the request.
    Served,
    /// The connection is no longer HTTP.
    Upgraded,
}

impl Default for Clock {
    fn default() -> Self {
        Self(Mutex::new((Phase::Idle, Instant::now())))
    }
}

impl Clock {
    fn enter(&self, phase: Phase) {
        *self.0.lock() = (phase, Instant::now());
    }

    fn now(&self) -> (Phase, Instant) {
        *self.0.lock()
    }

    fn phase(&self) -> Phase {
        self.now().0
    }

    /// When the phase has to be over. The deadline of a request is the service's matter.
    fn end(&self, limits: &ServerLimits) -> Instant {
        let (phase, since) = self.now();
        match phase {
            Phase::Idle => since + limits.idle,
            Phase::Reading => since + limits.request,
            Phase::Served | Phase::Upgraded => Instant::now() + Duration::from_secs(60 * 60),
        }
    }
}

/// A socket for `hyper`, which notes when a request begins.
pub struct Socket {
    stream: Arc<TcpStream>,
    clock: Arc<Clock>,
}

impl Socket {
    /// The socket for a thread, which may block.
    ///
    /// # Errors
    ///
    /// If the system has no further handle.
    pub fn into_blocking(self) -> io::Result<std::net::TcpStream> {
        use std::os::fd::AsFd;
        let stream = std::net::TcpStream::from(self.stream.as_fd().try_clone_to_owned()?);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

impl hyper::rt::Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4096];
        let most = buffer.remaining().min(bytes.len());
        let read = loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(&mut bytes[..most]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => break read?,
            }
        };
        if read > 0 && self.clock.phase() == Phase::Idle {
            self.clock.enter(Phase::Reading);
        }
        buffer.put_slice(&bytes[..read]);
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(self.stream.as_raw_fd(), Half::Write).map_err(Into::into))
    }
}
