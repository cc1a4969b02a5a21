//! How connections are opened: all of them in `build`, and one for an empty place.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use threadwise_core::parts::fork::{self, AfterFork};
use threadwise_core::parts::{Deadline, Lifecycle, MOST_CONNECTIONS};
use threadwise_core::{BuildError, CloseReason, ConnectError, ManageConnection};

use crate::core::Core;
use crate::place::Place;

/// How many connections `build` opens at the same time, at most. Enough to hide the server's latency,
/// and few enough that a server does not refuse the burst.
const MAX_OPENERS: usize = 16;

/// Opens `size` connections, several at a time. If one attempt fails, begins no other one and closes
/// what it has opened.
pub(crate) fn open_all<M: ManageConnection>(
    lifecycle: &Lifecycle<M>,
    size: usize,
    deadline: Deadline,
) -> Result<Vec<M::Connection>, BuildError<M::Error>> {
    if !(1..=MOST_CONNECTIONS).contains(&size) {
        let problem = format!("is {size}; must be from 1 to {MOST_CONNECTIONS}");
        return Err(BuildError::setting("size", problem));
    }
    let begun = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let open_some = || {
        // Relaxed: nothing depends on this number but how many attempts begin.
        while begun.fetch_add(1, Relaxed) < size {
            let result = lifecycle.open(deadline.remaining());
            if result.is_err() {
                begun.store(size, Relaxed); // no thread begins another attempt
            }
            results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        }
    };
    thread::scope(|scope| {
        for _ in 1..size.min(MAX_OPENERS) {
            // If the system refuses a thread, the others do its work.
            let opener = thread::Builder::new().name("threadwise-open".into());
            let _ = opener.spawn_scoped(scope, fork::apart_from_forks(open_some));
        }
        open_some();
    });
    let mut opened = Vec::new();
    let mut first_error = None;
    for result in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match result {
            Ok(conn) => opened.push(conn),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    let Some(error) = first_error else { return Ok(opened) };
    for conn in opened {
        lifecycle.close(conn, CloseReason::PoolClosed);
    }
    Err(BuildError::ConnectFailed(error))
}

impl<M: ManageConnection> Core<M> {
    /// Opens a connection for an empty place, on the calling thread.
    pub(crate) fn open_into(
        &self,
        place: &mut Place<M::Connection>,
        deadline: Deadline,
    ) -> Result<(), ConnectError<M::Error>> {
        self.counts.connecting.fetch_add(1, Relaxed);
        let opened = self.lifecycle.open(deadline.remaining());
        self.counts.connecting.fetch_sub(1, Relaxed);
        self.last_error.note(&opened);
        self.install(place, opened?);
        Ok(())
    }

    /// Puts a connection that was just opened into a place.
    pub(crate) fn install(&self, place: &mut Place<M::Connection>, conn: M::Connection) {
        self.counts.open.fetch_add(1, Relaxed);
        let now = Instant::now();
        place.last_alive = Some(now);
        place.returned_at = Some(now);
        place.conn = Some(conn);
    }

    /// Replaces a borrower's lost connection, on the borrower's thread.
    ///
    /// # Errors
    ///
    /// Why there is no other connection. The place keeps the lost one.
    #[cold]
    pub(crate) fn replace(
        &self,
        place: &mut Place<M::Connection>,
    ) -> Result<(), ConnectError<M::Error>> {
        if self.is_forked() {
            return Err(ConnectError::Unavailable("the connection belongs to the parent process"));
        }
        if self.flags.is_closed() {
            return Err(ConnectError::Unavailable("the pool is closed"));
        }
        let new = self.lifecycle.reopen(self.settings.get_timeout)?;
        place.last_alive = Some(Instant::now());
        if let Some(lost) = place.conn.replace(new) {
            self.lifecycle.close(lost, CloseReason::Broken);
        }
        Ok(())
    }
}
