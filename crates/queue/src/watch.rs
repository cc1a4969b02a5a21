//! What is done at each use where the settings ask for it: hooks and events. A pool that was given
//! none comes here only to look at a flag of its own.

use std::time::Instant;

use threadwise_core::{CloseReason, Deadline, ManageConnection};

use crate::place::Place;
use crate::pool::Core;
use crate::report::count;

impl<M: ManageConnection> Core<M> {
    /// Counts a use of the place; tells hooks and events of it where there are such.
    #[inline]
    pub(crate) fn acquired(
        &self,
        place: &mut Place<M::Connection>,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<(), CloseReason> {
        if self.settings.watches_uses {
            self.tell_acquired(place, deadline())?;
        }
        count(&self.used[place.number].gets);
        Ok(())
    }

    #[cold]
    fn tell_acquired(
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

    /// Tells hooks and events of a connection that comes back.
    #[cold]
    pub(crate) fn returned(
        &self,
        conn: &mut M::Connection,
        lent: Option<Instant>,
    ) -> Result<(), CloseReason> {
        if let Some(lent) = lent.filter(|_| self.settings.tells_uses) {
            self.keeper.observer().tell(|events| events.returned(lent.elapsed()));
        }
        self.keeper.returned(conn)
    }
}
