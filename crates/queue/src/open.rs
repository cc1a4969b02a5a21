//! How connections are opened: all at the beginning, and one in the place of one that was lost.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use threadwise_core::{
    BuildError, CloseReason, ConnectError, Deadline, Lifecycle, MOST_CONNECTIONS, ManageConnection,
    fork,
};

use crate::after_fork::ORPHANED;
use crate::place::Place;
use crate::pool::{CLOSED, Core};

/// Most connections that `build` opens at the same time: enough to hide the server's latency, few
/// enough not to be a burst that a server refuses.
const OPENERS: usize = 16;

/// Opens so many connections, several at a time, or none.
pub(crate) fn open_all<M: ManageConnection>(
    lifecycle: &Lifecycle<M>,
    size: usize,
    deadline: Deadline,
) -> Result<Vec<M::Connection>, BuildError<M::Error>> {
    if !(1..=MOST_CONNECTIONS).contains(&size) {
        let problem = format!("is {size}; must be from 1 to {MOST_CONNECTIONS}");
        return Err(BuildError::setting("size", problem));
    }
    let (tickets, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let open_some = || {
        // Relaxed: a ticket stands for itself.
        while tickets.fetch_add(1, Relaxed) < size {
            let result = lifecycle.open(deadline.remaining());
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
            let _ = opener.spawn_scoped(scope, fork::apart_from_forks(open_some));
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
    opened.into_iter().for_each(|conn| lifecycle.close(conn, CloseReason::PoolClosed));
    Err(error)
}

impl<M: ManageConnection> Core<M> {
    /// A holder's connection is lost: opens another in its place.
    ///
    /// # Errors
    ///
    /// Why there is no other connection.
    #[cold]
    pub(crate) fn replace(
        &self,
        place: &mut Place<M::Connection>,
    ) -> Result<(), ConnectError<M::Error>> {
        let flags = self.flags.load(Acquire);
        if flags & ORPHANED != 0 {
            return Err(ConnectError::Unavailable("the connection belongs to the parent process"));
        }
        if flags & CLOSED != 0 {
            return Err(ConnectError::Unavailable("the pool is closed"));
        }
        let new = self.lifecycle.reopen(self.settings.get_timeout)?;
        place.alive = Some(Instant::now());
        if let Some(lost) = place.conn.replace(new) {
            self.lifecycle.close(lost, CloseReason::Broken);
        }
        Ok(())
    }
}
