//! Hooks and events at each use. Not reached unless hooks, events or a validation by idle time are
//! configured.

use std::time::Instant;

use threadwise_core::{Deadline, ManageConnection, Veto};

use crate::core::Core;
use crate::place::Place;

impl<M: ManageConnection> Core<M> {
    /// Calls the `on_acquire` hook and tells the events, before a connection is lent.
    pub(crate) fn before_lending(
        &self,
        place: &mut Place<M::Connection>,
        deadline: Deadline,
    ) -> Result<(), Veto> {
        if let Some(conn) = &mut place.conn {
            self.lifecycle.on_acquire(conn)?;
        }
        if self.settings.emits_uses {
            place.borrowed_at = Some(Instant::now());
            self.lifecycle.observer().emit(|events| events.acquired(deadline.waited()));
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
            self.lifecycle.observer().emit(|events| events.returned(borrowed_at.elapsed()));
        }
        if let Err(reason) = self.lifecycle.returned(conn) {
            self.clear(place, reason);
        }
    }
}
