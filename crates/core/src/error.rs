//! Why a `get` or a `build` failed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::foreign::Panicked;
use crate::{Holder, State, chain};

/// Why [`Pool::get`](crate::Pool::get) gave no connection.
///
/// The text says what happened and what to do. Where the manager's own error is behind it, `source()`
/// returns that error and the text leaves it out: [`chain`] prints both. `Debug`, which a failed
/// `unwrap` shows, prints the whole chain.
#[non_exhaustive]
pub enum GetError<E> {
    /// The deadline passed.
    TimedOut(Box<TimedOut<E>>),
    /// The pool was closed.
    Closed,
    /// `try_get` found no idle connection.
    Exhausted(Box<Exhausted<E>>),
    /// As many threads wait as the `max_waiters` setting allows.
    QueueFull {
        /// The setting.
        max_waiters: usize,
    },
    /// A connection could not be opened, for a reason that waiting does not mend or on a pool that
    /// does not try again.
    ConnectFailed(ConnectError<E>),
    /// This thread already holds its connection (per-thread pool).
    AlreadyBorrowed,
    /// This thread holds a connection, and so do others that wait as it would: nobody could give
    /// one back. (Shared pool, where it was told to look for that.)
    Deadlock {
        /// Who has the connections.
        holders: Vec<Holder>,
    },
    /// The pool does not share connections.
    NotShared,
    /// This thread is ending and has already given up its connection (per-thread pool).
    ThreadEnding,
}

/// How many holders a time-out names in its text: those that have held theirs for longest.
const HOLDERS_SHOWN: usize = 8;

/// A `get` that gave up at its deadline: what it saw.
#[non_exhaustive]
pub struct TimedOut<E> {
    /// How long the `get` waited.
    pub waited: Duration,
    /// The pool when it gave up.
    pub state: State,
    /// Why the last attempt to open a connection failed, if the latest one did. All waiters are
    /// shown the same error.
    pub cause: Option<ConnectError<E>>,
    /// Who had the connections, if the pool was told to record that.
    pub holders: Vec<Holder>,
    /// What to do about a pool that is merely busy, in terms of its own settings.
    pub advice: &'static str,
    /// Where the connections lead, if the manager says that: a host and port, or a path.
    pub address: Option<Box<str>>,
}

impl<E> TimedOut<E> {
    /// Puts a report together; for writers of pools.
    #[must_use]
    pub fn new(
        waited: Duration,
        state: State,
        cause: Option<ConnectError<E>>,
        advice: &'static str,
    ) -> Self {
        Self { waited, state, cause, holders: Vec::new(), advice, address: None }
    }

    /// Adds where the connections lead.
    #[must_use]
    pub fn with_address(mut self, address: Option<Box<str>>) -> Self {
        self.address = address;
        self
    }

    /// Adds who had the connections.
    #[must_use]
    pub fn with_holders(mut self, holders: Vec<Holder>) -> Self {
        self.holders = holders;
        self
    }
}

/// A `try_get` that found no idle connection: what it saw.
#[non_exhaustive]
pub struct Exhausted<E> {
    /// The pool at that moment.
    pub state: State,
    /// Why the last attempt to open a connection failed, if the latest one did: the server may be
    /// down.
    pub cause: Option<ConnectError<E>>,
}

impl<E> Exhausted<E> {
    /// Puts a report together; for writers of pools.
    #[must_use]
    pub fn new(state: State, cause: Option<ConnectError<E>>) -> Self {
        Self { state, cause }
    }
}

/// Why a connection could not be opened or lent. Cheap to clone: all waiters share the error.
#[non_exhaustive]
pub enum ConnectError<E> {
    /// The manager's `connect` returned this error.
    Failed(Arc<E>),
    /// The manager's `connect` panicked with this message.
    Panicked(Arc<str>),
    /// The system refused the pool a thread to connect on.
    Thread(Arc<std::io::Error>),
    /// The `on_connect` hook refused the connection with this error, or panicked.
    Vetoed(Arc<dyn Error + Send + Sync>),
    /// The `on_acquire` hook refused the connection with this error, or panicked.
    AcquireVetoed(Arc<dyn Error + Send + Sync>),
    /// The manager's `connect` succeeded, and its `has_broken` says at once that the connection is
    /// broken.
    Broken,
    /// The pool opens no connection now, for this reason: it is closed, or suspended.
    Unavailable(&'static str),
}

impl<E> ConnectError<E> {
    /// Wraps what `connect` returned.
    pub fn failed(error: E) -> Self {
        Self::Failed(Arc::new(error))
    }

