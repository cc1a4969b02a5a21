//! What is done at each use where the settings ask for it: hooks, events, the time of a return. A pool
//! of which none of this is asked never comes here.

use std::time::Instant;

use threadwise_core::{CloseReason, Deadline, ManageConnection};

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
    ) -> Result<(), CloseReason> {
        place.conn.as_mut().map_or(Ok(()), |conn| self.keeper.acquired(conn))?;
        if self.settings.tells_uses {
            place.since = Some(Instant::now());
            self.keeper.observer().tell(|events| events.acquired(deadline.waited()));
        }
        Ok(())
    }

    /// A connection comes back. From now on it counts as idle.
    #[cold]
    pub(crate) fn returned(&self, place: &mut Place<M::Connection>) {
        let Some(conn) = &mut place.conn else { return };
        let now = Instant::now();
        if let (true, Some(lent)) = (self.settings.tells_uses, place.since) {
            self.keeper.observer().tell(|events| events.returned(now.duration_since(lent)));
        }
        place.since = Some(now);
        if let Err(reason) = self.keeper.returned(conn) {
            self.clear(place, reason);
        }
    }
}
