//! A fixed number of threads that answer any number of clients.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_systems::Shutdown;
use threadwise_systems::http::{Body, Request, ServerLimits, StatusCode, serve};
use threadwise_systems::sockets::block_on;
use tokio::task::spawn_blocking;

use crate::scorer::Scorer;
use crate::{http, routes};

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Threads that answer.
    pub(crate) workers: usize,
    /// The time from a request's last byte to its answer.
    pub(crate) deadline: Duration,
    pub(crate) clients: ServerLimits,
}

// ANCHOR: serve
/// Serves until the end begins, and then what is under way. This thread reads what the clients send,
/// and hands each whole request to a worker: a client that is slow or silent costs no worker.
///
/// # Errors
///
/// If the system refuses what a server needs.
pub(crate) fn run(
    listener: TcpListener,
    limits: Limits,
    shutdown: &Arc<Shutdown>,
    scorer: &Arc<Scorer>,
) -> io::Result<()> {
    let scorer = Arc::clone(scorer);
    let answer = move |request: Request<Body>| {
        let deadline = Instant::now() + limits.deadline;
        let checked = http::check(&request);
        let scorer = Arc::clone(&scorer);
        async move {
            if let Err(refusal) = checked {
                return refusal;
            }
            let work = move || routes::answer(&scorer, request.uri().path(), deadline);
            spawn_blocking(work).await.unwrap_or_else(|_| {
                let why = "this request crashed; others go on";
                http::error(StatusCode::INTERNAL_SERVER_ERROR, why)
            })
        }
    };
    block_on(limits.workers, serve(listener, limits.clients, shutdown, answer))?
}
// ANCHOR_END: serve