    /// Wraps what `connect` panicked with.
    #[must_use]
    pub fn panicked(panicked: &Panicked) -> Self {
        Self::Panicked(panicked.message().into())
    }

    /// The manager's error, if it is one.
    #[must_use]
    pub fn error(&self) -> Option<&E> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}

/// Why `build()` made no pool.
#[non_exhaustive]
pub enum BuildError<E> {
    /// A setting makes no sense.
    Setting {
        /// Its name, as the builder's method is called.
        name: &'static str,
        /// What is wrong with its value, and what it may be.
        problem: String,
    },
    /// The first connections could not be opened.
    ConnectFailed(ConnectError<E>),
    /// The first connections were not open in time; the manager's `connect` has not returned.
    TimedOut {
        /// How long `build` waited.
        waited: Duration,
        /// Where the connection was to lead, if the manager says that.
        address: Option<Box<str>>,
    },
    /// The system refused a thread.
    Thread(std::io::Error),
}

impl<E> BuildError<E> {
    /// A setting makes no sense; for writers of pools.
    pub fn setting(name: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { name, problem: problem.into() }
    }
}

// By hand, since derived ones would ask for `E: Clone`.
impl<E> Clone for ConnectError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::Panicked(message) => Self::Panicked(Arc::clone(message)),
            Self::Thread(error) => Self::Thread(Arc::clone(error)),
            Self::Vetoed(error) => Self::Vetoed(Arc::clone(error)),
            Self::AcquireVetoed(error) => Self::AcquireVetoed(Arc::clone(error)),
            Self::Broken => Self::Broken,
            Self::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

/// What is said of a failed attempt to connect after "cannot open a connection". The manager's error
/// is the `source` of whatever says this, so its text is left to that.
fn write_failure<E>(f: &mut fmt::Formatter<'_>, failure: &ConnectError<E>) -> fmt::Result {
    match failure {
        ConnectError::Failed(_) => Ok(()),
        other => write!(f, ": {}", Reason(other)),
    }
}

/// Why a connection could not be opened, without the error behind that.
struct Reason<'e, E>(&'e ConnectError<E>);

impl<E> fmt::Display for Reason<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ConnectError::Failed(_) => f.write_str("the manager could not connect"),
            ConnectError::Panicked(message) => {
                write!(f, "the manager's `connect` panicked: {message}")
            }
            ConnectError::Thread(_) => {
                f.write_str("the system refuses a thread to connect on: raise the limit of threads")
            }
            ConnectError::Vetoed(_) => f.write_str("the `on_connect` hook refused it"),
            ConnectError::AcquireVetoed(_) => f.write_str("the `on_acquire` hook refused it"),
            ConnectError::Broken => {
                f.write_str("the manager says that it is broken, as soon as it is open")
            }
            ConnectError::Unavailable(reason) => f.write_str(reason),
        }
    }
}

impl<E: fmt::Display> fmt::Display for ConnectError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            other => Reason(other).fmt(f),
        }
    }
}

impl<E> fmt::Display for TimedOut<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waited, state, cause, holders, advice, address } = self;
        f.write_str("no connection")?;
        if let Some(address) = address {
            write!(f, " to {address}")?;
        }
        write!(f, " within {waited:.1?}: {state}; ")?;
        match cause {
            _ if state.suspended => f.write_str("the pool is suspended: call `resume`"),
            Some(ConnectError::AcquireVetoed(_)) => {
                f.write_str("the `on_acquire` hook refused the last connection")
            }
            Some(cause) => {
                f.write_str("the last attempt to open a connection failed")?;
                write_failure(f, cause)
            }
            None if state.connecting > 0 => f.write_str(
                "the server has not answered the attempt to open a connection: see its load and \
                 the manager's connect time-out",
            ),
            None => f.write_str(advice),
        }?;
        let mut holders = holders.iter().take(HOLDERS_SHOWN);
        holders.try_for_each(|holder| write!(f, "; {holder}"))
    }
}

impl<E> fmt::Display for Exhausted<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, cause } = self;
        write!(f, "no connection is free: {state}; ")?;
        match cause {
            _ if state.suspended => f.write_str("the pool is suspended: call `resume`"),
            Some(cause) => {
                f.write_str("the last attempt to open a connection failed")?;
                write_failure(f, cause)
            }
            None => f.write_str("call `get` to wait for one"),
        }
    }
}

