//! A connection that its thread uses in several places at once, by shared reference.

use std::fmt;
use std::ops::Deref;

use threadwise_core::parts::fork::AfterFork;
use threadwise_core::{GetError, ManageConnection};

use crate::core::Core;
use crate::guard::HELD;
use crate::thread_slot::Shared;

/// This thread's connection, shared by [`PersistentPool::share`](crate::PersistentPool::share).
/// Dropping the last guard of it returns the connection. It cannot leave its thread.
#[must_use = "dropping the guard ends the share"]
pub struct ThreadConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    shared: Option<Shared<'p, M>>, // `None` only once the guard has ended
}

type ShareResult<'p, M> = Result<ThreadConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

impl<M: ManageConnection> Core<M> {
    pub(crate) fn share(&self) -> ShareResult<'_, M> {
        if self.flags.is_forked() {
            return self.child_pool().share();
        }
        if !self.flags.are_clear() && self.flags.is_closed() {
            return Err(GetError::Closed);
        }
        let owner = self.slot_of_this_thread().ok_or(GetError::ThreadEnding)?;
        if let Some(shared) = owner.share_again() {
            return Ok(ThreadConnection { core: self, shared: Some(shared) });
        }
        if owner.is_borrowed() {
            return Err(GetError::AlreadyBorrowed); // a connection of overflow would not be shared
        }
        let guard = self.get(|| self.settings.get_timeout)?;
        // A hook or the manager may have borrowed the thread's own connection meanwhile.
        let Some((core, borrowed)) = guard.into_parts() else {
            return Err(GetError::AlreadyBorrowed);
        };
        Ok(ThreadConnection { core, shared: Some(borrowed.share()) })
    }
}

impl<M: ManageConnection> Deref for ThreadConnection<'_, M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.shared.as_ref().expect(HELD).content().conn
    }
}

impl<M: ManageConnection> Drop for ThreadConnection<'_, M> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        if let Some(borrowed) = shared.end() {
            self.core.give_back(borrowed);
        }
    }
}

impl<M: ManageConnection> fmt::Debug for ThreadConnection<'_, M>
where
    M::Connection: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
