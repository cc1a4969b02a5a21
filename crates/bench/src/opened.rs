//! Counts the connections that a contender opens.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use delegate::delegate;
use threadwise_core::{ConnectionInfo, ManageConnection, Moment, Outcome};

use crate::Result;
use crate::dial::Dial;

/// A count of opened connections. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Opened(Arc<AtomicU64>);

impl Opened {
    /// Counts one more.
    pub fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Returns the number of connections opened so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A connection manager that counts the connections it opens, and passes all calls on. The report
/// has this count, which is what the driver was asked to do, and not the pool's own counters.
pub struct Counted<M> {
    manager: M,
    opened: Opened,
}

impl<M> Counted<M> {
    /// Counts the connections that `manager` opens in `opened`.
    pub fn new(manager: M, opened: &Opened) -> Self {
        Self { manager, opened: opened.clone() }
    }

    fn count<C, E>(&self, result: Result<C, E>) -> Result<C, E> {
        if result.is_ok() {
            self.opened.add_one();
        }
        result
    }
}

// The lint demands every method. A missing one would have the trait's default, and the contender
// would not do what its manager promises.
#[deny(clippy::missing_trait_methods)]
impl<M: ManageConnection> ManageConnection for Counted<M> {
    type Connection = M::Connection;
    type Error = M::Error;

    fn connect(&self) -> Result<M::Connection, M::Error> {
        self.count(self.manager.connect())
    }

    fn connect_within(&self, limit: Duration) -> Result<M::Connection, M::Error> {
        self.count(self.manager.connect_within(limit))
    }

    delegate! {
        to self.manager {
            fn is_valid(&self, conn: &mut M::Connection) -> Result<(), M::Error>;
            fn is_valid_within(
                &self,
                conn: &mut M::Connection,
                limit: Duration,
            ) -> Result<(), M::Error>;
            fn is_valid_patient(
                &self,
                conn: &mut M::Connection,
                patience: Duration,
                limit: Duration,
            ) -> Option<Result<(), M::Error>>;
            fn last_answer(&self, conn: &M::Connection) -> Option<Instant>;
            fn has_broken(&self, conn: &mut M::Connection) -> bool;
            fn reset(&self, conn: &mut M::Connection) -> Result<(), M::Error>;
            fn reset_within(&self, conn: &mut M::Connection, limit: Duration) -> Result<(), M::Error>;
            fn begin_session(&self, conn: &mut M::Connection);
            fn has_changed(&self, conn: &mut M::Connection) -> bool;
            fn has_broken_at(&self, conn: &mut M::Connection, moment: Moment) -> bool;
            fn quick_check(&self, conn: &mut M::Connection) -> Result<(), M::Error>;
            fn quick_check_after(&self) -> Option<Duration>;
            fn in_transaction(&self, conn: &mut M::Connection) -> bool;
            fn in_transaction_shared(&self, conn: &M::Connection) -> bool;
            fn should_retire(&self, conn: &mut M::Connection) -> bool;
            fn group(&self, conn: &M::Connection) -> u64;
            fn info<'c>(&'c self, conn: &'c M::Connection) -> ConnectionInfo<'c>;
            fn on_error(&self, conn: &mut M::Connection, error: &M::Error) -> Outcome;
            fn pool_closed(&self);
            fn forked(&self);
            fn is_lost(&self, error: &M::Error) -> bool;
            fn is_permanent(&self, error: &M::Error) -> bool;
            fn is_shortage(&self, error: &M::Error) -> bool;
            fn not_reconnected(&self, error: M::Error, cause: &(dyn Error + 'static)) -> M::Error;
            fn address(&self) -> Option<Cow<'_, str>>;
            fn forget_in_child(&self, conn: M::Connection);
            fn set_pool_name(&mut self, name: &str);
            fn close(&self, conn: M::Connection);
        }
    }
}

impl<M: r2d2::ManageConnection> r2d2::ManageConnection for Counted<M> {
    type Connection = M::Connection;
    type Error = M::Error;

    fn connect(&self) -> Result<M::Connection, M::Error> {
        self.count(self.manager.connect())
    }

    delegate! {
        to self.manager {
            fn is_valid(&self, conn: &mut M::Connection) -> Result<(), M::Error>;
            fn has_broken(&self, conn: &mut M::Connection) -> bool;
        }
    }
}

impl<D: Dial> Dial for Counted<D> {
    type Connection = D::Connection;

    #[inline]
    fn dial(&self) -> Result<D::Connection> {
        self.count(self.manager.dial())
    }
}
