//! The errors of `get` and `build`.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::parts::foreign::Panicked;
use crate::{Holder, State, chain};

/// Why [`Pool::get`](crate::Pool::get) returned no connection.
///
/// The text says what happened and what to do. If an error of the manager caused it, `source()`
/// returns that error and the text leaves it out: [`chain`] prints both. `Debug`, which a failed
/// `unwrap` shows, prints the whole chain.
///
/// ```
/// use std::time::Duration;
/// use threadwise_core::GetError;
/// use threadwise_queue::QueuePool;
/// use threadwise_sqlite::SqliteManager;
///
/// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
/// let _borrowed = pool.get()?;
/// match pool.get_timeout(Duration::from_millis(1)) {
///     Err(GetError::TimedOut(timed_out)) => assert_eq!(timed_out.state.borrowed, 1),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// The pool could not open a connection. Either waiting does not help (a wrong password), or
    /// this pool does not try again.
    ConnectFailed(ConnectError<E>),
    /// This thread already holds its connection (per-thread pool).
    AlreadyBorrowed,
    /// Every thread that holds a connection waits for another one, this thread included (shared
    /// pool, if its `nested_get` setting asks for this check).
    Deadlock {
        /// The threads that hold the connections.
        holders: Vec<Holder>,
    },
    /// The pool does not share connections.
    NotShared,
    /// This thread is ending, and its connection is closed already (per-thread pool).
    ThreadEnding,
}

/// How many holders the text of a timeout names: those that have held theirs longest.
const HOLDERS_SHOWN: usize = 8;

/// What a `get` saw when it gave up at its deadline.
#[non_exhaustive]
pub struct TimedOut<E> {
    /// How long the `get` waited.
    pub waited: Duration,
    /// The pool's state when the `get` gave up.
    pub state: State,
    /// Why the latest attempt to open a connection failed; `None` if it succeeded. All waiters get
    /// the same error.
    pub cause: Option<ConnectError<E>>,
    /// The threads that held the connections, if the pool records them.
    pub holders: Vec<Holder>,
    /// What to do if the pool is only busy, in terms of its settings.
    pub advice: &'static str,
    /// Where the connections lead, if the manager says so: a host and port, or a path.
    pub address: Option<Box<str>>,
}

impl<E> TimedOut<E> {
    /// Builds the error; for writers of pools.
    #[must_use]
    pub fn new(
        waited: Duration,
        state: State,
        cause: Option<ConnectError<E>>,
        advice: &'static str,
    ) -> Self {
        Self { waited, state, cause, holders: Vec::new(), advice, address: None }
    }

    /// Adds where the connections lead; for writers of pools.
    #[must_use]
    pub fn with_address(mut self, address: Option<Box<str>>) -> Self {
        self.address = address;
        self
    }

    /// Adds the threads that held the connections; for writers of pools.
    #[must_use]
    pub fn with_holders(mut self, holders: Vec<Holder>) -> Self {
        self.holders = holders;
        self
    }
}

/// What a `try_get` saw when it found no idle connection.
#[non_exhaustive]
pub struct Exhausted<E> {
    /// The pool's state at that moment.
    pub state: State,
    /// Why the latest attempt to open a connection failed (the server may be down); `None` if it
    /// succeeded.
    pub cause: Option<ConnectError<E>>,
}

impl<E> Exhausted<E> {
    /// Builds the error; for writers of pools.
    #[must_use]
    pub fn new(state: State, cause: Option<ConnectError<E>>) -> Self {
        Self { state, cause }
    }
}

/// Why the pool could not open or lend a connection. Cheap to clone: all waiters share the error.
///
/// ```
/// use threadwise_core::ConnectError;
///
/// let failed = ConnectError::failed(std::io::Error::other("connection refused"));
/// assert_eq!(failed.to_string(), "connection refused");
/// assert!(failed.error().is_some());
/// ```
#[non_exhaustive]
pub enum ConnectError<E> {
    /// The manager's `connect` returned this error.
    Failed(Arc<E>),
    /// The manager's `connect` panicked with this message.
    Panicked(Arc<str>),
    /// The system could not start the thread on which the pool connects.
    Thread(Arc<std::io::Error>),
    /// The `on_connect` hook refused the connection with this error, or panicked.
    Vetoed(Arc<dyn Error + Send + Sync>),
    /// The `on_acquire` hook refused the connection with this error, or panicked.
    AcquireVetoed(Arc<dyn Error + Send + Sync>),
    /// The manager's `connect` succeeded, but its free check (`has_broken_at`) returned `true`
    /// immediately after.
    Broken,
    /// The pool opens no connection now, for this reason: it is closed or suspended.
    Unavailable(&'static str),
}

impl<E> ConnectError<E> {
    /// Wraps an error of the manager's `connect`; for writers of pools.
    pub fn failed(error: E) -> Self {
        Self::Failed(Arc::new(error))
    }

    /// Wraps a panic of the manager's `connect`; for writers of pools.
    #[must_use]
    pub fn panicked(panicked: &Panicked) -> Self {
        Self::Panicked(panicked.message().into())
    }

