//! The settings of a pool as texts.

mod keys;

use std::borrow::Cow;
use std::fmt;

use threadwise_core::{BuildError, ManageConnection};

use super::ConfigError;
use super::entry::{self, Entry, Source};
use super::value::NoServer;
use crate::any_pool::{AnyBuilder, AnyPool};
use crate::pool_kind::PoolKind;

/// The beginning of a pool's parameters in a URL.
const PREFIX: &str = "pool.";

/// The settings of a pool, including its kind. A program reads them when it starts, so a deployment
/// can change the threading model and the sizes without a build.
///
/// Each key is the name of a method of the builder, such as `max_size` or `get_timeout`. `max_size`
/// means the most connections of any kind of pool; `size` of a queue pool and `max_threads` of a
/// per-thread pool are the same setting under the names that those builders have. `kind` is the
/// kind of pool.
///
/// | value | written as |
/// |---|---|
/// | a number | `8` |
/// | a time | `30s`, `500ms`, `5m`, `1h 30m`: a number always has a unit |
/// | no limit, switched off | `none` |
/// | `validation` | `never`, `on_checkout`, `on_return`, or a time: `30s` is `IdleLongerThan(30 s)` |
/// | `reset` | `always`, `when_changed`, `in_transaction`, `never` |
/// | `nested_get` | `off`, `warn`, `error` |
/// | `connect_backoff` | two times: `10ms..5s` |
///
/// [`set`](Self::set) checks each entry. It refuses an unknown key, a key that the kind does not have, and a
/// value that it cannot read. The error names the key and the values that it takes. [`build`](Self::build)
/// checks whether the values fit together. A later entry replaces an earlier one of the same key.
///
/// ```
/// use threadwise::{Pool, PoolConfig};
/// use threadwise_sqlite::SqliteManager; // threadwise::sqlite with the feature `sqlite`
///
/// let mut config = PoolConfig::default(); // a shared pool
/// config.set("max_size", "4")?;
/// config.set("get_timeout", "2s")?;
/// let url = config.take_from_url("app.db?pool.kind=queue&cache=shared")?;
/// config.set_from_env("SHOP_POOL")?; // SHOP_POOL_KIND, SHOP_POOL_MAX_SIZE, …
/// assert_eq!(url, "app.db?cache=shared");
///
/// let pool = config.build(SqliteManager::memory())?;
/// assert_eq!(pool.state().max_size, Some(4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With the feature `serde`, a part of a configuration file becomes a `PoolConfig`. In TOML:
///
/// ```toml
/// [pool]
/// kind = "shared"
/// max_size = 8
/// get_timeout = "5s"
/// idle_timeout = "none"
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    pub(super) kind: PoolKind,
    pub(super) entries: Vec<Entry>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self::new(PoolKind::ALL[0])
    }
}

impl PoolConfig {
    /// The defaults of a kind of pool.
    ///
    /// ```
    /// use threadwise::{PoolConfig, PoolKind};
    ///
    /// for kind in PoolKind::ALL {
    ///     assert_eq!(PoolConfig::new(*kind).kind(), *kind);
    /// }
    /// ```
    #[must_use]
    pub fn new(kind: PoolKind) -> Self {
        Self { kind, entries: Vec::new() }
    }

    /// The kind of pool.
    ///
    /// ```
    /// # use threadwise::PoolConfig;
    /// let mut config = PoolConfig::default();
    /// config.set("kind", "queue")?;
    /// assert_eq!(config.kind().name(), "queue");
    /// # Ok::<(), threadwise::ConfigError>(())
    /// ```
    #[must_use]
    pub fn kind(&self) -> PoolKind {
        self.kind
    }

