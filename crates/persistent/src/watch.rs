//! What is done at each use where the settings ask for it: hooks, events, limits. A pool that none of
//! this is asked of never comes here, as its flags say.

use threadwise_core::{CloseReason, Deadline, ManageConnection};

use crate::core::{Core, Got, Held, Lent};

impl<M: ManageConnection> Core<M> {
    /// Lends this thread's connection if it is in order; else opens another.
    pub(crate) fn check_out<'p>(&'p self, mut lent: Lent<'p, M>, deadline: Deadline) -> Got<'p, M> {
        match self.check(lent.content_mut(), deadline) {
            Ok(()) => {
                lent.count_get();
                Ok(lent)
            }
            Err(reason) => self.reopen(lent, reason, deadline),
        }
    }

    fn check(&self, held: &mut Held<M::Connection>, deadline: Deadline) -> Result<(), CloseReason> {
        if self.settings.watches_uses {
            self.check_limits(held)?;
        }
        let now = || self.settings.clock.now();
        let idle_longer_than = |limit| now().saturating_duration_since(held.since) > limit;
        self.keeper.check_out(&mut held.conn, idle_longer_than, || deadline)?;
        if self.settings.watches_uses {
            self.keeper.acquired(&mut held.conn)?;
            held.since = now();
            self.tell_acquired(deadline);
        }
        Ok(())
    }

    /// Whether it is worn out. Not inside a transaction, which its thread may have left open on
    /// purpose.
    fn check_limits(&self, held: &Held<M::Connection>) -> Result<(), CloseReason> {
        let limits = &self.settings.limits;
        let now = self.settings.clock.now();
        let reason = match () {
            () if limits.max_uses.is_some_and(|max| held.uses >= max) => CloseReason::MaxUses,
            () if limits.max_lifetime.is_some_and(|max| now - held.opened >= max) => {
                CloseReason::MaxLifetime
            }
            () if limits.idle_timeout.is_some_and(|max| now - held.since >= max) => {
                CloseReason::IdleTimeout
            }
            () => return Ok(()),
        };
        if self.keeper.in_transaction(&held.conn) { Ok(()) } else { Err(reason) }
    }

    pub(crate) fn tell_acquired(&self, deadline: Deadline) {
        if self.settings.tells_uses {
            let waited = deadline.waited();
            self.keeper.observer().tell(|events| events.acquired(waited));
        }
    }

    fn tell_returned(&self, held: &Held<M::Connection>) {
        if self.settings.tells_uses {
            let for_so_long = self.settings.clock.now().saturating_duration_since(held.since);
            self.keeper.observer().tell(|events| events.returned(for_so_long));
        }
    }

    /// A connection beside a thread's own came back. It is closed.
    #[cold]
    #[inline(never)]
    pub(crate) fn overflow_came_back(&self, mut held: Held<M::Connection>) {
        let mut reason = CloseReason::Surplus;
        if !self.flags.is_orphaned() {
            self.tell_returned(&held);
            reason = self.keeper.returned(&mut held.conn).err().unwrap_or(reason);
        }
        self.end_overflow(held, reason);
    }

    /// As `give_back`, in a pool that is not quiet.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_back_watched(&self, mut lent: Lent<'_, M>) {
        if self.flags.is_orphaned() {
            let (_, held) = lent.take_out();
            return self.keeper.abandon(held.conn);
        }
        let held = lent.content_mut();
        self.tell_returned(held);
        let checked = self
            .keeper
            .returned(&mut held.conn)
            .and_then(|()| self.keeper.check_in(&mut held.conn));
        match checked {
            Ok(was_reset) => {
                if self.settings.watches_uses {
                    held.uses += 1;
                    held.since = self.settings.clock.now();
                }
                lent.count_reset(was_reset);
                self.put_back(lent);
            }
            Err(reason) => self.end(lent, reason),
        }
    }
}
