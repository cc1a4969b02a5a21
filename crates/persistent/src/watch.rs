//! What is done at each use where the settings ask for it: hooks, events, limits. A pool that none of
//! this is asked of never comes here, as its flags say.

use threadwise_core::{CloseReason, Deadline, ManageConnection, Veto};

use crate::core::{Core, Held, Lent};

impl<M: ManageConnection> Core<M> {
    /// Calls the hook, and tells the events: the connection is about to be lent.
    pub(crate) fn acquired(
        &self,
        held: &mut Held<M::Connection>,
        deadline: Deadline,
    ) -> Result<(), Veto> {
        self.lifecycle.on_acquire(&mut held.conn)?;
        if self.settings.watches_uses {
            held.since = self.settings.clock.now();
        }
        if self.settings.tells_uses {
            let waited = deadline.waited();
            self.lifecycle.observer().emit(|events| events.acquired(waited));
        }
        Ok(())
    }

    /// Whether it is worn out. Not inside a transaction, which its thread may have left open on
    /// purpose.
    pub(crate) fn check_limits(&self, held: &Held<M::Connection>) -> Result<(), CloseReason> {
        let limits = &self.settings.limits;
        if !limits.are_set() {
            return Ok(());
        }
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
        if self.lifecycle.in_transaction(&held.conn) { Ok(()) } else { Err(reason) }
    }

    fn tell_returned(&self, held: &Held<M::Connection>) {
        if self.settings.tells_uses {
            let for_so_long = self.settings.clock.now().saturating_duration_since(held.since);
            self.lifecycle.observer().emit(|events| events.returned(for_so_long));
        }
    }

    /// A connection beside a thread's own came back. It is closed.
    #[cold]
    #[inline(never)]
    pub(crate) fn overflow_came_back(&self, mut held: Held<M::Connection>) {
        let mut reason = CloseReason::Surplus;
        if !self.flags.is_forked() {
            self.tell_returned(&held);
            reason = self.lifecycle.returned(&mut held.conn).err().unwrap_or(reason);
        }
        self.end_overflow(held, reason);
    }

    /// As `give_back`, in a pool that is not quiet.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_back_watched(&self, mut lent: Lent<'_, M>) {
        if self.flags.is_forked() {
            let (_, held) = lent.take_out();
            return self.lifecycle.forget_in_child(held.conn);
        }
        let held = lent.content_mut();
        self.tell_returned(held);
        let checked = self
            .lifecycle
            .returned(&mut held.conn)
            .and_then(|()| self.lifecycle.check_in(&mut held.conn));
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
