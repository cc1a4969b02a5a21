//! One setting: its key, its value, and where it stands.

use threadwise_core::ManageConnection;

use super::ConfigError;
use super::value::{self, Read};
use crate::any_pool::{AnyBuilder, Builders};
use crate::pool_kind::PoolKind;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    source: Source,
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// The program or a configuration file gave it.
    Given,
    /// An environment variable of this name.
    Variable(String),
    /// A parameter of a URL.
    Parameter,
}

/// The keys of all kinds.
const COMMON: [&str; 6] =
    ["name", "max_size", "get_timeout", "validation", "validation_timeout", "reset"];
const SHARED: [&str; 15] = [
    "min_idle",
    "max_idle",
    "max_sharing",
    "max_waiters",
    "fair_after",
    "connect_concurrency",
    "connect_backoff",
    "connect_patience",
    "lifetime_jitter",
    "keepalive",
    "leak_threshold",
    "trace_holders",
    "nested_get",
    "slow_get",
    "kind",
];
const SHARED_AND_PERSISTENT: [&str; 3] = ["max_lifetime", "idle_timeout", "max_uses"];
const PERSISTENT: [&str; 2] = ["max_threads", "max_overflow"];
const QUEUE: [&str; 1] = ["size"];

/// A builder after an entry was applied to it; `None` if it has no such setting.
type Applied<B> = Read<Option<B>>;

impl Entry {
    pub(super) fn new(source: Source, key: &str, value: &str) -> Self {
        Self { source, key: key.to_owned(), value: value.to_owned() }
    }

    /// An entry from a URL's parameter `pool.key=value`.
    pub(super) fn of_parameter(pair: &str) -> Self {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = key.strip_prefix("pool.").unwrap_or(key);
        Self::new(Source::Parameter, key, &decoded(value))
    }

    /// Whether this entry sets what `other` sets.
    pub(super) fn is_same_setting(&self, other: &Self) -> bool {
        let name = |entry: &Self| match &*entry.key {
            "size" | "max_threads" => "max_size".to_owned(),
            key => key.to_owned(),
        };
        name(self) == name(other)
    }

    pub(super) fn error(&self, problem: String) -> ConfigError {
        let place = match &self.source {
            Source::Given => format!("`{}`", self.key),
            Source::Variable(name) => format!("the environment variable `{name}`"),
            Source::Parameter => format!("the parameter `pool.{}` of the URL", self.key),
        };
        ConfigError { key: self.key.clone(), place, problem }
    }

    /// Sets the value in the builder of this kind.
    pub(super) fn apply<M: ManageConnection>(
        &self,
        kind: PoolKind,
        builder: AnyBuilder<M>,
    ) -> Result<AnyBuilder<M>, ConfigError> {
        let applied = match builder.0 {
            #[cfg(feature = "shared")]
            Builders::Shared(builder) => {
                self.apply_shared(builder).map(|applied| applied.map(Builders::Shared))
            }
            #[cfg(feature = "persistent")]
            Builders::Persistent(builder) => {
                self.apply_persistent(builder).map(|applied| applied.map(Builders::Persistent))
            }
            #[cfg(feature = "queue")]
            Builders::Queue(builder) => {
                self.apply_queue(builder).map(|applied| applied.map(Builders::Queue))
            }
        };
        match applied {
            Ok(Some(builder)) => Ok(AnyBuilder(builder)),
            Ok(None) => Err(self.error(self.unknown(kind))),
            Err(problem) => Err(self.error(problem)),
        }
    }

    /// The problem with a key that a kind does not have.
    fn unknown(&self, kind: PoolKind) -> String {
        let all = [&COMMON[..], &SHARED, &SHARED_AND_PERSISTENT, &PERSISTENT, &QUEUE].concat();
        if all.contains(&&*self.key) {
            return format!("is no setting of a {kind} pool");
        }
        let plain = |key: &str| key.to_ascii_lowercase().replace(['-', '.'], "_");
        let near = |known: &&&str| strsim::jaro_winkler(&plain(&self.key), known);
        let nearest = all.iter().max_by(|one, other| near(one).total_cmp(&near(other)));
        match nearest.filter(|known| near(known) > 0.85) {
            Some(known) => format!("is no setting of a pool; did you mean `{known}`?"),
            None => "is no setting of a pool; the settings are the methods of the builder".into(),
        }
    }
}

