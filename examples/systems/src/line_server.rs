//! A server of lines: each line of a client gets a line as its answer, in the same order.
//!
//! All clients are on one thread, which never waits for one of them. Other threads take [`Job`]s from
//! a channel and answer them. Each client has a task of two halves: one reads lines and hands them
//! out, the other writes the answers.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, sleep_until, timeout};

use crate::sockets::{Room, accept, block_on, hang_up};
use crate::{BadLine, Lines, Shutdown};

/// How often the server looks whether a client with answers outstanding has become idle.
const TICK: Duration = Duration::from_millis(250);

/// How long a client may leave its answers unread during shutdown.
const DEAF: Duration = Duration::from_secs(5);

/// How long a client may take to read its last line.
const LINGER: Duration = Duration::from_secs(2);

/// The limits and the last words of a server.
#[derive(Clone, Debug)]
pub struct LineServer {
    /// Clients at once.
    pub clients: usize,
    /// Bytes of a line.
    pub line: usize,
    /// Lines of one client that wait for their answers. The server reads no more until some are
    /// answered.
    pub window: usize,
    /// Jobs of all clients.
    pub jobs: usize,
    /// The time in which a client must finish a line, or take its answers.
    pub idle: Duration,
    /// The time to answer the lines that were read before the shutdown.
    pub drain: Duration,
    /// What a client gets that is one too many.
    pub full: String,
    /// What a client gets that was idle for too long.
    pub too_idle: String,
    /// The last line at the shutdown, if there is one.
    pub end: Option<String>,
    /// The answer to a line whose job was dropped, because its thread panicked.
    pub lost: String,
}

/// What a line asks for.
pub enum Line<T> {
    /// A job for another thread.
    Job(T),
    /// A job about all lines of the client before this one. Those after it wait for its answer.
    Alone(T),
    /// The answer is known.
    Answered(String),
    /// Nothing, and no answer.
    Nothing,
}

/// A line for another thread.
pub struct Job<T> {
    /// What the line asks for.
    pub request: T,
    /// Where the answer goes.
    pub reply: Reply,
}

/// Sends an answer.
pub struct Reply {
    answer: oneshot::Sender<String>,
    _place: OwnedSemaphorePermit, // among the jobs
}

impl Reply {
    /// Sends the answer, if the client is still there.
    pub fn send(self, answer: String) {
        let _ = self.answer.send(answer);
    }
}

/// The clients of a server that has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Served {
    /// Clients.
    pub clients: u64,
    /// Clients that were too many.
    pub turned_away: u64,
    /// Clients that had not taken all answers when the time was up.
    pub cut_off: u64,
}

impl LineServer {
    /// Serves until shutdown begins and all lines that it has read are answered. `read` says what a
    /// line asks for. The end of this is the end of the jobs.
    ///
    /// # Errors
    ///
    /// If the system refuses what an event loop needs.
    pub fn run<T: 'static>(
        self,
        listener: TcpListener,
        shutdown: &Arc<Shutdown>,
        jobs: Sender<Job<T>>,
        read: impl Fn(Result<String, BadLine>) -> Line<T> + 'static,
    ) -> io::Result<Served> {
        let (clients, drain) = (self.clients, self.drain);
        let places = Arc::new(Semaphore::new(self.jobs));
        let (shutdown, served) = (Arc::clone(shutdown), Cell::default());
        let host = Host { limits: self, jobs, places, shutdown, served, read: Box::new(read) };
        let host = Rc::new(host);
        block_on(1, async {
            let serve = |stream, room| Rc::clone(&host).serve(stream, room);
            tokio::select! {
                served = accept(listener, clients, &host.shutdown, serve) => served?,
                () = host.end_within(drain) => {}
            }
            Ok(host.served.get())
        })?
    }
}

/// What all clients share.
struct Host<T> {
    limits: LineServer,
    jobs: Sender<Job<T>>,
    /// The places among the jobs. Clients that wait for one get it in the order of arrival.
    places: Arc<Semaphore>,
    shutdown: Arc<Shutdown>,
    served: Cell<Served>,
    read: Box<dyn Fn(Result<String, BadLine>) -> Line<T>>,
}

impl<T> Host<T> {
    async fn serve(self: Rc<Self>, mut stream: TcpStream, room: Room) {
        if room == Room::No {
            self.count(|served| served.turned_away += 1);
            return dismiss(stream, Some(&self.limits.full)).await;
        }
        self.count(|served| {
            served.clients += 1;
            served.cut_off += 1; // until it has gone
        });
        let window = Arc::new(Semaphore::new(self.limits.window));
        let client = Client { host: &self, window, active: Cell::new(Instant::now()) };
        let (input, output) = stream.split();
        let (owe, owed) = mpsc::unbounded_channel(); // the window limits it
        let listening = client.listen_until_the_end(input, owe);
        if let Ok((end, ())) = tokio::try_join!(listening, client.answer(output, owed)) {
            match end {
                End::Client => {}
                End::Idle => dismiss(stream, Some(&self.limits.too_idle)).await,
                End::Server => dismiss(stream, self.limits.end.as_deref()).await,
            }
        }
        self.count(|served| served.cut_off -= 1);
    }

    /// Waits until the shutdown has begun, and then for `limit`.
    async fn end_within(&self, limit: Duration) {
        self.shutdown.begun().await;
        sleep(limit).await;
    }

