//! What can be done with a borrowed connection besides using it.

use std::ops::DerefMut;

/// A borrowed connection: use it through `DerefMut`, drop it to give it back.
///
/// The guards of the pools have these methods themselves too; the trait is for code that is
/// generic over [`Pool`](crate::Pool).
pub trait Guard: DerefMut<Target: Sized> + Sized {
    /// Closes the connection instead of giving it back, for when its user knows that it must not
    /// be used again. Its place in the pool is free at once.
    fn discard(self);

    /// Takes the connection out of the pool for good. The pool forgets it, does not count it any
    /// more, and may open another in its place.
    fn detach(self) -> Self::Target;
}
