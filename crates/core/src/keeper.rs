//! What happens to a connection between two users: the same on every pool.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{
    CloseReason, ConnectError, Deadline, GetError, Guard, ManageConnection, Observer, Policies,
    Reset, State, Tally, TimedOut, Validation,
};

/// A manager together with the policies that say when to call what of it; for writers of pools.
///
/// Whatever the manager does, a panic included, a connection that goes through a keeper comes out
/// in order or is reported with the reason to close it, so that a pool has one place to look for
/// the rules and none where capacity can slip away. No method here takes a lock.
#[derive(Debug)]
pub struct Keeper<M: ManageConnection> {
    manager: Arc<M>,
    // Those that are asked at each use, without a pointer between.
    validation: Validation,
    reset: Reset,
    policies: Arc<Policies<M::Connection>>,
    tally: Tally,
}

impl<M: ManageConnection> Keeper<M> {
    /// Looks after connections of `manager` as the policies say; tells it the pool's name.
    pub fn new(mut manager: M, policies: Policies<M::Connection>) -> Self {
        policies.name.as_ref().inspect(|name| manager.set_pool_name(name));
        Self {
            manager: Arc::new(manager),
            validation: policies.validation,
            reset: policies.reset,
            policies: Arc::new(policies),
            tally: Tally::default(),
        }
    }

    /// A keeper for the heir of this one's pool in a forked child: the same manager and policies, and
    /// nothing counted yet.
    #[must_use]
    pub fn heir(&self) -> Self {
        Self {
            manager: Arc::clone(&self.manager),
            policies: Arc::clone(&self.policies),
            tally: Tally::default(),
            ..*self
        }
    }

