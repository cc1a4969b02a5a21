//! The pools under test: how to build each of them with the settings of a test.

use std::time::Duration;

use threadwise_core::{BuildError, ManageConnection, Pool, Reset, Validation};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;

use crate::wait;

/// Builds the pool that a test tries, for any manager.
pub trait PoolUnderTest: 'static {
    /// The pool of a manager's connections.
    type Pool<M: ManageConnection>: Pool<Manager = M> + 'static;

    /// Builds a pool.
    ///
    /// # Errors
    ///
    /// What the pool's own `build` returns.
    fn build<M: ManageConnection>(
        manager: M,
        settings: Settings,
    ) -> Result<Self::Pool<M>, BuildError<M::Error>>;
}

/// The settings that all pools have.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The limit of open connections.
    pub size: usize,
    /// How long `get` waits.
    pub get_timeout: Option<Duration>,
    /// When the pool validates a connection.
    pub validation: Validation,
    /// How long a validation or a reset may take.
    pub validation_timeout: Option<Duration>,
    /// When the pool resets a session.
    pub reset: Reset,
}

impl Settings {
    /// Settings for `size` connections, with a `get_timeout` as long as a test's patience.
    #[must_use]
    pub fn size(size: usize) -> Self {
        Self {
            size,
            get_timeout: Some(wait::patience()),
            validation: Validation::Never,
            validation_timeout: Some(wait::patience()),
            reset: Reset::WhenChanged,
        }
    }
}

/// Makes the type that builds one kind of pool.
macro_rules! pool_under_test {
    ($name:ident, $pool:ident, $size:ident) => {
        #[doc = concat!("Builds a [`", stringify!($pool), "`].")]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl PoolUnderTest for $name {
            type Pool<M: ManageConnection> = $pool<M>;

            fn build<M: ManageConnection>(
                manager: M,
                settings: Settings,
            ) -> Result<$pool<M>, BuildError<M::Error>> {
                $pool::builder()
                    .$size(settings.size)
                    .get_timeout(settings.get_timeout)
                    .validation(settings.validation)
                    .validation_timeout(settings.validation_timeout)
                    .reset(settings.reset)
                    .build(manager)
            }
        }
    };
}

pool_under_test!(Shared, SharedPool, max_size);
pool_under_test!(Persistent, PersistentPool, max_threads);
pool_under_test!(Queue, QueuePool, size);