    fn count(&self, count: impl FnOnce(&mut Served)) {
        let mut served = self.served.get();
        count(&mut served);
        self.served.set(served);
    }
}

/// Sends a last line, and lets the client read it.
async fn dismiss(mut stream: TcpStream, last: Option<&str>) {
    let last = last.map(|last| format!("{last}\n")).unwrap_or_default();
    if timeout(LINGER, stream.write_all(last.as_bytes())).await.is_ok_and(|said| said.is_ok()) {
        hang_up(&stream, LINGER).await;
    }
}

/// Which side ends a connection.
enum End {
    /// The client sends nothing more.
    Client,
    /// The client was idle for too long.
    Idle,
    /// The shutdown has begun.
    Server,
}

/// An answer that a client is owed, and the part of the client's window that its line takes.
struct Owed {
    answer: oneshot::Receiver<String>,
    part: OwnedSemaphorePermit,
}

struct Client<'h, T> {
    host: &'h Host<T>,
    /// The lines that may wait for their answers. Each takes a part, until its answer is written.
    window: Arc<Semaphore>,
    active: Cell<Instant>, // the last line or answer
}

impl<T> Client<'_, T> {
    async fn listen_until_the_end(
        &self,
        input: ReadHalf<'_>,
        owe: mpsc::UnboundedSender<Owed>,
    ) -> io::Result<End> {
        tokio::select! {
            end = self.listen(input, owe) => end,
            () = self.host.shutdown.begun() => Ok(End::Server),
        }
    }

    // ANCHOR: back_pressure
    /// Reads no more while a line waits: too many of the client's lines have no answer, or the client
    /// does not read its answers, or the workers have enough to do. The client's own kernel then
    /// makes it wait.
    async fn listen(
        &self,
        mut input: ReadHalf<'_>,
        owe: mpsc::UnboundedSender<Owed>,
    ) -> io::Result<End> {
        let mut lines = Lines::new(self.host.limits.line);
        let mut bytes = vec![0; 16 * 1024];
        loop {
            while let Some(line) = lines.next_line() {
                self.active.set(Instant::now());
                self.hand_out(line, &owe).await;
            }
            let read = tokio::select! {
                read = input.read(&mut bytes) => read?,
                () = self.is_idle() => return Ok(End::Idle),
            };
            if read == 0 {
                if lines.has_begun() {
                    self.hand_out(Err(BadLine::NoEnd), &owe).await;
                }
                return Ok(End::Client);
            }
            lines.feed(&bytes[..read]);
        }
    }

    /// Gives a line to the other threads when there is room for it.
    async fn hand_out(&self, line: Result<String, BadLine>, owe: &mpsc::UnboundedSender<Owed>) {
        let (line, part) = match (self.host.read)(line) {
            Line::Nothing => return,
            line @ Line::Alone(_) => (line, self.host.limits.window),
            line => (line, 1),
        };
        let part = Arc::clone(&self.window).acquire_many_owned(part as u32).await;
        let (answer, owed) = oneshot::channel();
        match line {
            Line::Job(request) | Line::Alone(request) => {
                let place = Arc::clone(&self.host.places).acquire_owned().await;
                let reply = Reply { answer, _place: place.expect("never closed") };
                let _ = self.host.jobs.send(Job { request, reply }); // else it is lost
            }
            Line::Answered(text) => drop(answer.send(text)),
            Line::Nothing => {}
        }
        let _ = owe.send(Owed { answer: owed, part: part.expect("never closed") });
    }
    // ANCHOR_END: back_pressure

    /// Writes the answers in the order of their lines. The first missing answer holds up the rest.
    async fn answer(
        &self,
        output: WriteHalf<'_>,
        mut owed: mpsc::UnboundedReceiver<Owed>,
    ) -> io::Result<()> {
        let mut output = BufWriter::new(output);
        loop {
            if owed.is_empty() {
                self.in_time(output.flush()).await?;
            }
            let Some(Owed { mut answer, part }) = owed.recv().await else {
                return self.in_time(output.flush()).await;
            };
            let answer = match answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.in_time(output.flush()).await?;
                    answer.await.ok()
                }
                answer => answer.ok(),
            };
            let answer = answer.unwrap_or_else(|| self.host.limits.lost.clone()) + "\n";
            self.in_time(output.write_all(answer.as_bytes())).await?;
            self.active.set(Instant::now());
            drop(part);
        }
    }

    /// Waits until the client takes its answers, but not for too long. During shutdown it would hold
    /// up the end.
    async fn in_time(&self, written: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        let idle = self.host.limits.idle;
        tokio::select! {
            written = written => written,
            () = sleep(idle) => Err(io::ErrorKind::TimedOut.into()),
            () = self.host.end_within(idle.min(DEAF)) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Waits until no line has come for too long. It counts from the last whole line or answer: a
    /// single byte now and then does not keep a client alive.
    async fn is_idle(&self) {
        let limits = &self.host.limits;
        let is_owed = || self.window.available_permits() < limits.window;
        while is_owed() || self.active.get().elapsed() < limits.idle {
            let next = (self.active.get() + limits.idle).max(Instant::now() + TICK);
            sleep_until(next.into()).await;
        }
    }
}
