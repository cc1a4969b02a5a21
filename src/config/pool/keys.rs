//! The settings of each kind of pool, and how an entry sets one of them.

use threadwise_core::ManageConnection;

use crate::any_pool::{AnyBuilder, Builders};
use crate::config::ConfigError;
use crate::config::entry::{self, Entry};
use crate::config::value::{self, Read};
use crate::pool_kind::PoolKind;

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
    /// Whether this entry sets what `other` sets.
    pub(in crate::config) fn is_same_setting(&self, other: &Self) -> bool {
        let name = |entry: &Self| match &*entry.key {
            "size" | "max_threads" => "max_size".to_owned(),
            key => key.to_owned(),
        };
        name(self) == name(other)
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
        entry::unknown(&self.key, &all, "a pool", "the methods of the builder")
    }
}

/// The settings that all kinds have, under the same names.
macro_rules! common {
    ($entry:expr, $builder:expr) => {
        match &*$entry.key {
            "name" => $builder.name($entry.value.to_string()),
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
