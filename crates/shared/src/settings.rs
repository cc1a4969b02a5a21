//! The builder's settings as plain values with their defaults, and the check of these values.

use std::time::Duration;

use threadwise_core::parts::{Lifecycle, Patience, Policies, Setting};
use threadwise_core::{Clock, ManageConnection};

use crate::slots::MAX_SIZE;

/// The settings of one pool, without the policies that its `Lifecycle` applies.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) get_timeout: Patience,
    pub(crate) fair_after: Duration,
    pub(crate) max_sharing: usize,
    pub(crate) ages: Ages,
    pub(crate) connect_backoff: ConnectBackoff,
    pub(crate) connect_patience: Duration,
    pub(crate) per_use: PerUse,
    pub(crate) clock: Clock,
}

/// The limits for the decision to open a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_size: usize,
    pub(crate) min_idle: usize,
    pub(crate) max_waiters: Option<usize>,
    pub(crate) connect_concurrency: usize,
}

/// The times after which the housekeeper acts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    pub(crate) max_lifetime: Option<Duration>,
    /// The largest part of `max_lifetime` by which a connection's lifetime may be shorter.
    pub(crate) lifetime_jitter: f64,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) leak_threshold: Option<Duration>,
}

/// How long a dialer pauses after failures: `first`, then twice as long each time, up to `longest`,
/// and up to a quarter less at random.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectBackoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

/// The settings that need work at each use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerUse {
    /// Whether each use takes the slow path. [`derive_per_use`](Settings::derive_per_use) sets it.
    pub(crate) watches_uses: bool,
    /// Whether the pool emits an event at each use. [`derive_per_use`](Settings::derive_per_use)
    /// sets it.
    pub(crate) emits_uses: bool,
    /// Whether the pool records which thread holds which connection.
    pub(crate) records_holders: bool,
    /// Whether that record includes a backtrace. [`derive_per_use`](Settings::derive_per_use) sets
    /// it.
    pub(crate) records_backtraces: bool,
    pub(crate) max_uses: Option<u64>,
    pub(crate) max_idle: Option<usize>,
    pub(crate) nested_get: NestedGet,
    pub(crate) slow_get: Option<Duration>,
}

/// What the pool does about a deadlock: every thread that holds a connection waits for another one,
/// so that none comes back.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NestedGet {
    /// The pool does not look for deadlocks. The `get`s time out.
    #[default]
    Off,
    /// The pool reports it to its events, which log it by default.
    Warn,
    /// The pool reports it, and the `get` fails at once with
    /// [`GetError::Deadlock`](crate::GetError::Deadlock), so that the other threads go on.
    Error,
}

impl From<NestedGet> for Setting {
    fn from(nested_get: NestedGet) -> Self {
        Self::Word(match nested_get {
            NestedGet::Off => "off",
            NestedGet::Warn => "warn",
            NestedGet::Error => "error",
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits { max_size: 10, min_idle: 0, max_waiters: None, connect_concurrency: 4 },
            get_timeout: Patience::new(Some(Duration::from_secs(30))),
            fair_after: Duration::from_millis(1),
            max_sharing: 0,
            ages: Ages {
                max_lifetime: Some(Duration::from_secs(30 * 60)),
                lifetime_jitter: 0.25,
                idle_timeout: Some(Duration::from_secs(10 * 60)),
                keepalive: Some(Duration::from_secs(2 * 60)),
                leak_threshold: None,
            },
            connect_backoff: ConnectBackoff {
                first: Duration::from_millis(10),
                longest: Duration::from_secs(5),
            },
            connect_patience: Duration::from_secs(3),
            per_use: PerUse {
                watches_uses: false,
                emits_uses: false,
                records_holders: false,
                records_backtraces: false,
                max_uses: None,
                max_idle: None,
                nested_get: NestedGet::Off,
                slow_get: None,
            },
            clock: Clock::SYSTEM,
        }
    }
}

impl Settings {
    /// Sets the values that follow from other settings.
    pub(crate) fn derive_per_use<M: ManageConnection>(&mut self, lifecycle: &Lifecycle<M>) {
        let policies = lifecycle.policies();
        let per_use = &mut self.per_use;
        per_use.records_backtraces = self.ages.leak_threshold.is_some();
        per_use.records_holders |=
            per_use.records_backtraces || per_use.nested_get != NestedGet::Off;
        per_use.emits_uses = policies.observer.watches_uses();
        per_use.watches_uses = policies.watch_uses()
            || lifecycle.makes_quick_checks()
            || per_use.records_holders
            || per_use.max_uses.is_some()
            || per_use.max_idle.is_some();
    }

