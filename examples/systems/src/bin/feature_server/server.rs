//! A fixed number of threads that answer any number of clients.

use std::io::{self, Write};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;
use threadwise_systems::Shutdown;
use ureq_proto::http::header::CONNECTION;
use ureq_proto::http::{Request, Response, StatusCode};

use crate::door::{Answered, Door, Job};
use crate::http;

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Threads that answer.
    pub(crate) workers: usize,
    /// Clients at once.
    pub(crate) clients: usize,
    /// The time from a request's last byte to its answer.
    pub(crate) deadline: Duration,
    /// The time from a request's first byte to its last.
    pub(crate) request: Duration,
    /// The time from an answer to the next request.
    pub(crate) idle: Duration,
}

/// Serves until the end begins, and then what is under way. This thread reads what the clients send,
/// and hands each whole request to a worker: a client that is slow or silent costs no worker.
///
/// # Errors
///
/// If the system refuses what a server needs.
pub(crate) fn serve(
    listener: TcpListener,
    limits: Limits,
    shutdown: &Shutdown,
    service: impl Fn(&Request<()>, Instant) -> Response<String> + Sync,
) -> io::Result<()> {
    let (give, jobs) = unbounded(); // one for each client at most
    let (done, answered) = unbounded();
    let door = Door::open(listener, limits, give, answered)?;
    let waker = door.waker();
    shutdown.at_begin({
        let waker = door.waker();
        move || wake(&waker)
    });
    thread::scope(|threads| {
        for number in 0..limits.workers {
            let worker = || work(&jobs, &done, &waker, shutdown, &service);
            thread::Builder::new()
                .name(format!("worker {number}"))
                .spawn_scoped(threads, worker)?;
        }
        door.run(shutdown) // its end is that of the jobs, and so of the workers
    })
}

fn work(
    jobs: &Receiver<Job>,
    done: &Sender<Answered>,
    waker: &Waker,
    shutdown: &Shutdown,
    service: &(impl Fn(&Request<()>, Instant) -> Response<String> + Sync),
) {
    for job in jobs {
        let request = &job.exchange.request;
        let response = catch_unwind(AssertUnwindSafe(|| service(request, job.deadline)));
        let mut response = response.unwrap_or_else(|_| {
            http::error(StatusCode::INTERNAL_SERVER_ERROR, "this request crashed; others go on")
        });
        if shutdown.has_begun() {
            response.headers_mut().insert(CONNECTION, "close".parse().expect("a value"));
        }
        let (bytes, may_stay) = job.exchange.answer(response);
        // Either the system accepts the whole answer at once, or the client does not read. Then it
        // may go.
        let is_sent = (&*job.stream).write(&bytes).is_ok_and(|sent| sent == bytes.len());
        let _ = done.send(Answered { client: job.client, stays: is_sent && may_stay });
        wake(waker);
    }
}

fn wake(waker: &Waker) {
    waker.wake().expect("a full counter would have woken it already");
}