    /// The pool's name, if it was given one.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.policies.name.as_ref()
    }

    /// Who is told of what happens.
    pub fn observer(&self) -> &Observer {
        &self.policies.observer
    }

    /// The manager.
    pub fn manager(&self) -> &M {
        &self.manager
    }

    /// When the server is asked whether a connection works.
    pub fn validation(&self) -> Validation {
        self.validation
    }

    /// How long each such question may take, if there is a bound.
    pub fn validation_timeout(&self) -> Option<Duration> {
        self.policies.validation_timeout
    }

    /// What has been counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Opens a connection, within `limit` if there is one. May block; does not unwind.
    ///
    /// # Errors
    ///
    /// What the manager's `connect` returned or panicked with, or the `on_connect` hook's veto.
    pub fn open(&self, limit: Option<Duration>) -> Result<M::Connection, ConnectError<M::Error>> {
        let start = Instant::now();
        let result = self.connect(limit).and_then(|mut conn| match self.prepare(&mut conn) {
            Ok(()) => Ok(conn),
            Err(veto) => {
                let _ = catch_unwind(AssertUnwindSafe(|| self.manager.close(conn)));
                Err(veto)
            }
        });
        match &result {
            Ok(_) => {
                self.tally.opened();
                self.policies.observer.tell(|events| events.opened(start.elapsed()));
            }
            Err(error) => {
                self.tally.connect_failed();
                self.policies.observer.tell(|events| events.connect_failed(error));
            }
        }
        result
    }

    fn connect(&self, limit: Option<Duration>) -> Result<M::Connection, ConnectError<M::Error>> {
        let connect = AssertUnwindSafe(|| match limit {
            Some(limit) => self.manager.connect_within(limit),
            None => self.manager.connect(),
        });
        match catch_unwind(connect) {
            Ok(result) => result.map_err(ConnectError::failed),
            Err(payload) => Err(ConnectError::panicked(&*payload)),
        }
    }

    /// Calls the `on_connect` hook.
    fn prepare(&self, conn: &mut M::Connection) -> Result<(), ConnectError<M::Error>> {
        let Some(hook) = &self.policies.hooks.on_connect else { return Ok(()) };
        match catch_unwind(AssertUnwindSafe(|| hook(conn))) {
            Ok(answer) => answer.map_err(|error| ConnectError::Vetoed(Arc::from(error))),
            Err(payload) => Err(ConnectError::hook_panicked(&*payload)),
        }
    }

    /// Calls the `on_acquire` hook. May block as long as that does; does not unwind.
    ///
    /// # Errors
    ///
    /// The reason to close the connection instead.
    pub fn acquired(&self, conn: &mut M::Connection) -> Result<(), CloseReason> {
        never_unwinding(|| match &self.policies.hooks.on_acquire {
            Some(hook) => hook(conn).map_err(|_| CloseReason::Vetoed),
            None => Ok(()),
        })
    }

    /// Calls the `on_return` hook, unless the holder panics. May block as long as that does; does
    /// not unwind.
    ///
    /// # Errors
    ///
    /// The reason to close the connection instead.
    pub fn returned(&self, conn: &mut M::Connection) -> Result<(), CloseReason> {
        match &self.policies.hooks.on_return {
            Some(hook) if !std::thread::panicking() => {
                never_unwinding(|| hook(conn).map_err(|_| CloseReason::Vetoed))
            }
            _ => Ok(()),
        }
    }

    /// Checks a connection that nobody uses: the free check, then the question to the server. May
    /// block for the validation time-out; does not unwind.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    pub fn check_idle(&self, conn: &mut M::Connection) -> Result<(), CloseReason> {
        match self.free_check_out(conn) {
            Err(Doubt(Some(reason))) => Err(reason),
            _ => self.validate(conn, None),
        }
    }

    /// Whether a transaction is open, as far as the manager knows; `true` if it panics.
    pub fn in_transaction(&self, conn: &M::Connection) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.manager.in_transaction(conn))).unwrap_or(true)
    }

    /// What [`Guard::steady`] does, for all pools. `replace` opens another connection in the guard's
    /// place ([`open_again`](Self::open_again)) and says whether that went well.
    ///
    /// # Errors
    ///
    /// What `work` returned last.
    pub fn steady<G, T>(
        &self,
        guard: &mut G,
        replace: impl Fn(&mut G) -> bool,
        mut work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
    ) -> Result<T, M::Error>
    where
        G: Guard<Target = M::Connection>,
    {
        let mut may_repeat = !self.in_transaction(guard);
        loop {
            let error = match work(guard) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if !self.is_lost(&error) || !replace(guard) || !may_repeat {
                return Err(error);
            }
            may_repeat = false;
        }
    }

    /// Opens a connection for a holder whose own is lost, within `limit` if there is one. `None` if
    /// it cannot be had. May block; does not unwind.
    pub fn open_again(&self, limit: Option<Duration>) -> Option<M::Connection> {
        let mut conn = self.open(limit).ok()?;
        match self.acquired(&mut conn) {
            Ok(()) => Some(conn),
            Err(reason) => {
                self.close(conn, reason);
                None
            }
        }
    }

    /// Whether this error means that the connection is gone; `true` if the manager panics.
    fn is_lost(&self, error: &M::Error) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.manager.is_lost(error))).unwrap_or(true)
    }

    /// Whether trying again cannot help until a person changes something.
    pub fn is_permanent(&self, error: &ConnectError<M::Error>) -> bool {
        let is_permanent = |error| self.manager.is_permanent(error);
        error.error().is_some_and(|error| {
            catch_unwind(AssertUnwindSafe(|| is_permanent(error))).unwrap_or(false)
        })
    }

    /// Checks a connection that is about to be lent; `idle_longer_than` says whether it has been
    /// idle for longer than that, and is asked only if it matters. May block until `deadline`
    /// where the validation policy says so; does not unwind.
    ///
    /// # Errors
    ///
    /// The reason to close the connection instead.
    #[inline]
    pub fn check_out(
        &self,
        conn: &mut M::Connection,
        idle_longer_than: impl FnOnce(Duration) -> bool,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<(), CloseReason> {
        match self.free_check_out(conn) {
            Ok(()) => match self.validation {
                Validation::IdleLongerThan(limit) if idle_longer_than(limit) => {
                    self.validate(conn, deadline().remaining())
                }
                _ => Ok(()),
            },
            Err(doubt) => self.resolve(doubt, conn, deadline()),
        }
    }

    /// Checks a connection that was opened a moment ago: the free check. Does not block nor unwind.
    ///
    /// # Errors
    ///
    /// The reason to close the connection instead.
    pub fn check_new(&self, conn: &mut M::Connection) -> Result<(), CloseReason> {
        match self.free_check_out(conn) {
            Err(Doubt(Some(reason))) => Err(reason),
            _ => Ok(()),
        }
    }

    /// The part of [`check_out`](Self::check_out) that costs next to nothing, for a connection
    /// that has not been idle for long: the manager's free check.
    ///
    /// # Errors
    ///
    /// What [`resolve`](Self::resolve) is to settle.
    #[inline]
    pub fn free_check_out(&self, conn: &mut M::Connection) -> Result<(), Doubt> {
        match never_unwinding(|| {
            if self.manager.has_broken(conn) { Err(CloseReason::Broken) } else { Ok(()) }
        }) {
            Err(reason) => Err(Doubt(Some(reason))),
            Ok(()) if self.validation == Validation::OnCheckout => Err(Doubt(None)),
            Ok(()) => Ok(()),
        }
    }

    /// Settles what the free check left open, by asking the server if that helps.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    pub fn resolve(
        &self,
        doubt: Doubt,
        conn: &mut M::Connection,
        deadline: Deadline,
    ) -> Result<(), CloseReason> {
        match doubt.0 {
            Some(reason) => Err(reason),
            None => self.validate(conn, deadline.remaining()),
        }
    }

    /// Puts right a connection that its user has given back. May block where the policies say so;
    /// does not unwind. What comes back says whether the session was reset; the caller counts that,
    /// where it costs least.
    ///
    /// # Errors
    ///
    /// The reason to close the connection instead.
    #[inline(always)] // it is all that a return does, on most pools
    pub fn check_in(&self, conn: &mut M::Connection) -> Result<WasReset, CloseReason> {
        if std::thread::panicking() {
            return Err(CloseReason::Panicked); // nobody knows what it was in the middle of
        }
        let was_reset = never_unwinding(|| {
            if self.manager.has_broken(conn) {
                return Err(CloseReason::Broken);
            }
            let is_due = self.reset.is_due(&*self.manager, conn);
            if is_due {
                self.manager.reset(conn).map_err(|_| CloseReason::ResetFailed)?;
            }
            Ok(WasReset(is_due))
        })?;
        match self.validation {
            Validation::OnReturn => self.validate_returned(conn, was_reset),
            _ => Ok(was_reset),
        }
    }

    /// Takes and returns what the caller goes on with, so that a return that does not come here need not
    /// keep it.
    #[cold]
    #[inline(never)]
    fn validate_returned(
        &self,
        conn: &mut M::Connection,
        was_reset: WasReset,
    ) -> Result<WasReset, CloseReason> {
        self.validate(conn, None).map(|()| was_reset)
    }

    /// Closes a connection. May block; does not unwind.
    pub fn close(&self, conn: M::Connection, reason: CloseReason) {
        self.count_closed(reason);
        self.close_uncounted(conn);
    }

    /// As [`close`](Self::close), for a connection that has been counted already.
    pub fn close_uncounted(&self, conn: M::Connection) {
        // A manager that cannot even close a connection without a panic has said so through the
        // panic hook; the connection is gone either way.
        let _ = catch_unwind(AssertUnwindSafe(|| self.manager.close(conn)));
    }

    /// Lets go of a connection that is the parent's of this process. Does not block nor unwind.
    pub fn abandon(&self, conn: M::Connection) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.manager.abandon(conn)));
    }

    /// Counts, and tells, that a connection left the pool otherwise than through
    /// [`close`](Self::close).
    pub fn count_closed(&self, reason: CloseReason) {
        self.tally.closed(reason);
        self.policies.observer.tell(|events| events.closed(reason));
    }

    #[cold]
    #[inline(never)]
    fn validate(
        &self,
        conn: &mut M::Connection,
        limit: Option<Duration>,
    ) -> Result<(), CloseReason> {
        let limit = limit.into_iter().chain(self.policies.validation_timeout).min();
        never_unwinding(|| {
            let answer = match limit {
                Some(limit) => self.manager.is_valid_within(conn, limit),
                None => self.manager.is_valid(conn),
            };
            answer.map_err(|_| CloseReason::Invalid)
        })
    }
}

