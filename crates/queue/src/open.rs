//! Opening a pool's first connections.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use threadwise_core::{BuildError, CloseReason, Deadline, Keeper, ManageConnection};

/// Most connections that `build` opens at the same time: enough to hide the server's latency, few
/// enough not to be a burst that a server refuses.
const OPENERS: usize = 16;

/// Opens so many connections, several at a time, or none.
pub(crate) fn open_all<M: ManageConnection>(
    keeper: &Keeper<M>,
    size: usize,
    deadline: Deadline,
) -> Result<Vec<M::Connection>, BuildError<M::Error>> {
    if size == 0 {
        return Err(BuildError::setting("size", "0 connections serve nobody; at least 1"));
    }
    let (tickets, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let open_some = || {
        // Relaxed: a ticket stands for itself.
        while tickets.fetch_add(1, Relaxed) < size {
            let result = keeper.open(deadline.remaining());
            if result.is_err() {
                tickets.store(size, Relaxed); // nobody begins another
            }
            results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        }
    };
    thread::scope(|scope| {
        for _ in 1..size.min(OPENERS) {
            // Where the system refuses a thread, the others do its work.
            let opener = thread::Builder::new().name("threadwise-open".into());
            let _ = opener.spawn_scoped(scope, open_some);
        }
        open_some();
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut opened, mut failed) = (Vec::new(), None);
    for result in results {
        match result {
            Ok(conn) => opened.push(conn),
            Err(error) => failed = failed.or(Some(BuildError::ConnectFailed(error))),
        }
    }
    let Some(error) = failed else { return Ok(opened) };
    opened.into_iter().for_each(|conn| keeper.close(conn, CloseReason::PoolClosed));
    Err(error)
}