    /// Checks that the settings make sense.
    ///
    /// # Errors
    ///
    /// The name of the first setting that does not, and what is wrong with its value.
    pub(crate) fn check<C>(&self, policies: &Policies<C>) -> Result<(), (&'static str, String)> {
        let Limits { min_idle, connect_concurrency, .. } = self.limits;
        check_max_size(self.limits.max_size, 0)?;
        if min_idle > self.limits.max_size {
            let max_size = self.limits.max_size;
            let problem = format!("is {min_idle}; must be at most `max_size`, which is {max_size}");
            return Err(("min_idle", problem));
        }
        if let Some(max_idle) = self.per_use.max_idle
            && max_idle < min_idle
        {
            let problem =
                format!("is {max_idle}; must be at least `min_idle`, which is {min_idle}");
            return Err(("max_idle", problem));
        }
        if connect_concurrency == 0 {
            let problem = "is 0, so no connection could be opened; must be at least 1";
            return Err(("connect_concurrency", problem.into()));
        }
        let ConnectBackoff { first, longest } = self.connect_backoff;
        if first.is_zero() || first > longest {
            let problem = format!(
                "is {first:?} to {longest:?}; the first pause must be longer than zero and at most \
                 as long as the longest"
            );
            return Err(("connect_backoff", problem));
        }
        if self.connect_patience.is_zero() {
            return Err(("connect_patience", "is zero; must be longer".into()));
        }
        check_not_zero("max_lifetime", self.ages.max_lifetime, NO_LIMIT)?;
        check_not_zero("idle_timeout", self.ages.idle_timeout, NO_LIMIT)?;
        check_not_zero("keepalive", self.ages.keepalive, SWITCHED_OFF)?;
        check_not_zero("leak_threshold", self.ages.leak_threshold, SWITCHED_OFF)?;
        check_not_zero("validation_timeout", policies.validation_timeout, NO_LIMIT)?;
        if !(0.0..=1.0).contains(&self.ages.lifetime_jitter) {
            let problem = format!("is {}; must be from 0 to 1", self.ages.lifetime_jitter);
            return Err(("lifetime_jitter", problem));
        }
        if self.per_use.max_uses == Some(0) {
            let problem = "is 0, so no connection could be used; must be at least 1, or `None` for \
                           no limit";
            return Err(("max_uses", problem.into()));
        }
        if policies.name.as_ref().is_some_and(|name| name.contains('\0')) {
            let problem = "contains a NUL character, which a thread's name must not contain";
            return Err(("name", problem.into()));
        }
        Ok(())
    }
}

const NO_LIMIT: &str = "is zero; must be longer, or `None` for no limit";
const SWITCHED_OFF: &str = "is zero; must be longer, or `None` to switch it off";

fn check_not_zero(
    name: &'static str,
    time: Option<Duration>,
    problem: &str,
) -> Result<(), (&'static str, String)> {
    if time == Some(Duration::ZERO) { Err((name, problem.into())) } else { Ok(()) }
}

/// Checks a `max_size` that must be at least `min_idle`.
pub(crate) fn check_max_size(
    max_size: usize,
    min_idle: usize,
) -> Result<(), (&'static str, String)> {
    let problem = if max_size < min_idle {
        format!("is {max_size}; must be at least `min_idle`, which is {min_idle}")
    } else if max_size == 0 {
        "is 0; must be at least 1".into()
    } else if max_size > MAX_SIZE {
        format!("is {max_size}; must be at most {MAX_SIZE}")
    } else {
        return Ok(());
    };
    Err(("max_size", problem))
}
