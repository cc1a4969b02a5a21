//! The settings of a connection manager as texts.

mod keys;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::marker::PhantomData;

use super::ConfigError;
use super::entry::{self, Entry, Source};
pub use keys::Configured;
use keys::{Key, Problem, Values};

/// The beginning of a manager's parameters in a URL.
const PREFIX: &str = "db.";

/// The settings of a connection manager: where the database is, who logs in, and for how long to
/// wait. A program reads them when it starts. The rules are those of
/// [`PoolConfig`](crate::PoolConfig), which reads the settings of its pool.
///
/// | setting | MySQL | PostgreSQL | SQLite | written as |
/// |---|---|---|---|---|
/// | `url` | yes | yes | | what `from_url` of the manager takes |
/// | `host`, `port` | yes | yes, also several, separated by commas | | instead of `url` |
/// | `socket` | yes | | | the path of a Unix socket, instead of `url` or `host` and `port`; for PostgreSQL, set `host` to the socket's directory |
/// | `user`, `password`, `database` | yes | yes | | these replace what the URL says |
/// | `connect_timeout`, `read_timeout` | yes | yes | | `30s`, `500ms`, `none` |
/// | `write_timeout` | yes | | | the same |
/// | `init` | yes | yes | | a statement that runs on each new session |
/// | `program_name`, `prefer_socket` | yes | | | a text; `true` or `false` |
/// | `application_name`, `sslmode`, `target_session_attrs` | | yes | | as in a URL, but not together with `url` |
/// | `path`, `memory` | | | yes | the database file, or `memory = true` without `path`, `mode` and `wal` |
/// | `mode` | | | yes | `read_write_create`, `read_write`, `read_only` |
/// | `busy_timeout` | | | yes | `5s` |
/// | `wal` | | | yes | `true` or `false` |
///
/// [`set`](Self::set) refuses an unknown key, and a value that it cannot read. [`build`](Self::build)
/// refuses a missing setting, and two settings that contradict each other. Each error names the key. The
/// errors, `Display`, `Debug` and `Serialize` show no password and no URL.
///
/// A parameter of `url` (SQLite: of `path`) that begins with `db.` is a setting, too:
/// `mysql://app@db.example/shop?db.read_timeout=20s`.
///
/// ```
/// # #[cfg(feature = "mysql")] {
/// use threadwise::MysqlConfig;
///
/// let mut config = MysqlConfig::default();
/// config.set("url", "mysql://app@db.example/shop?db.read_timeout=20s")?;
/// config.set("password", "secret")?;
/// config.set_from_env("SHOP_DB")?; // SHOP_DB_HOST, SHOP_DB_PASSWORD, …
///
/// let manager = config.build()?; // opens nothing yet
/// let text = config.to_string();
/// assert!(text.starts_with("address = db.example:3306, user = app, password = set"), "{text}");
/// assert!(text.contains("read_timeout = 20s"), "{text}");
/// # }
/// # Ok::<(), threadwise::ConfigError>(())
/// ```
///
/// With the feature `serde`, a part of a configuration file becomes a `ManagerConfig`. In TOML:
///
/// ```toml
/// [database]
/// host = "db.example"
/// user = "app"
/// database = "shop"
/// connect_timeout = "2s"
/// ```
///
/// Functions, such as `credentials_from` and a TLS connector, are code: give them to the manager that
/// `build` returns.
pub struct ManagerConfig<M> {
    pub(super) entries: Vec<Entry>,
    manager: PhantomData<fn() -> M>,
}

/// The settings of a `MysqlManager`.
#[cfg(feature = "mysql")]
pub type MysqlConfig = ManagerConfig<crate::mysql::MysqlManager>;

/// The settings of a `PostgresManager`.
#[cfg(feature = "postgres")]
pub type PostgresConfig = ManagerConfig<crate::postgres::PostgresManager>;

/// The settings of a `SqliteManager`.
#[cfg(feature = "sqlite")]
pub type SqliteConfig = ManagerConfig<crate::sqlite::SqliteManager>;

