//! What can be done with a borrowed connection besides using it.

use std::ops::DerefMut;

/// A borrowed connection: use it through `DerefMut`, drop it to give it back.
///
/// The guards of the pools have these methods themselves too; the trait is for code that is
/// generic over [`Pool`](crate::Pool).
pub trait Guard: DerefMut<Target: Sized> + Sized {
    /// The manager's error.
    type Error;

    /// Closes the connection instead of giving it back, for when its user knows that it must not
    /// be used again. Its place in the pool is free at once.
    fn discard(self);

    /// Takes the connection out of the pool for good. The pool forgets it, does not count it any
    /// more, and may open another in its place.
    fn detach(self) -> Self::Target;

    /// Runs `work` on the connection, and once more on a new one if the connection was lost: it is
    /// your word that `work` may run twice. (DBUtils calls this a steady connection.)
    ///
    /// | `work` returned | what happens |
    /// |---|---|
    /// | a value, or an error that is not of a [lost](crate::ManageConnection::is_lost) connection | it is returned |
    /// | a lost connection | the connection is replaced in this guard, and `work` runs once more |
    /// | the same, and a transaction was open before `work` began | the connection is replaced for the next use, and the error is returned: what ran before `work` is gone, and only you know what it was |
    /// | the same, the second time | as in a transaction |
    /// | a lost connection that cannot be replaced | the error is returned; the guard keeps the lost connection, and the next `steady` tries again |
    ///
    /// A transaction that `work` begins itself is run again from its beginning. If it was lost in
    /// its `COMMIT`, the server may have committed: then `work` must not run twice, so commit outside
    /// of it.
    ///
    /// The new connection is opened on this thread, within the pool's `get_timeout` as far as the
    /// manager keeps to it, and prepared as any other: the manager's session commands and the hooks
    /// `on_connect` and `on_acquire` run. It takes the lost one's place in the pool, and counts as a
    /// new one there: its life and its uses begin. The lost one is closed when the new one is there.
    ///
    /// Costs next to nothing while all is well. A panic of `work` is passed on.
    ///
    /// # Errors
    ///
    /// What `work` returned last. If no other connection could be opened, the manager adds why
    /// ([`not_reconnected`](crate::ManageConnection::not_reconnected)); [`Events`](crate::Events) are
    /// told in any case.
    fn steady<T>(
        &mut self,
        work: impl FnMut(&mut Self::Target) -> Result<T, Self::Error>,
    ) -> Result<T, Self::Error>;
}