/// The settings that all kinds have, under the same names.
macro_rules! common {
    ($entry:expr, $builder:expr) => {
        match &*$entry.key {
            "name" => $builder.name($entry.value.clone()),
            "get_timeout" => $builder.get_timeout(value::time_or_none(&$entry.value)?),
            "validation" => $builder.validation(value::validation(&$entry.value)?),
            "validation_timeout" => {
                $builder.validation_timeout(value::time_or_none(&$entry.value)?)
            }
            "reset" => $builder.reset(value::reset(&$entry.value)?),
            _ => return Ok(None),
        }
    };
}

impl Entry {
    #[cfg(feature = "shared")]
    fn apply_shared<M: ManageConnection>(
        &self,
        builder: crate::shared::Builder<M>,
    ) -> Applied<crate::shared::Builder<M>> {
        let text = &*self.value;
        Ok(Some(match &*self.key {
            "max_size" => builder.max_size(value::number(text)?),
            "min_idle" => builder.min_idle(value::number(text)?),
            "max_idle" => builder.max_idle(value::number_or_none(text)?),
            "max_sharing" => builder.max_sharing(value::number(text)?),
            "max_waiters" => builder.max_waiters(value::number_or_none(text)?),
            "fair_after" => builder.fair_after(value::time(text)?),
            "connect_concurrency" => builder.connect_concurrency(value::number(text)?),
            "connect_backoff" => {
                let (first, longest) = value::two_times(text)?;
                builder.connect_backoff(first, longest)
            }
            "connect_patience" => builder.connect_patience(value::time(text)?),
            "max_lifetime" => builder.max_lifetime(value::time_or_none(text)?),
            "lifetime_jitter" => builder.lifetime_jitter(value::fraction(text)?),
            "idle_timeout" => builder.idle_timeout(value::time_or_none(text)?),
            "keepalive" => builder.keepalive(value::time_or_none(text)?),
            "max_uses" => builder.max_uses(value::number_or_none(text)?),
            "leak_threshold" => builder.leak_threshold(value::time_or_none(text)?),
            "trace_holders" => builder.trace_holders(value::flag(text)?),
            "nested_get" => builder.nested_get(value::nested_get(text)?),
            "slow_get" => builder.slow_get(value::time_or_none(text)?),
            _ => common!(self, builder),
        }))
    }

    #[cfg(feature = "persistent")]
    fn apply_persistent<M: ManageConnection>(
        &self,
        builder: crate::persistent::Builder<M>,
    ) -> Applied<crate::persistent::Builder<M>> {
        let text = &*self.value;
        Ok(Some(match &*self.key {
            "max_size" | "max_threads" => builder.max_threads(value::number_or_none(text)?),
            "max_overflow" => builder.max_overflow(value::number(text)?),
            "max_lifetime" => builder.max_lifetime(value::time_or_none(text)?),
            "idle_timeout" => builder.idle_timeout(value::time_or_none(text)?),
            "max_uses" => builder.max_uses(value::number_or_none(text)?),
            _ => common!(self, builder),
        }))
    }

    #[cfg(feature = "queue")]
    fn apply_queue<M: ManageConnection>(
        &self,
        builder: crate::queue::Builder<M>,
    ) -> Applied<crate::queue::Builder<M>> {
        Ok(Some(match &*self.key {
            "max_size" | "size" => builder.size(value::number(&self.value)?),
            _ => common!(self, builder),
        }))
    }
}

/// Decodes `%41` and `+`. What is no valid escape stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(escaped)) => {
                decoded.push(escaped);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
