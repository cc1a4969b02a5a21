//! A return, from a guard to the thread's slot.

use threadwise_core::{CloseReason, ManageConnection};

use crate::core::{Core, Tracked};
use crate::slot::PutBack;
use crate::thread_slot::{Borrowed, OwnerRef};

impl<M: ManageConnection> Core<M> {
    /// Takes back the connection of a guard that was dropped. Checks and resets it as the settings say;
    /// closes a connection that fails.
    #[inline(always)] // all that is not out of line is a dozen loads, stores and tests
    pub(crate) fn give_back(&self, mut borrowed: Borrowed<'_, M>) {
        if !self.flags.are_clear() {
            return self.give_back_slow(borrowed);
        }
        match self.lifecycle.check_in(&mut borrowed.content_mut().conn) {
            Ok(was_reset) => {
                borrowed.count_reset(was_reset);
                self.put_back(borrowed);
            }
            Err(reason) => self.end(borrowed, reason),
        }
    }

    /// Checks and resets a connection as after a use.
    pub(crate) fn check_in(&self, borrowed: &mut Borrowed<'_, M>) -> Result<(), CloseReason> {
        let was_reset = self.lifecycle.check_in(&mut borrowed.content_mut().conn)?;
        borrowed.count_reset(was_reset);
        Ok(())
    }

    /// Makes a connection idle again. Closes it instead if the pool is closed or the thread has ended.
    #[inline(always)]
    pub(crate) fn put_back(&self, borrowed: Borrowed<'_, M>) {
        match borrowed.put_back(&self.flags) {
            PutBack::Idle => {}
            PutBack::NeedsCheck(owner) => self.close_if_closed(owner),
            PutBack::ThreadEnded(borrowed) => self.end(borrowed, CloseReason::ThreadEnded),
        }
    }

    /// Closes a connection that has just become idle, if the pool is closed.
    #[cold]
    #[inline(never)]
    fn close_if_closed(&self, owner: OwnerRef<'_, M>) {
        if self.flags.is_closed() {
            self.close_idle(owner);
        }
    }

    /// Like [`give_back`](Self::give_back), for a pool whose flags are not clear.
    #[cold]
    #[inline(never)]
    fn give_back_slow(&self, mut borrowed: Borrowed<'_, M>) {
        if self.flags.is_forked() {
            let (_, tracked) = borrowed.take_out();
            return self.lifecycle.forget_in_child(tracked.conn);
        }
        let tracked = borrowed.content_mut();
        let checked =
            self.before_return(tracked).and_then(|()| self.lifecycle.check_in(&mut tracked.conn));
        match checked {
            Ok(was_reset) => {
                self.count_use(tracked);
                borrowed.count_reset(was_reset);
                self.put_back(borrowed);
            }
            Err(reason) => self.end(borrowed, reason),
        }
    }

    /// Closes an overflow connection, whose guard was dropped. Takes the box, because a connection that
    /// is moved out of it would take room on the stack of the fast path.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_back_overflow(&self, mut tracked: Box<Tracked<M::Connection>>) {
        let mut reason = CloseReason::Surplus;
        if !self.flags.is_forked()
            && let Err(refused) = self.before_return(&mut tracked)
        {
            reason = refused;
        }
        self.end_overflow(*tracked, reason);
    }
}
