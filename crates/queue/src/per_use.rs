//! Hooks and events at each use. Not reached unless hooks, events, a validation by idle time or
//! quick checks are configured.

use std::time::Instant;

use threadwise_core::ManageConnection;
use threadwise_core::parts::{Deadline, Veto};

use crate::core::Core;
use crate::place::Place;

impl<M: ManageConnection> Core<M> {
    /// Calls the `on_acquire` hook and tells the events, before a connection is lent.
    pub(crate) fn before_lending(
        &self,
        place: &mut Place<M::Connection>,
        deadline: Deadline,
    ) -> Result<(), Veto> {
        let Some(conn) = &mut place.conn else { return Ok(()) };
        self.lifecycle.on_acquire(conn)?;
        if self.settings.emits_uses {
            place.borrowed_at = Some(Instant::now());
            let waited = deadline.waited();
            self.lifecycle.emit_with(conn, |events, info| events.acquired(info, waited));
        }
        Ok(())
    }

    /// Tells the events and calls the `on_return` hook, before a connection is checked and reset. If
    /// the hook refuses the connection, closes it.
    #[cold]
    pub(crate) fn before_return(&self, place: &mut Place<M::Connection>) {
        let Some(conn) = &mut place.conn else { return };
        if self.settings.emits_uses
            && let Some(borrowed_at) = place.borrowed_at.take()
        {
            let held = borrowed_at.elapsed();
            self.lifecycle.emit_with(conn, |events, info| events.returned(info, held));
        }
        if self.lifecycle.makes_quick_checks() {
            place.returned_at = Some(Instant::now());
        }
        if let Err(reason) = self.lifecycle.returned(conn) {
            self.clear(place, reason);
        }
    }
}
