//! Hooks, events and limits at each use. Not reached unless hooks, events, limits or a validation by
//! idle time are configured.

use threadwise_core::parts::{Deadline, Veto};
use threadwise_core::{CloseReason, ManageConnection};

use crate::core::{Core, Tracked};

impl<M: ManageConnection> Core<M> {
    /// Whether a connection is within the limits. Inside a transaction it always is, since its thread
    /// may have left the transaction open on purpose.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    pub(crate) fn check_limits(
        &self,
        tracked: &mut Tracked<M::Connection>,
    ) -> Result<(), CloseReason> {
        let limits = &self.settings.limits;
        if !limits.are_set() {
            return Ok(());
        }
        let now = self.settings.clock.now();
        let reason = if limits.max_uses.is_some_and(|max| tracked.uses >= max) {
            CloseReason::MaxUses
        } else if limits.max_lifetime.is_some_and(|max| now - tracked.opened_at >= max) {
            CloseReason::MaxLifetime
        } else if limits.idle_timeout.is_some_and(|max| now - tracked.used_at >= max) {
            CloseReason::IdleTimeout
        } else {
            return Ok(());
        };
        if self.lifecycle.in_transaction(&mut tracked.conn) { Ok(()) } else { Err(reason) }
    }

    /// Calls the `on_acquire` hook and tells the events, before a connection is lent.
    pub(crate) fn before_lending(
        &self,
        tracked: &mut Tracked<M::Connection>,
        deadline: Deadline,
    ) -> Result<(), Veto> {
        self.lifecycle.on_acquire(&mut tracked.conn)?;
        if self.settings.has_per_use_work {
            tracked.used_at = self.settings.clock.now();
        }
        if self.settings.emits_uses {
            let waited = deadline.waited();
            self.lifecycle.emit_with(&tracked.conn, |events, info| events.acquired(info, waited));
        }
        Ok(())
    }

    /// Tells the events and calls the `on_return` hook, before a connection is checked and reset.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    pub(crate) fn before_return(
        &self,
        tracked: &mut Tracked<M::Connection>,
    ) -> Result<(), CloseReason> {
        if self.settings.emits_uses {
            let held = self.settings.clock.now().saturating_duration_since(tracked.used_at);
            self.lifecycle.emit_with(&tracked.conn, |events, info| events.returned(info, held));
        }
        self.lifecycle.returned(&mut tracked.conn)
    }

    /// Counts a use and notes the time of a return, for the limits.
    pub(crate) fn count_use(&self, tracked: &mut Tracked<M::Connection>) {
        if self.settings.has_per_use_work {
            tracked.uses += 1;
            tracked.used_at = self.settings.clock.now();
        }
    }
}