    /// Sets one entry. The table of [`PoolConfig`] says how values are written.
    ///
    /// ```
    /// # use threadwise::PoolConfig;
    /// let mut config = PoolConfig::default();
    /// config.set("max_size", "8")?;
    /// let error = config.set("max_sise", "8").unwrap_err();
    /// assert!(error.to_string().contains("did you mean `max_size`?"));
    /// let error = config.set("get_timeout", "30").unwrap_err();
    /// assert!(error.to_string().contains("`30s`"), "a unit is missing: {error}");
    /// # Ok::<(), threadwise::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the key is unknown, the kind of pool does not have it, or the value cannot be read. `self` then
    /// stays as it was.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        self.add([Entry::new(Source::Given, key, value)])
    }

    /// Sets entries from environment variables: `PREFIX_MAX_SIZE`, `PREFIX_KIND`. Reads the environment
    /// once. Returns whether it found such a variable.
    ///
    /// ```
    /// # use threadwise::PoolConfig;
    /// let mut config = PoolConfig::default();
    /// assert!(!config.set_from_env("NO_SUCH_PREFIX")?);
    /// # Ok::<(), threadwise::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`set`](Self::set), with the name of the variable.
    pub fn set_from_env(&mut self, prefix: &str) -> Result<bool, ConfigError> {
        self.set_from_vars(prefix, entry::environment())
    }

    /// The same as [`set_from_env`](Self::set_from_env), for variables that the caller has.
    fn set_from_vars(
        &mut self,
        prefix: &str,
        vars: impl Iterator<Item = (String, String)>,
    ) -> Result<bool, ConfigError> {
        let entries = entry::from_vars(prefix, vars);
        let is_any = !entries.is_empty();
        self.add(entries)?;
        Ok(is_any)
    }

    /// Takes the parameters that begin with `pool.` out of the query of a URL, and sets them. Returns
    /// the URL without them, for the manager.
    ///
    /// ```
    /// # use threadwise::PoolConfig;
    /// let mut config = PoolConfig::default();
    /// let url = "mysql://app@db/shop?pool.max_size=8&read_timeout_ms=900&pool.kind=queue";
    /// assert_eq!(config.take_from_url(url)?, "mysql://app@db/shop?read_timeout_ms=900");
    /// # Ok::<(), threadwise::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`set`](Self::set), with the name of the parameter.
    pub fn take_from_url<'u>(&mut self, url: &'u str) -> Result<Cow<'u, str>, ConfigError> {
        let (entries, rest) = entry::take_parameters(PREFIX, url);
        self.add(entries)?;
        Ok(rest)
    }

    /// Adds entries, if all of them can be read.
    pub(super) fn add(&mut self, new: impl IntoIterator<Item = Entry>) -> Result<(), ConfigError> {
        let mut changed = self.clone();
        for entry in new {
            if entry.key == "kind" {
                changed.kind = entry.value.trim().parse().map_err(|_| {
                    let kinds: Vec<_> = PoolKind::ALL.iter().map(|kind| kind.name()).collect();
                    entry.error(format!(
                        "is {:?}; must be one of {}",
                        &*entry.value,
                        kinds.join(", ")
                    ))
                })?;
                continue;
            }
            changed.entries.retain(|earlier| !earlier.is_same_setting(&entry));
            changed.entries.push(entry);
        }
        let _ = changed.builder::<NoServer>()?; // reads all of them
        *self = changed;
        Ok(())
    }

    /// The builder of a pool with these settings. Use it to add hooks and events, which a text
    /// cannot describe.
    ///
    /// ```
    /// # use threadwise::{Pool, PoolConfig};
    /// # use threadwise_sqlite::SqliteManager;
    /// let mut config = PoolConfig::default();
    /// config.set("max_size", "2")?;
    /// let pool = config
    ///     .builder::<SqliteManager>()?
    ///     .on_connect(|conn| Ok(conn.execute_batch("PRAGMA cache_size = -8000")?))
    ///     .build(SqliteManager::memory())?;
    /// assert_eq!(pool.state().max_size, Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the kind of pool does not have one of the settings, because `kind` changed after the setting was
    /// set.
    pub fn builder<M: ManageConnection>(&self) -> Result<AnyBuilder<M>, ConfigError> {
        let set = |builder: AnyBuilder<M>, entry: &Entry| entry.apply(self.kind, builder);
        self.entries.iter().try_fold(self.kind.builder(), set)
    }

    /// Builds the pool.
    ///
    /// ```
    /// # use threadwise::{Pool, PoolConfig};
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = PoolConfig::default().build(SqliteManager::memory())?;
    /// drop(pool.get()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as `build` of the kind's own builder. [`BuildError::Setting`] names a setting whose value is
    /// out of its range or contradicts another one.
    pub fn build<M: ManageConnection>(
        &self,
        manager: M,
    ) -> Result<AnyPool<M>, BuildError<M::Error>> {
        match self.builder() {
            Ok(builder) => builder.build(manager),
            Err(error) => Err(BuildError::Setting { name: "kind", problem: error.to_string() }),
        }
    }
}

/// The kind, and each setting with the value that the pool will have, defaults included. No setting of
/// a pool is a secret.
impl fmt::Display for PoolConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kind = {}", self.kind)?;
        let Ok(builder) = self.builder::<NoServer>() else { return Ok(()) };
        for (name, value) in builder.settings() {
            write!(f, ", {name} = {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
