//! Opening connections on a caller's thread, and waiting until the pool has opened some. Dialers open
//! all other connections.

use std::time::Duration;

use threadwise_core::parts::Deadline;
use threadwise_core::parts::fork::AfterFork;
use threadwise_core::{BuildError, CloseReason, ConnectError, ManageConnection};

use crate::core::{Core, OwnedSlot, nanos_of};
use crate::jitter;
use crate::origin::Origin;

impl<M: ManageConnection> Core<M> {
    /// Opens the connections that `build` promises, on threads of the pool, and waits for them.
    pub(crate) fn open_first(&self, deadline: Deadline) -> Result<(), BuildError<M::Error>> {
        let state = self.handoff.state.lock();
        let wanted = state.limits.min_idle.max(1);
        if state.limits.min_idle > 0 {
            self.meet_demand(state);
        } else if state.opened == 0 {
            self.dial_extra(state);
        } else {
            drop(state); // opened since the last attempt of `build_within`
        }
        self.await_opened(wanted, deadline).map_err(|error| match error {
            Some(error) => BuildError::ConnectFailed(error),
            None => BuildError::TimedOut {
                waited: deadline.waited(),
                address: self.lifecycle.address(),
            },
        })
    }

    /// The same as [`open_first`](Self::open_first), and tries again until `limit` has passed. Meanwhile
    /// the dialer's pauses are as short as while a thread waits.
    pub(crate) fn open_first_within(&self, limit: Duration) -> Result<(), BuildError<M::Error>> {
        self.handoff.state.lock().is_building = true;
        let clock = self.settings.clock;
        let opened =
            self.lifecycle.build_within(limit, clock, |deadline| self.open_first(deadline));
        self.handoff.state.lock().is_building = false;
        opened
    }

    /// Waits until `wanted` connections have been opened.
    ///
    /// # Errors
    ///
    /// Why an attempt to open one has failed; `None` if the time is up.
    fn await_opened(
        &self,
        wanted: usize,
        deadline: Deadline,
    ) -> Result<(), Option<ConnectError<M::Error>>> {
        let mut state = self.handoff.state.lock();
        while state.opened < wanted {
            // Under the same lock as the look at it: a dial that succeeds meanwhile forgets the error.
            let error = state.replace_error(None);
            if error.is_some() || deadline.has_passed() {
                return Err(error);
            }
            state = self.settings.clock.wait_until(&self.progress, state, deadline.instant());
        }
        Ok(())
    }

    /// Replaces a holder's lost connection in its slot. Opens the new one on the holder's thread, in
    /// the holder's capacity.
    #[cold]
    pub(crate) fn replace(
        &self,
        owned: &mut OwnedSlot<'_, M>,
    ) -> Result<(), ConnectError<M::Error>> {
        if self.is_forked() {
            return Err(ConnectError::Unavailable("the connection belongs to the parent process"));
        }
        self.suspect(owned.origin());
        let state = self.handoff.state.lock();
        if state.closed {
            return Err(ConnectError::Unavailable("the pool is closed"));
        }
        if state.suspended {
            return Err(ConnectError::Unavailable("the pool is suspended"));
        }
        let generation = state.generation;
        drop(state);
        let conn = self.lifecycle.reopen(self.settings.get_timeout)?;
        let origin = Origin { generation, group: self.lifecycle.group(&conn) };
        let lost = owned.refill(conn, origin, self.expires());
        self.record_opened(owned);
        owned.count_holders_use();
        self.handoff.decide_replaced(owned);
        self.housekeeper.notify_one(); // the new connection has a lifetime
        if let Some(lost) = lost {
            self.lifecycle.close(lost, CloseReason::Broken);
        }
        Ok(())
    }

    /// Notes that a connection was just opened.
    pub(crate) fn record_opened(&self, owned: &OwnedSlot<'_, M>) {
        let now = self.nanos(self.settings.clock.now());
        owned.record_answer(now);
        owned.record_returned(now);
    }

    /// When the lifetime of a connection that is opened now ends, as slots record it.
    pub(crate) fn expires(&self) -> u64 {
        let Some(lifetime) = self.settings.ages.max_lifetime else { return u64::MAX };
        let fraction = self.settings.ages.lifetime_jitter * jitter::fraction();
        let lifetime = lifetime.saturating_sub(jitter::fraction_of(lifetime, fraction));
        self.nanos(self.settings.clock.now()).saturating_add(nanos_of(lifetime))
    }
}
