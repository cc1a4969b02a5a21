//! The error of a setting.

use std::fmt;

/// A setting of a [`PoolConfig`](crate::PoolConfig) or of a manager's configuration, such as
/// `MysqlConfig`, that is missing or wrong. The message says where the setting comes from and what is wrong
/// with it.
///
/// ```
/// # use threadwise::PoolConfig;
/// let error = PoolConfig::default().set("max_size", "many").unwrap_err();
/// assert_eq!(error.key(), "max_size");
/// assert_eq!(error.to_string(), "`max_size` is \"many\"; must be a whole number, such as `8`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub(super) key: String,
    /// The key, and where it comes from, for the message.
    pub(super) place: String,
    pub(super) problem: String,
}

impl ConfigError {
    /// Returns the key, without the prefix of a variable or a parameter.
    ///
    /// ```
    /// # use threadwise::PoolConfig;
    /// let url = "app.db?pool.fair_aftr=1ms";
    /// let error = PoolConfig::default().take_from_url(url).unwrap_err();
    /// assert_eq!(error.key(), "fair_aftr");
    /// ```
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.problem)
    }
}

impl std::error::Error for ConfigError {}
