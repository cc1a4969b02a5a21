//! Hooks and events at each use. Not reached unless hooks, events or a validation by idle time are
//! configured.

use std::time::Instant;

use threadwise_core::{Deadline, ManageConnection, Veto};

use crate::place::Place;
use crate::pool::Core;

/// Among a pool's flags: something is done at each use.
pub(crate) const WATCHED: u8 = 4;

impl<M: ManageConnection> Core<M> {
    /// A connection is about to be lent.
    pub(crate) fn acquired(
        &self,
        place: &mut Place<M::Connection>,
        deadline: Deadline,
    ) -> Result<(), Veto> {
        place.conn.as_mut().map_or(Ok(()), |conn| self.lifecycle.on_acquire(conn))?;
        if self.settings.tells_uses {
            place.since = Some(Instant::now());
            self.lifecycle.observer().emit(|events| events.acquired(deadline.waited()));
        }
        Ok(())
    }

    /// A connection comes back.
    #[cold]
    pub(crate) fn returned(&self, place: &mut Place<M::Connection>) {
        let Some(conn) = &mut place.conn else { return };
        if let (true, Some(lent)) = (self.settings.tells_uses, place.since.take()) {
            self.lifecycle.observer().emit(|events| events.returned(lent.elapsed()));
        }
        if let Err(reason) = self.lifecycle.returned(conn) {
            self.clear(place, reason);
        }
    }
}