impl<M: Configured> ManagerConfig<M> {
    /// Starts without settings.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// let config = threadwise::SqliteConfig::new();
    /// let error = config.build().unwrap_err();
    /// assert!(error.to_string().starts_with("`path` is missing"), "{error}");
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { entries: Vec::new(), manager: PhantomData }
    }

    /// Sets one entry. The table of [`ManagerConfig`] has the keys. A later entry replaces an earlier
    /// one of the same key.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// # use threadwise::SqliteConfig;
    /// let mut config = SqliteConfig::new();
    /// config.set("path", "shop.db").unwrap();
    /// let error = config.set("busy_timeout", "5").unwrap_err();
    /// assert!(error.to_string().contains("`5s`"), "a unit is missing: {error}");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the key is unknown, or the value cannot be read. `self` then stays as it was.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        self.add([Entry::new(Source::Given, key, value)])
    }

    /// Sets entries from environment variables: `PREFIX_HOST`, `PREFIX_READ_TIMEOUT`. Reads the
    /// environment once. Returns whether it found such a variable.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// # use threadwise::SqliteConfig;
    /// assert!(!SqliteConfig::new().set_from_env("NO_SUCH_PREFIX").unwrap());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`set`](Self::set), with the name of the variable.
    pub fn set_from_env(&mut self, prefix: &str) -> Result<bool, ConfigError> {
        self.set_from_vars(prefix, entry::environment())
    }

    /// Does the same as [`set_from_env`](Self::set_from_env), with variables from the caller.
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

    /// Adds entries, if all of them can be read.
    pub(super) fn add(&mut self, new: impl IntoIterator<Item = Entry>) -> Result<(), ConfigError> {
        let mut changed = self.entries.clone();
        for mut entry in new {
            let (parameters, rest) = match M::URL_KEY == entry.key {
                true => entry::take_parameters(PREFIX, &entry.value),
                false => (Vec::new(), (&*entry.value).into()),
            };
            let rest = rest.into_owned();
            entry.set(rest);
            for mut entry in std::iter::once(entry).chain(parameters) {
                let key = self.check(&entry)?;
                if key.is_secret {
                    entry.hide();
                }
                changed.retain(|earlier: &Entry| earlier.key != entry.key);
                changed.push(entry);
            }
        }
        self.entries = changed;
        Ok(())
    }

    /// Finds the entry's key, and reads its value.
    fn check(&self, entry: &Entry) -> Result<&'static Key, ConfigError> {
        let Some(key) = M::KEYS.iter().find(|key| key.name == entry.key) else {
            let known: Vec<_> = M::KEYS.iter().map(|key| key.name).collect();
            let problem = entry::unknown(&entry.key, &known, M::WHAT, &known.join(", "));
            return Err(entry.error(problem));
        };
        match (key.check)(&entry.value) {
            Ok(()) => Ok(key),
            Err(problem) => Err(entry.error(problem)),
        }
    }

    /// Makes the manager. Opens no connection.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// # use threadwise::{PoolConfig, SqliteConfig};
    /// let mut config = SqliteConfig::new();
    /// config.set("memory", "true").unwrap();
    /// let pool = PoolConfig::default().build(config.build().unwrap()).unwrap();
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If a setting is missing, or two settings contradict each other. The error names one of them.
    pub fn build(&self) -> Result<M, ConfigError> {
        M::build(&Values(&self.entries)).map_err(|Problem { key, problem }| {
            match self.entries.iter().find(|entry| entry.key == key) {
                Some(entry) => entry.error(problem),
                None => Entry::new(Source::Given, key, "").error(problem),
            }
        })
    }
}

impl<M> Clone for ManagerConfig<M> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), manager: PhantomData }
    }
}

impl<M> PartialEq for ManagerConfig<M> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<M: Configured> Default for ManagerConfig<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints the entries, and `***` for each secret.
impl<M> fmt::Debug for ManagerConfig<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|entry| (&entry.key, &entry.value))).finish()
    }
}

/// Prints each setting with the value that the manager will have, defaults included, but no secrets. If
/// `build` fails, prints its error.
impl<M: Configured> fmt::Display for ManagerConfig<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manager = match self.build() {
            Ok(manager) => manager,
            Err(error) => return write!(f, "unusable: {error}"),
        };
        for (index, (name, value)) in manager.settings_as_texts().iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name} = {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
