//! Events, as r2d2 has them.

use std::fmt;
use std::time::Duration;

/// Receives a pool's events. Every method does nothing by default.
///
/// The pool calls a method on the thread that caused the event, and under no lock. That thread waits
/// meanwhile. The pool catches a panic in a method.
pub trait HandleEvent: fmt::Debug + Send + Sync {
    /// The pool opened a connection.
    fn handle_acquire(&self, event: AcquireEvent) {
        let _ = event;
    }

    /// The pool gives a connection up.
    fn handle_release(&self, event: ReleaseEvent) {
        let _ = event;
    }

    /// A thread got a connection.
    fn handle_checkout(&self, event: CheckoutEvent) {
        let _ = event;
    }

    /// A thread got no connection in time.
    fn handle_timeout(&self, event: TimeoutEvent) {
        let _ = event;
    }

    /// A thread returned a connection.
    fn handle_checkin(&self, event: CheckinEvent) {
        let _ = event;
    }
}

/// Ignores all events.
#[derive(Clone, Copy, Debug)]
pub struct NopEventHandler;

impl HandleEvent for NopEventHandler {}

/// The pool opened a connection.
#[derive(Debug)]
pub struct AcquireEvent {
    pub(super) id: u64,
}

/// The pool gives a connection up.
#[derive(Debug)]
pub struct ReleaseEvent {
    pub(super) id: u64,
    pub(super) age: Duration,
}

/// A thread got a connection.
#[derive(Debug)]
pub struct CheckoutEvent {
    pub(super) id: u64,
    pub(super) duration: Duration,
}

/// A thread got no connection in time.
#[derive(Debug)]
pub struct TimeoutEvent {
    pub(super) timeout: Duration,
}

/// A thread returned a connection.
#[derive(Debug)]
pub struct CheckinEvent {
    pub(super) id: u64,
    pub(super) duration: Duration,
}

impl AcquireEvent {
    /// The number of the connection. No two connections of the process have the same.
    #[must_use]
    pub fn connection_id(&self) -> u64 {
        self.id
    }
}

impl ReleaseEvent {
    /// The number of the connection.
    #[must_use]
    pub fn connection_id(&self) -> u64 {
        self.id
    }

    /// How long ago the pool opened the connection.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }
}

impl CheckoutEvent {
    /// The number of the connection.
    #[must_use]
    pub fn connection_id(&self) -> u64 {
        self.id
    }

    /// How long the thread waited.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl TimeoutEvent {
    /// The limit that has passed.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl CheckinEvent {
    /// The number of the connection.
    #[must_use]
    pub fn connection_id(&self) -> u64 {
        self.id
    }

    /// How long the thread had the connection.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }
}