impl<E> fmt::Display for GetError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(timed_out) => timed_out.fmt(f),
            Self::Closed => f.write_str("the pool is closed"),
            Self::Exhausted(exhausted) => exhausted.fmt(f),
            Self::QueueFull { max_waiters: 0 } => f.write_str(
                "no connection is free, and `max_waiters` is 0, so the caller may not wait for \
                 one: try again later, or raise `max_waiters`",
            ),
            Self::QueueFull { max_waiters } => write!(
                f,
                "no connection is free, and as many threads wait for one as `max_waiters` allows \
                 ({max_waiters}): try again later, or raise `max_waiters`"
            ),
            Self::ConnectFailed(ConnectError::AcquireVetoed(_)) => {
                f.write_str("cannot lend a connection: the `on_acquire` hook refused it")
            }
            Self::ConnectFailed(error) => {
                f.write_str("cannot open a connection")?;
                write_failure(f, error)
            }
            Self::AlreadyBorrowed => f.write_str(
                "this thread already holds its connection: drop the guard before the next `get`, \
                 or pass the guard on",
            ),
            Self::Deadlock { holders } => {
                f.write_str(
                    "deadlock: every thread that holds a connection waits for another one:",
                )?;
                holders.iter().try_for_each(|holder| write!(f, " {holder};"))?;
                f.write_str(" borrow one connection at a time on each thread, or raise `max_size`")
            }
            Self::NotShared => {
                f.write_str("the pool does not share connections: set `max_sharing`, or use `get`")
            }
            Self::ThreadEnding => f.write_str(
                "this thread is ending and its connection is closed already: do not use the pool \
                 in the destructor of a thread-local value",
            ),
        }
    }
}

impl<E> fmt::Display for BuildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { name, problem } => write!(f, "setting `{name}`: {problem}"),
            Self::ConnectFailed(error) => {
                f.write_str("cannot open the first connection")?;
                write_failure(f, error)
            }
            Self::TimedOut { waited, address } => {
                f.write_str("the first connection")?;
                if let Some(address) = address {
                    write!(f, " to {address}")?;
                }
                write!(
                    f,
                    " was not open within {waited:.1?}: see the server's load and the manager's \
                     connect time-out, or raise `get_timeout`"
                )
            }
            Self::Thread(_) => f.write_str("cannot start a thread of the pool"),
        }
    }
}

impl<E: Error + 'static> ConnectError<E> {
    /// The error behind this one: the manager's, the system's or a hook's. What names this one as
    /// its reason has it as its `source`.
    fn behind(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            Self::Thread(error) => Some(&**error),
            Self::Vetoed(error) | Self::AcquireVetoed(error) => Some(&**error),
            Self::Panicked(_) | Self::Broken | Self::Unavailable(_) => None,
        }
    }
}

// The manager's error speaks for itself: a failed `connect` has its text and its source.
impl<E: Error + 'static> Error for ConnectError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            other => other.behind(),
        }
    }
}

impl<E: Error + 'static> Error for GetError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TimedOut(timed_out) => timed_out.cause.as_ref()?.behind(),
            Self::Exhausted(exhausted) => exhausted.cause.as_ref()?.behind(),
            Self::ConnectFailed(error) => error.behind(),
            _ => None,
        }
    }
}

impl<E: Error + 'static> Error for BuildError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ConnectFailed(error) => error.behind(),
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: Error + 'static> fmt::Debug for TimedOut<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedOut")
            .field("address", &self.address)
            .field("waited", &self.waited)
            .field("state", &self.state)
            .field("cause", &self.cause)
            .field("holders", &self.holders)
            .field("advice", &self.advice)
            .finish()
    }
}

impl<E: Error + 'static> fmt::Debug for Exhausted<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, cause } = self;
        f.debug_struct("Exhausted").field("state", state).field("cause", cause).finish()
    }
}

/// Gives an error type the `Debug` that a failed test or an `unwrap` shows: the variant's name, then
/// what `Display` says, then each cause.
macro_rules! readable_debug {
    ($error:ident, $($pattern:pat => $name:literal),* $(,)?) => {
        impl<E: Error + 'static> fmt::Debug for $error<E> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let name = match self {
                    $($pattern => $name,)*
                };
                write!(f, "{name}({})", chain(self))
            }
        }
    };
}

