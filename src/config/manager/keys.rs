//! The settings that a manager reads from texts.

use crate::config::entry::Entry;
use crate::config::value::Read;

/// A connection manager whose settings [`ManagerConfig`](crate::ManagerConfig) can read from texts. Only the
/// managers of this project implement it.
pub trait Configured: Keys {}

impl<M: Keys> Configured for M {}

/// The keys of a manager. Not public: only this crate knows managers by their keys.
pub trait Keys: Sized {
    /// The name of the manager, for messages.
    const WHAT: &'static str;
    /// The key whose value is a URL, with parameters.
    const URL_KEY: &'static str;
    const KEYS: &'static [Key];

    /// Makes the manager. Each value has been read once.
    fn build(values: &Values<'_>) -> Result<Self, Problem>;

    /// All settings with their values, without secrets.
    fn settings_as_texts(&self) -> Vec<(&'static str, String)>;
}

/// A setting.
#[derive(Debug)]
pub struct Key {
    pub(in crate::config) name: &'static str,
    /// Whether a value can be read.
    pub(in crate::config) check: fn(&str) -> Read<()>,
    pub(in crate::config) is_secret: bool,
}

impl Key {
    pub(in crate::config) const fn new(name: &'static str, check: fn(&str) -> Read<()>) -> Self {
        Self { name, check, is_secret: false }
    }

    /// Makes a key whose value no message shows.
    pub(in crate::config) const fn secret(name: &'static str, check: fn(&str) -> Read<()>) -> Self {
        Self { name, check, is_secret: true }
    }
}

/// A problem of one setting together with the others.
#[derive(Debug)]
pub struct Problem {
    pub(in crate::config) key: &'static str,
    pub(in crate::config) problem: String,
}

/// The values that are set.
#[derive(Debug)]
pub struct Values<'e>(pub(in crate::config) &'e [Entry]);

impl<'e> Values<'e> {
    pub(in crate::config) fn get(&self, key: &str) -> Option<&'e str> {
        self.0.iter().find(|entry| entry.key == key).map(|entry| &*entry.value)
    }

    /// Returns the value of `key`, if it is set.
    pub(in crate::config) fn read<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Read<T>,
    ) -> Result<Option<T>, Problem> {
        self.get(key).map(read).transpose().map_err(|problem| Problem { key, problem })
    }

    /// Fails if `key` is set beside one of `others`.
    pub(in crate::config) fn exclude(
        &self,
        key: &'static str,
        others: &[&'static str],
    ) -> Result<(), Problem> {
        let is_set = |other: &&&'static str| self.get(other).is_some();
        match others.iter().find(is_set) {
            Some(other) if self.get(key).is_some() => {
                let problem = format!("contradicts `{key}`; set only one of them");
                Err(Problem { key: other, problem })
            }
            _ => Ok(()),
        }
    }
}

/// Describes the problem that a required setting is missing.
pub(in crate::config) fn missing(key: &'static str, instead: &str) -> Problem {
    Problem { key, problem: format!("is missing; set it, or {instead}") }
}