/// # What a pool says
impl<M: ManageConnection> Keeper<M> {
    /// A state with the pool's name, and what the keeper has counted; the rest is the pool's to add.
    pub fn state(&self) -> State {
        State { name: self.name().cloned(), counters: self.tally.read(), ..State::default() }
    }

    /// Counts, tells and reports that a `get` has waited in vain. `cause` is the last failure to
    /// connect, if there was one; `advice` names the pool's settings that could help.
    pub fn timed_out(
        &self,
        deadline: Deadline,
        state: impl FnOnce() -> State,
        cause: Option<ConnectError<M::Error>>,
        advice: &'static str,
    ) -> GetError<M::Error> {
        self.tally.timed_out();
        let waited = deadline.waited();
        self.observer().tell(|events| events.timed_out(waited));
        GetError::TimedOut(Box::new(TimedOut::new(waited, state(), cause, advice)))
    }

    /// What a `get` reports whose own attempt to connect failed: a time-out if its time is up,
    /// otherwise the failure.
    pub fn connect_failed(
        &self,
        error: ConnectError<M::Error>,
        deadline: Deadline,
        timed_out: impl FnOnce(Option<ConnectError<M::Error>>) -> GetError<M::Error>,
    ) -> GetError<M::Error> {
        if deadline.has_passed() { timed_out(Some(error)) } else { GetError::ConnectFailed(error) }
    }
}

/// What is wrong, or not known, about a connection after the free check.
#[derive(Clone, Copy, Debug)]
pub struct Doubt(Option<CloseReason>);

/// Whether a session was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasReset(pub bool);

#[inline]
fn never_unwinding<T>(check: impl FnOnce() -> Result<T, CloseReason>) -> Result<T, CloseReason> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|payload| {
        forget(payload);
        Err(CloseReason::Panicked)
    })
}

/// What a panic carried is dropped out of the way of those that do not panic.
#[cold]
#[inline(never)]
fn forget(payload: Box<dyn Any + Send>) {
    drop(payload);
}