readable_debug!(ConnectError,
    Self::Failed(_) => "Failed",
    Self::Panicked(_) => "Panicked",
    Self::Thread(_) => "Thread",
    Self::Vetoed(_) => "Vetoed",
    Self::AcquireVetoed(_) => "AcquireVetoed",
    Self::Broken => "Broken",
    Self::Unavailable(_) => "Unavailable",
);
readable_debug!(GetError,
    Self::TimedOut(_) => "TimedOut",
    Self::Closed => "Closed",
    Self::Exhausted(_) => "Exhausted",
    Self::QueueFull { .. } => "QueueFull",
    Self::ConnectFailed(_) => "ConnectFailed",
    Self::AlreadyBorrowed => "AlreadyBorrowed",
    Self::Deadlock { .. } => "Deadlock",
    Self::NotShared => "NotShared",
    Self::ThreadEnding => "ThreadEnding",
);
readable_debug!(BuildError,
    Self::Setting { .. } => "Setting",
    Self::ConnectFailed(_) => "ConnectFailed",
    Self::TimedOut { .. } => "TimedOut",
    Self::Thread(_) => "Thread",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> std::io::Error {
        std::io::ErrorKind::ConnectionRefused.into()
    }

    #[test]
    fn a_time_out_names_the_pools_state_and_what_to_do() {
        let state =
            State { max_size: Some(2), open: 2, borrowed: 2, waiting: 1, ..State::default() };
        let error: GetError<std::io::Error> = GetError::TimedOut(Box::new(TimedOut::new(
            Duration::from_millis(1500),
            state,
            None,
            "be quick",
        )));
        assert_eq!(
            error.to_string(),
            "no connection within 1.5s: 2 open of 2 (2 borrowed, 0 idle), 0 connecting, 1 waiting; \
             be quick"
        );
        assert!(error.source().is_none());
    }

    #[test]
    fn a_time_out_behind_a_failing_connect_keeps_the_managers_error_as_its_source() {
        let cause = Some(ConnectError::failed(refused()));
        let timed_out = TimedOut::new(Duration::ZERO, State::default(), cause, "");
        let error = GetError::TimedOut(Box::new(timed_out));
        assert!(!error.to_string().contains(&refused().to_string()), "{error}");
        assert!(chain(&error).to_string().ends_with(&refused().to_string()), "{error:?}");
        let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::ConnectionRefused));
    }

    #[test]
    fn a_clone_shares_the_managers_error() {
        let ConnectError::Failed(one) = ConnectError::failed(refused()) else { unreachable!() };
        let error = ConnectError::Failed(Arc::clone(&one));
        let ConnectError::Failed(other) = error.clone() else { unreachable!() };
        assert!(Arc::ptr_eq(&one, &other));
    }

    /// Each error with each cause, as a user may meet it.
    fn all() -> Vec<Box<dyn Error>> {
        type Failure = ConnectError<std::io::Error>;
        let hook = || Arc::from(Box::<dyn Error + Send + Sync>::from("maintenance"));
        let causes: [fn() -> Failure; 3] = [
            || ConnectError::failed(refused()),
            || ConnectError::Thread(Arc::new(refused())),
            || ConnectError::Broken,
        ];
        let hooks = [ConnectError::Vetoed(hook()), ConnectError::AcquireVetoed(hook())];
        let mut all: Vec<Box<dyn Error>> = Vec::new();
        for cause in causes.into_iter().map(|cause| cause()).chain(hooks) {
            let state = State::default;
            let timed_out = TimedOut::new(Duration::ZERO, state(), Some(cause.clone()), "");
            let exhausted = Exhausted::new(state(), Some(cause.clone()));
            all.push(Box::new(GetError::TimedOut(Box::new(timed_out))));
            all.push(Box::new(GetError::Exhausted(Box::new(exhausted))));
            all.push(Box::new(GetError::ConnectFailed(cause.clone())));
            all.push(Box::new(BuildError::ConnectFailed(cause.clone())));
            all.push(Box::new(cause));
        }
        all.push(Box::new(BuildError::<std::io::Error>::Thread(refused())));
        all
    }

    #[test]
    fn an_errors_text_leaves_its_source_out_and_its_debug_prints_the_chain() {
        for error in all() {
            let text = error.to_string();
            if let Some(source) = error.source() {
                let source = source.to_string();
                assert!(!text.contains(&source), "{text}");
                assert_eq!(format!("{error:?}").matches(&source).count(), 1, "{error:?}");
            }
        }
    }

    #[test]
    fn a_time_out_names_the_address() {
        let timed_out = TimedOut::new(Duration::ZERO, State::default(), None, "be quick");
        let timed_out = timed_out.with_address(Some("db:3306".into()));
        let error: GetError<std::io::Error> = GetError::TimedOut(Box::new(timed_out));
        assert!(
            error.to_string().starts_with("no connection to db:3306 within 0.0ns: "),
            "{error}"
        );
    }

    #[test]
    fn an_unwrap_shows_which_error_it_was_and_why() {
        let error = GetError::ConnectFailed(ConnectError::failed(refused()));
        assert_eq!(
            format!("{error:?}"),
            "ConnectFailed(cannot open a connection: connection refused)"
        );
    }
}