    /// The error that the manager's `connect` returned, if that is the reason.
    ///
    /// ```
    /// # use threadwise_core::ConnectError;
    /// use std::io::{Error, ErrorKind};
    ///
    /// let failed = ConnectError::failed(Error::from(ErrorKind::ConnectionRefused));
    /// assert_eq!(failed.error().map(Error::kind), Some(ErrorKind::ConnectionRefused));
    /// assert!(ConnectError::<Error>::Broken.error().is_none());
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<&E> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}

/// Why `build()` returned no pool.
///
/// ```
/// use threadwise_core::BuildError;
/// use threadwise_queue::QueuePool;
/// use threadwise_sqlite::SqliteManager;
///
/// match QueuePool::new(SqliteManager::memory(), 0) {
///     Err(BuildError::Setting { name, .. }) => assert_eq!(name, "size"),
///     other => panic!("{other:?}"),
/// }
/// ```
#[non_exhaustive]
pub enum BuildError<E> {
    /// A setting has an invalid value.
    Setting {
        /// The setting: the name of the builder's method.
        name: &'static str,
        /// What is wrong with the value, and which values are valid.
        problem: String,
    },
    /// The pool could not open its first connections.
    ConnectFailed(ConnectError<E>),
    /// The pool could not open its first connections in time; the manager's `connect` has not
    /// returned.
    TimedOut {
        /// How long `build` waited.
        waited: Duration,
        /// Where the connection was to lead, if the manager says so.
        address: Option<Box<str>>,
    },
    /// The system could not start a thread of the pool.
    Thread(std::io::Error),
}

impl<E> BuildError<E> {
    /// A setting has an invalid value; for writers of pools.
    pub fn setting(name: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { name, problem: problem.into() }
    }
}

// By hand, because a derived one would require `E: Clone`.
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

/// Writes the reason of a failed attempt to connect, behind "cannot open a connection". Leaves the
/// manager's error out, because it is the `source` of the error that is being written.
fn write_failure<E>(f: &mut fmt::Formatter<'_>, failure: &ConnectError<E>) -> fmt::Result {
    match failure {
        ConnectError::Failed(_) => Ok(()),
        other => write!(f, ": {}", Reason(other)),
    }
}

/// Prints why the pool could not open a connection, without the error that caused it.
struct Reason<'e, E>(&'e ConnectError<E>);

impl<E> fmt::Display for Reason<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ConnectError::Failed(_) => f.write_str("the manager could not connect"),
            ConnectError::Panicked(message) => {
                write!(f, "the manager's `connect` panicked: {message}")
            }
            ConnectError::Thread(_) => f.write_str(
                "the system cannot start a thread to connect on: raise its limit of threads",
            ),
            ConnectError::Vetoed(_) => f.write_str("the `on_connect` hook refused it"),
            ConnectError::AcquireVetoed(_) => f.write_str("the `on_acquire` hook refused it"),
            ConnectError::Broken => {
                f.write_str("the manager's `has_broken_at` returned `true` for the new connection")
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
            Some(ConnectError::AcquireVetoed(_)) => f.write_str(VETOED),
            Some(cause) => {
                f.write_str("the last attempt to open a connection failed")?;
                write_failure(f, cause)
            }
            None if state.connecting > 0 => f.write_str(
                "the server has not answered the attempt to open a connection: check its load and \
                 the manager's connect timeout",
            ),
            None => f.write_str(advice),
        }?;
        let mut holders = holders.iter().take(HOLDERS_SHOWN);
        holders.try_for_each(|holder| write!(f, "; {holder}"))
    }
}

const VETOED: &str = "the `on_acquire` hook refused the last connection";

impl<E> fmt::Display for Exhausted<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, cause } = self;
        write!(f, "no connection is free: {state}; ")?;
        match cause {
            _ if state.suspended => f.write_str("the pool is suspended: call `resume`"),
            Some(ConnectError::AcquireVetoed(_)) => f.write_str(VETOED),
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
                    " could not be opened within {waited:.1?}: check the server's load and the \
                     manager's connect timeout, or raise `get_timeout`"
                )
            }
            Self::Thread(_) => f.write_str(
                "cannot start a thread of the pool: raise the system's limit of threads",
            ),
        }
    }
}

impl<E: Error + 'static> ConnectError<E> {
    /// The error that caused this one: the manager's, the system's or a hook's. It is the `source` of
    /// every error that has this one as its reason.
    fn behind(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            Self::Thread(error) => Some(&**error),
            Self::Vetoed(error) | Self::AcquireVetoed(error) => Some(&**error),
            Self::Panicked(_) | Self::Broken | Self::Unavailable(_) => None,
        }
    }
}

// A failed `connect` shows the manager's error itself: its text and its source.
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

/// Implements the `Debug` that a failed test or `unwrap` shows: the variant's name, the text of
/// `Display`, then each cause.
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
    fn a_timeout_names_the_pools_state_and_what_to_do() {
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
    fn a_timeout_after_a_failed_connect_has_the_managers_error_as_its_source() {
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

    /// Each error with each cause.
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
    fn a_timeout_names_the_address() {
        let timed_out = TimedOut::new(Duration::ZERO, State::default(), None, "be quick");
        let timed_out = timed_out.with_address(Some("db:3306".into()));
        let error: GetError<std::io::Error> = GetError::TimedOut(Box::new(timed_out));
        assert!(
            error.to_string().starts_with("no connection to db:3306 within 0.0ns: "),
            "{error}"
        );
    }

    #[test]
    fn debug_shows_the_variant_and_the_causes() {
        let error = GetError::ConnectFailed(ConnectError::failed(refused()));
        assert_eq!(
            format!("{error:?}"),
            "ConnectFailed(cannot open a connection: connection refused)"
        );
    }
}
