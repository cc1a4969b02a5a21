//! Sets up a pool, with r2d2's settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use r2d2::{CustomizeConnection, HandleError, LoggingErrorHandler, ManageConnection};
use threadwise_core::{BuildError, Validation, chain};
use threadwise_shared::SharedPool;

use super::adapter::Adapter;
use super::event::HandleEvent;
use super::{Error, Pool};
use crate::FromR2d2;

/// The most connections that a shared pool can have.
const LARGEST: u32 = 1 << 20;

/// The settings of a [`Pool`], with r2d2's names and defaults.
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M: ManageConnection> {
    config: Config,
    error_handler: Box<dyn HandleError<M::Error>>,
    event_handler: Option<Box<dyn HandleEvent>>,
    customizer: Option<Box<dyn CustomizeConnection<M::Connection, M::Error>>>,
}

/// The settings that are numbers. The pool returns them.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) max_size: u32,
    pub(super) min_idle: Option<u32>,
    pub(super) test_on_check_out: bool,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) connection_timeout: Duration,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        Self {
            config: Config {
                max_size: 10,
                min_idle: None,
                test_on_check_out: true,
                max_lifetime: Some(Duration::from_secs(30 * 60)),
                idle_timeout: Some(Duration::from_secs(10 * 60)),
                connection_timeout: Duration::from_secs(30),
            },
            error_handler: Box::new(LoggingErrorHandler),
            event_handler: None,
            customizer: None,
        }
    }
}

#[expect(clippy::missing_panics_doc, reason = "each says for which value it panics, as r2d2 does")]
impl<M: ManageConnection> Builder<M> {
    /// A builder with r2d2's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most connections. Panics if it is 0. More than 1 048 576 has the effect of 1 048 576.
    ///
    /// Default: 10.
    pub fn max_size(mut self, max_size: u32) -> Self {
        assert!(max_size > 0, "`max_size` must be at least 1");
        self.config.max_size = max_size;
        self
    }

    /// How many idle connections the pool keeps, as far as `max_size` allows. `None` is `max_size`:
    /// the pool opens all connections at its start and keeps them.
    ///
    /// Default: `None`.
    pub fn min_idle(mut self, min_idle: Option<u32>) -> Self {
        self.config.min_idle = min_idle;
        self
    }

    /// Whether the pool validates a connection each time before it lends it.
    ///
    /// Default: `true`.
    pub fn test_on_check_out(mut self, test_on_check_out: bool) -> Self {
        self.config.test_on_check_out = test_on_check_out;
        self
    }

    /// The longest lifetime of a connection. Panics if it is zero.
    ///
    /// Default: 30 minutes.
    pub fn max_lifetime(mut self, max_lifetime: Option<Duration>) -> Self {
        assert_ne!(max_lifetime, Some(Duration::ZERO), "`max_lifetime` must be more than 0");
        self.config.max_lifetime = max_lifetime;
        self
    }

    /// How long a connection beyond `min_idle` may be idle until the pool closes it. Panics if it is
    /// zero.
    ///
    /// Default: 10 minutes.
    pub fn idle_timeout(mut self, idle_timeout: Option<Duration>) -> Self {
        assert_ne!(idle_timeout, Some(Duration::ZERO), "`idle_timeout` must be more than 0");
        self.config.idle_timeout = idle_timeout;
        self
    }

    /// How long `get` waits for a connection, and `build` for its first ones. Panics if it is zero.
    ///
    /// Default: 30 seconds.
    pub fn connection_timeout(mut self, connection_timeout: Duration) -> Self {
        assert!(connection_timeout > Duration::ZERO, "`connection_timeout` must be more than 0");
        self.config.connection_timeout = connection_timeout;
        self
    }

    /// Receives the errors of `connect`, `on_acquire` and `is_valid`.
    ///
    /// Default: logs them.
    pub fn error_handler(mut self, error_handler: Box<dyn HandleError<M::Error>>) -> Self {
        self.error_handler = error_handler;
        self
    }

