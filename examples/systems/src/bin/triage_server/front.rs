//! All clients, on one thread, which never waits for one of them: tokio's event loop.
//!
//! Each client has a task. One half of it reads lines and hands them to the workers, the other half
//! writes the answers, in the order of the lines.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use threadwise_systems::sockets::{Room, accept, block_on, hang_up};
use threadwise_systems::{Lines, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, sleep_until, timeout};

use crate::protocol::{Answer, Request};

/// How often the server looks whether a client with answers outstanding has become idle.
const TICK: Duration = Duration::from_millis(250);

/// How long the server may take to answer all lines that it had at Ctrl-C.
const DRAIN: Duration = Duration::from_secs(30);

/// How long a client may leave its answers unread during shutdown.
const DEAF: Duration = Duration::from_secs(5);

/// How long a client may take to read its last line, `bye`.
const LINGER: Duration = Duration::from_secs(2);

/// The limits of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) line: usize,   // bytes
    pub(crate) window: usize, // lines that wait for their answers
    pub(crate) idle: Duration,
}

/// A line for a worker. If it is dropped without an answer (because its worker panicked), the client
/// gets the answer that the outcome is unknown.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) answer: oneshot::Sender<Answer>,
    /// A place among the jobs, until the job is done.
    pub(crate) _place: OwnedSemaphorePermit,
}

/// An answer that a client is owed, and the part of the client's window that its line takes.
struct Owed {
    answer: oneshot::Receiver<Answer>,
    part: OwnedSemaphorePermit,
}

/// What all clients share.
pub(crate) struct Front {
    pub(crate) limits: Limits,
    pub(crate) jobs: Sender<Job>,
    /// The places among the jobs. Clients that wait for one get it in the order of arrival.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) shutdown: Arc<Shutdown>,
    pub(crate) tally: Cell<Tally>,
}

/// The counts for the last message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) clients: u64,
    pub(crate) turned_away: u64,
    pub(crate) saved: u64,      // answers that say so
    pub(crate) unanswered: u64, // clients that had not taken all answers when time was up
}

impl Front {
    /// Serves until shutdown begins and all lines that it has read are answered. The end of this is
    /// the end of the jobs.
    pub(crate) fn run(self, listener: TcpListener, max_clients: usize) -> io::Result<Tally> {
        let front = Rc::new(self);
        block_on(1, async {
            let serve = |stream, room| Rc::clone(&front).serve(stream, room);
            tokio::select! {
                served = accept(listener, max_clients, &front.shutdown, serve) => served?,
                () = front.end_within(DRAIN) => return Ok(front.tally.get()),
            }
            front.count(|tally| tally.unanswered = 0);
            Ok(front.tally.get())
        })?
    }

    async fn serve(self: Rc<Self>, mut stream: TcpStream, room: Room) {
        if room == Room::No {
            self.count(|tally| tally.turned_away += 1);
            return dismiss(stream, "bye: there are too many clients; try again later").await;
        }
        self.count(|tally| {
            tally.clients += 1;
            tally.unanswered += 1; // until it has gone
        });
        let window = Arc::new(Semaphore::new(self.limits.window));
        let client = Client { front: &self, window, active: Cell::new(Instant::now()) };
        let (input, output) = stream.split();
        let (owe, owed) = mpsc::unbounded_channel(); // the window limits it
        let listening = client.listen_until_the_end(input, owe);
        if let Ok((Some(bye), ())) = tokio::try_join!(listening, client.answer(output, owed)) {
            dismiss(stream, bye).await;
        }
        self.count(|tally| tally.unanswered -= 1);
    }

    /// Waits until the shutdown has begun, and then for `limit`.
    async fn end_within(&self, limit: Duration) {
        self.shutdown.begun().await;
        sleep(limit).await;
    }

    fn count(&self, count: impl FnOnce(&mut Tally)) {
        let mut tally = self.tally.get();
        count(&mut tally);
        self.tally.set(tally);
    }
}

/// Sends a last line, and lets the client read it.
async fn dismiss(mut stream: TcpStream, bye: &str) {
    let bye = format!("{bye}\n");
    if timeout(LINGER, stream.write_all(bye.as_bytes())).await.is_ok_and(|said| said.is_ok()) {
        hang_up(&stream, LINGER).await;
    }
}

