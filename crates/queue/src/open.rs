//! How connections are opened: all at the beginning, and one in the place of one that was lost.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use threadwise_core::{
    BuildError, CloseReason, Deadline, GetError, Keeper, ManageConnection, fork,
};

use crate::fork::ORPHANED;
use crate::place::Place;
use crate::pool::{CLOSED, Core, Got};

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
    opened.into_iter().for_each(|conn| keeper.close(conn, CloseReason::PoolClosed));
    Err(error)
}

impl<M: ManageConnection> Core<M> {
    /// Opens the connection that belongs into an empty place; another one if a hook refuses it.
    #[cold]
    pub(crate) fn fill(
        &self,
        mut place: Box<Place<M::Connection>>,
        deadline: Deadline,
    ) -> Got<'_, M> {
        while !deadline.has_passed() {
            self.counts.connecting.fetch_add(1, Relaxed);
            let opened = self.keeper.open(deadline.remaining());
            self.counts.connecting.fetch_sub(1, Relaxed);
            match opened {
                Ok(conn) => self.seat(&mut place, conn),
                Err(error) => {
                    self.put(Some(place)); // before the report, which counts it
                    let timed_out = |cause| self.timed_out(deadline, cause);
                    return Err(self.keeper.connect_failed(error, deadline, timed_out));
                }
            }
            if self.is_closed() {
                self.put(Some(place)); // which closes it
                return Err(GetError::Closed);
            }
            match self.acquired(&mut place, deadline) {
                Ok(()) => return Ok(self.lent(place)),
                Err(reason) => self.clear(&mut place, reason),
            }
        }
        self.put(Some(place)); // before the report, too
        Err(self.timed_out(deadline, None))
    }

    /// A holder's connection is lost: opens another in its place. Whether that went well.
    #[cold]
    pub(crate) fn replace(&self, place: &mut Place<M::Connection>) -> bool {
        let may = self.flags.load(Acquire) & (CLOSED | ORPHANED) == 0;
        let new = may.then(|| self.keeper.open_again(self.settings.get_timeout)).flatten();
        let Some(new) = new else { return false };
        let lost = place.conn.replace(new);
        lost.into_iter().for_each(|lost| self.keeper.close(lost, CloseReason::Broken));
        true
    }

    pub(crate) fn seat(&self, place: &mut Place<M::Connection>, conn: M::Connection) {
        self.counts.open.fetch_add(1, Relaxed);
        place.conn = Some(conn);
    }
}
