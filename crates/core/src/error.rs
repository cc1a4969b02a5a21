//! Why a `get` or a `build` failed.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Holder, State};

/// Why [`Pool::get`](crate::Pool::get) gave no connection.
///
/// The text says what happened and what to do. Where the manager's own error is behind it, the
/// text ends in that error's text and `source()` returns it.
#[non_exhaustive]
#[derive(Debug)]
pub enum GetError<E> {
    /// The deadline passed.
    TimedOut(Box<TimedOut<E>>),
    /// The pool was closed.
    Closed,
    /// `try_get` found no idle connection.
    Exhausted(Box<State>),
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
#[derive(Debug)]
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
        Self { waited, state, cause, holders: Vec::new(), advice }
    }

    /// Adds who had the connections.
    #[must_use]
    pub fn with_holders(mut self, holders: Vec<Holder>) -> Self {
        self.holders = holders;
        self
    }
}

/// Why a connection could not be opened. Cheap to clone: all who waited for it share it.
#[non_exhaustive]
#[derive(Debug)]
pub enum ConnectError<E> {
    /// The manager's `connect` returned this error.
    Failed(Arc<E>),
    /// The manager's `connect` panicked with this message.
    Panicked(Arc<str>),
    /// The system refused the pool a thread to connect on.
    Thread(Arc<std::io::Error>),
    /// The `on_connect` hook refused the connection with this error, or panicked.
    Vetoed(Arc<dyn Error + Send + Sync>),
}

impl<E> ConnectError<E> {
    /// Wraps what `connect` returned.
    pub fn failed(error: E) -> Self {
        Self::Failed(Arc::new(error))
    }

    /// Wraps what `connect` panicked with: its message, where it was a text.
    #[must_use]
    pub fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self::Panicked(message_of(payload).into())
    }

    /// Wraps what the `on_connect` hook panicked with.
    #[must_use]
    pub fn hook_panicked(payload: &(dyn Any + Send)) -> Self {
        Self::Vetoed(Arc::from(Box::<dyn Error + Send + Sync>::from(message_of(payload))))
    }

    /// The manager's error, if it is one.
    #[must_use]
    pub fn error(&self) -> Option<&E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Panicked(_) | Self::Thread(_) | Self::Vetoed(_) => None,
        }
    }
}

/// A panic's message, where it was a text.
fn message_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

/// Why `build()` made no pool.
#[non_exhaustive]
#[derive(Debug)]
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
        }
    }
}

impl<E: fmt::Display> fmt::Display for ConnectError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(message) => write!(f, "the manager's `connect` panicked: {message}"),
            Self::Thread(error) => write!(f, "no thread to connect on: {error}"),
            Self::Vetoed(error) => write!(f, "the `on_connect` hook refused it: {error}"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for TimedOut<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waited, state, cause, holders, advice } = self;
        write!(f, "no connection within {waited:.1?}: {state}; ")?;
        match cause {
            _ if state.suspended => f.write_str("it was suspended, and nobody called `resume`"),
            Some(cause) => write!(f, "the last attempt to open one failed: {cause}"),
            None if state.connecting > 0 => f.write_str(
                "the server has not answered the attempt to open one: see its load and the \
                 manager's connect time-out",
            ),
            None => f.write_str(advice),
        }?;
        let mut holders = holders.iter().take(HOLDERS_SHOWN);
        holders.try_for_each(|holder| write!(f, "; {holder}"))
    }
}

impl<E: fmt::Display> fmt::Display for GetError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(timed_out) => timed_out.fmt(f),
            Self::Closed => f.write_str("the pool is closed"),
            Self::Exhausted(state) => {
                write!(f, "no idle connection: {state}; use `get` to wait for one")
            }
            Self::QueueFull { max_waiters } => write!(
                f,
                "{max_waiters} threads wait for a connection already, as many as `max_waiters` \
                 allows: shed load, or raise it"
            ),
            Self::ConnectFailed(error) => write!(f, "cannot open a connection: {error}"),
            Self::AlreadyBorrowed => f.write_str(
                "this thread already holds its connection: drop the guard before the next `get`, \
                 or pass the guard on",
            ),
            Self::Deadlock { holders } => {
                f.write_str("nobody could give a connection back, for all who have one wait:")?;
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

impl<E: fmt::Display> fmt::Display for BuildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { name, problem } => write!(f, "setting `{name}`: {problem}"),
            Self::ConnectFailed(error) => write!(f, "cannot open the first connection: {error}"),
            Self::TimedOut { waited } => write!(
                f,
                "the first connection was not open within {waited:.1?}: see the server's load and \
                 the manager's connect time-out, or raise `get_timeout`"
            ),
            Self::Thread(error) => write!(f, "cannot start a thread of the pool: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for ConnectError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            Self::Panicked(_) => None,
            Self::Thread(error) => Some(&**error),
            Self::Vetoed(error) => Some(&**error),
        }
    }
}

impl<E: Error + 'static> Error for GetError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TimedOut(timed_out) => timed_out.cause.as_ref()?.source(),
            Self::ConnectFailed(error) => error.source(),
            _ => None,
        }
    }
}

impl<E: Error + 'static> Error for BuildError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ConnectFailed(error) => error.source(),
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

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
        assert!(error.to_string().ends_with(&refused().to_string()), "{error}");
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

    #[test]
    fn a_panic_keeps_its_message() {
        let payload = std::panic::catch_unwind(|| panic!("out of {}", "sockets")).unwrap_err();
        let error: ConnectError<std::io::Error> = ConnectError::panicked(&*payload);
        assert_eq!(error.to_string(), "the manager's `connect` panicked: out of sockets");
    }
}
