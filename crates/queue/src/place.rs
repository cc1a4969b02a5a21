//! What the queue contains: places, one for each connection that the pool may have.

use std::time::Instant;

/// The right to have one connection, with or without that connection. The queue, a guard or a `get` owns
/// it. A `get` that fails sends it back, the pool catches the panics of foreign code, and the drop of a
/// guard sends it back. So neither an error nor a panic can lose capacity.
pub(crate) struct Place<C> {
    /// Below the pool's size, and different for each place.
    pub(crate) index: usize,
    /// `None` if the connection was lost or not opened yet. The borrower that receives the place opens
    /// one.
    pub(crate) conn: Option<C>,
    /// When the connection was borrowed, if the settings ask for events of each use.
    pub(crate) borrowed_at: Option<Instant>,
    /// When the connection was returned, if the manager makes quick checks.
    pub(crate) returned_at: Option<Instant>,
    /// When the connection was opened or last validated.
    pub(crate) last_alive: Option<Instant>,
}

impl<C> Place<C> {
    pub(crate) fn empty(index: usize) -> Self {
        Self { index, conn: None, borrowed_at: None, returned_at: None, last_alive: None }
    }
}

/// An entry of the queue: a place, or `None` as the marker of a closed pool. A thread that receives the
/// marker sends it back, so that it wakes the next waiter.
///
/// The place is boxed, so that a pointer travels through the channel, however large a connection is.
pub(crate) type Entry<C> = Option<Box<Place<C>>>;