    /// Receives the pool's events. With it, each use reads the clock.
    ///
    /// Default: none.
    pub fn event_handler(mut self, event_handler: Box<dyn HandleEvent>) -> Self {
        self.event_handler = Some(event_handler);
        self
    }

    /// Sets up each connection that opens, and gets each that the pool gives up.
    ///
    /// Default: none.
    pub fn connection_customizer(
        mut self,
        connection_customizer: Box<dyn CustomizeConnection<M::Connection, M::Error>>,
    ) -> Self {
        self.customizer = Some(connection_customizer);
        self
    }

    /// Makes a pool and opens its `min_idle` connections.
    ///
    /// # Errors
    ///
    /// If that has not succeeded within `connection_timeout`. The pool tries again until then.
    pub fn build(self, manager: M) -> Result<Pool<M>, Error> {
        self.build_adapted(FromR2d2::new(manager))
    }

    /// The same as [`build`](Self::build), for a manager of which more is known: how to reset a session,
    /// what an error means.
    ///
    /// # Errors
    ///
    /// The same as [`build`](Self::build).
    pub fn build_adapted(self, manager: FromR2d2<M>) -> Result<Pool<M>, Error> {
        let Parts { config, shared, adapter } = self.into_parts(manager);
        if config.min_idle == Some(0) {
            return Ok(lazy(config, shared, adapter));
        }
        let events = adapter.events().cloned();
        let shared =
            shared.build_within(config.connection_timeout, adapter).map_err(Error::of_build)?;
        Ok(Pool::new_from(shared, config, events))
    }

    /// Makes a pool, and lets it open its connections while the program goes on.
    ///
    /// Panics if `min_idle` is more than `max_size`, or if the system has no thread for the pool.
    pub fn build_unchecked(self, manager: M) -> Pool<M> {
        let Parts { config, shared, adapter } = self.into_parts(FromR2d2::new(manager));
        lazy(config, shared, adapter)
    }

    /// The settings of the pool behind this one.
    fn into_parts(self, manager: FromR2d2<M>) -> Parts<M> {
        let Self { config, error_handler, event_handler, customizer } = self;
        let min_idle = config.min_idle.unwrap_or(config.max_size);
        assert!(
            min_idle <= config.max_size,
            "`min_idle` is {min_idle}, and must be at most `max_size`, which is {}",
            config.max_size
        );
        let validation =
            if config.test_on_check_out { Validation::OnCheckout } else { Validation::Never };
        let shared = SharedPool::builder()
            .max_size(config.max_size.min(LARGEST) as usize)
            .min_idle(min_idle.min(LARGEST) as usize)
            .get_timeout(config.connection_timeout)
            .max_lifetime(config.max_lifetime)
            .idle_timeout(config.idle_timeout)
            .keepalive(None)
            .validation(validation);
        let manager = match customizer {
            Some(customizer) => manager.customizer(customizer),
            None => manager,
        };
        let adapter = Adapter::new(manager, error_handler, event_handler.map(Arc::from));
        Parts { config, shared, adapter }
    }
}

struct Parts<M: ManageConnection> {
    config: Config,
    shared: threadwise_shared::Builder<Adapter<M>>,
    adapter: Adapter<M>,
}

/// A pool whose connections open later.
fn lazy<M: ManageConnection>(
    config: Config,
    shared: threadwise_shared::Builder<Adapter<M>>,
    adapter: Adapter<M>,
) -> Pool<M> {
    let events = adapter.events().cloned();
    match shared.build_lazy(adapter) {
        Ok(shared) => Pool::new_from(shared, config, events),
        Err(error) => panic!("{}", what_failed(&error)),
    }
}

/// Says why a pool could not be made at all. r2d2 has no error for that.
fn what_failed(error: &BuildError<crate::Error>) -> String {
    chain(error).to_string()
}

impl<M: ManageConnection> fmt::Debug for Builder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("error_handler", &self.error_handler)
            .field("event_handler", &self.event_handler)
            .field("connection_customizer", &self.customizer)
            .finish()
    }
}