/// A client.
struct Client<'f> {
    front: &'f Front,
    /// The lines that may wait for their answers. Each takes one of it, until its answer is written.
    window: Arc<Semaphore>,
    active: Cell<Instant>, // the last line or answer
}

impl Client<'_> {
    /// Reads the client's lines until the client or the server ends. Returns the last line to send,
    /// if the server ends the connection.
    async fn listen_until_the_end(
        &self,
        input: ReadHalf<'_>,
        owe: mpsc::UnboundedSender<Owed>,
    ) -> io::Result<Option<&'static str>> {
        tokio::select! {
            bye = self.listen(input, owe) => bye,
            () = self.front.shutdown.begun() => {
                Ok(Some("bye: the server ends; lines without an answer were not used"))
            }
        }
    }

    // ANCHOR: back_pressure
    /// Reads no more while lines wait for a place: too many of the client's lines have no answer, or
    /// the client does not read its answers, or the workers have enough to do. The client's own
    /// kernel then makes it wait.
    async fn listen(
        &self,
        mut input: ReadHalf<'_>,
        owe: mpsc::UnboundedSender<Owed>,
    ) -> io::Result<Option<&'static str>> {
        let mut lines = Lines::new(self.front.limits.line);
        let mut bytes = vec![0; 16 * 1024];
        loop {
            while let Some(line) = lines.next_line() {
                self.active.set(Instant::now());
                let request = line.map_err(Answer::from).and_then(|line| Request::parse(&line));
                let _ = owe.send(self.hand_out(request).await); // the other half outlives this one
            }
            let read = tokio::select! {
                read = input.read(&mut bytes) => read?,
                () = self.is_idle() => return Ok(Some(
                    "bye: no line came for too long; connect again when there is something to say",
                )),
            };
            if read == 0 {
                if lines.has_begun() {
                    let why = "the last line has no end (`\\n`); it was not used";
                    let _ = owe.send(self.hand_out(Err(Answer::refused("line", why))).await);
                }
                return Ok(None);
            }
            lines.feed(&bytes[..read]);
        }
    }

    /// Gives a line to the workers when there is room for it.
    async fn hand_out(&self, request: Result<Request, Answer>) -> Owed {
        // A question is about all lines before it, so it takes the whole window.
        let asks = matches!(request, Ok(Request::History(_)));
        let part = if asks { self.front.limits.window as u32 } else { 1 };
        let part = Arc::clone(&self.window).acquire_many_owned(part).await.expect("never closed");
        let (answer, owed) = oneshot::channel();
        match request {
            Ok(request) => {
                let place = Arc::clone(&self.front.places).acquire_owned().await;
                let place = place.expect("never closed");
                let job = Job { request, answer, _place: place };
                self.front.jobs.send(job).expect("the workers outlive the clients");
            }
            Err(refusal) => answer.send(refusal).expect("it is `owed`"), // without a worker
        }
        Owed { answer: owed, part }
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
            let answer = answer.unwrap_or_else(|| {
                let why = "the server failed, and the case may or may not be saved: ask ?PATIENT";
                Answer::refused("uncertain", why)
            });
            if matches!(answer, Answer::Saved { .. }) {
                self.front.count(|tally| tally.saved += 1);
            }
            self.in_time(output.write_all(format!("{answer}\n").as_bytes())).await?;
            self.active.set(Instant::now());
            drop(part);
        }
    }

    /// Waits until the client takes its answers, but not for too long. During shutdown it would hold
    /// up the end.
    async fn in_time(&self, written: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        let idle = self.front.limits.idle;
        tokio::select! {
            written = written => written,
            () = sleep(idle) => Err(io::ErrorKind::TimedOut.into()),
            () = self.front.end_within(idle.min(DEAF)) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Waits until no line has come for too long. It counts from the last whole line or answer: a
    /// single byte now and then does not keep a client alive.
    async fn is_idle(&self) {
        let limit = self.front.limits.idle;
        let is_owed = || self.window.available_permits() < self.front.limits.window;
        while is_owed() || self.active.get().elapsed() < limit {
            let next = (self.active.get() + limit).max(Instant::now() + TICK);
            sleep_until(next.into()).await;
        }
    }
}
