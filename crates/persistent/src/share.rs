//! A connection that its thread uses in several places at once, by shared reference.

use std::fmt;
use std::ops::Deref;

use threadwise_core::fork::AfterFork;
use threadwise_core::{GetError, ManageConnection};

use crate::core::{Core, Shared};

/// This thread's connection, shared by [`PersistentPool::share`](crate::PersistentPool::share).
/// Dropping the last of them gives it back. It cannot leave its thread.
pub struct ThreadConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    shared: Option<Shared<'p, M>>, // `None` only once it has ended
}

type Result<'p, M> =
    std::result::Result<ThreadConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

impl<M: ManageConnection> Core<M> {
    pub(crate) fn share(&self) -> Result<'_, M> {
        if self.flags.is_forked() {
            return self.child_pool().share();
        }
        if !self.flags.are_quiet() && self.flags.is_closed() {
            return Err(GetError::Closed);
        }
        let own = self.find_or_make().ok_or(GetError::ThreadEnding)?;
        if let Some(shared) = own.join() {
            return Ok(ThreadConnection { core: self, shared: Some(shared) });
        }
        if own.is_borrowed() {
            return Err(GetError::AlreadyBorrowed); // another connection would not be shared
        }
        let guard = self.get(|| self.settings.get_timeout)?;
        let Some((core, lent)) = guard.into_parts() else {
            return Err(GetError::AlreadyBorrowed); // what the hooks and the manager did meanwhile
        };
        Ok(ThreadConnection { core, shared: Some(lent.share()) })
    }
}

impl<M: ManageConnection> Drop for ThreadConnection<'_, M> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        if let Some(lent) = shared.leave() {
            self.core.give_back(lent);
        }
    }
}

impl<M: ManageConnection> Deref for ThreadConnection<'_, M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.shared.as_ref().expect("it is shared until it ends").content().conn
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
