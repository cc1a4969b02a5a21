//! A fixed number of threads that answer any number of clients.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use clap::Args;

use threadwise_systems::Shutdown;
use threadwise_systems::args::{count, millis};
use threadwise_systems::http::{Body, Request, ServerLimits, StatusCode, serve};
use threadwise_systems::sockets::block_on;
use tokio::task::spawn_blocking;

use crate::scorer::Scorer;
use crate::{http, routes};

/// The limits of a server.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Threads that answer requests [default: as many as processors].
    #[arg(long, value_name = "N", value_parser = count(256))]
    workers: Option<usize>,

    /// Milliseconds from the end of a request to its answer; a later one is 503.
    #[arg(long = "deadline-ms", value_name = "MS", default_value = "2000")]
    #[arg(value_parser = millis(1..=60_000))]
    deadline: Duration,

    /// Milliseconds in which a client must send a request.
    #[arg(long = "request-ms", value_name = "MS", default_value = "5000")]
    #[arg(value_parser = millis(1..=600_000))]
    request: Duration,

    /// Milliseconds that a client may stay without a request.
    #[arg(long = "idle-ms", value_name = "MS", default_value = "60000")]
    #[arg(value_parser = millis(1..=3_600_000))]
    idle: Duration,
}

impl Limits {
    pub(crate) fn workers(&self) -> usize {
        let processors = || thread::available_parallelism().map_or(1, usize::from);
        self.workers.unwrap_or_else(processors)
    }
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
    clients: usize,
    limits: Limits,
    shutdown: &Arc<Shutdown>,
    scorer: &Arc<Scorer>,
) -> io::Result<()> {
    let scorer = Arc::clone(scorer);
    let answer = move |request: Request<Body>| {
        let deadline = Instant::now() + limits.deadline;
        let refusal = http::refusal(&request);
        let scorer = Arc::clone(&scorer);
        async move {
            if let Some(refusal) = refusal {
                return refusal;
            }
            let work = move || routes::answer(&scorer, request.uri().path(), deadline);
            spawn_blocking(work).await.unwrap_or_else(|_| {
                let why = "this request crashed; others go on";
                http::error(StatusCode::INTERNAL_SERVER_ERROR, why)
            })
        }
    };
    let of_clients = ServerLimits { clients, request: limits.request, idle: limits.idle };
    block_on(limits.workers(), serve(listener, of_clients, shutdown, answer))?
}
// ANCHOR_END: serve
