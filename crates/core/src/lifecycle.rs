//! What happens to a connection between two users: the same on every pool.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::churn::Churn;
use crate::foreign::{self, Panicked};
use crate::{
    Backoff, CloseReason, ConnectError, CounterCells, Deadline, GetError, Guard, ManageConnection,
    Observer, Patience, Policies, Report, Reset, RuntimeCheck, State, TimedOut, Validation,
};

/// A manager together with the policies that say when to call what of it; for writers of pools.
///
/// Whatever the manager does, a panic included, a connection that goes through a lifecycle comes out
/// in order or is reported with the reason to close it, so that a pool has one place to look for
/// the rules and none where capacity can slip away. No method here takes a lock.
#[derive(Debug)]
pub struct Lifecycle<M: ManageConnection> {
    manager: Arc<M>,
    // Those that are asked at each use, without a pointer between.
    validation: Validation,
    reset: Reset,
    reset_limit: Duration,
    /// Whether a return may come to more than a check and a reset.
    does_more_on_return: bool,
    policies: Arc<Policies<M::Connection>>,
    cells: CounterCells,
    churn: Churn,
    runtime_check: RuntimeCheck,
}

impl<M: ManageConnection> Lifecycle<M> {
    /// Looks after connections of `manager` as the policies say; tells it the pool's name.
    pub fn new(mut manager: M, policies: Policies<M::Connection>) -> Self {
        policies.name.as_ref().inspect(|name| manager.set_pool_name(name));
        Self {
            manager: Arc::new(manager),
            validation: policies.validation,
            reset: policies.reset,
            reset_limit: policies.validation_timeout.unwrap_or(Patience::WORK),
            does_more_on_return: policies.hooks.on_connect.is_some()
                || policies.validation == Validation::OnReturn,
            policies: Arc::new(policies),
            cells: CounterCells::default(),
            churn: Churn::default(),
            runtime_check: RuntimeCheck::default(),
        }
    }

    /// A lifecycle for the heir of this one's pool in a forked child: the same manager and policies, and
    /// nothing counted yet.
    #[must_use]
    pub fn child_pool(&self) -> Self {
        Self {
            manager: Arc::clone(&self.manager),
            policies: Arc::clone(&self.policies),
            cells: CounterCells::default(),
            churn: Churn::default(),
            runtime_check: RuntimeCheck::default(),
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
    pub fn cells(&self) -> &CounterCells {
        &self.cells
    }

    /// Opens a connection, within `limit` if there is one. May block; does not unwind.
    ///
    /// A connection that the manager calls broken as soon as it is open counts as a failed attempt,
    /// so that whatever follows a failed attempt (a pause, an error that says why) follows here too.
    ///
    /// # Errors
    ///
    /// What the manager's `connect` returned or panicked with, the `on_connect` hook's veto, or
    /// [`ConnectError::Broken`].
    pub fn open(&self, limit: Option<Duration>) -> Result<M::Connection, ConnectError<M::Error>> {
        let start = Instant::now();
        let result = self.connect(limit).and_then(|mut conn| match self.prepare(&mut conn) {
            Ok(()) => Ok(conn),
            Err(error) => {
                dispose_by(&*self.manager, conn);
                Err(error)
            }
        });
        match &result {
            Ok(_) => {
                self.cells.opened();
                self.policies.observer.emit(|events| events.opened(start.elapsed()));
            }
            Err(error) => {
                self.cells.connect_failed();
                self.policies.observer.emit(|events| events.connect_failed(error));
            }
        }
        result
    }

    fn connect(&self, limit: Option<Duration>) -> Result<M::Connection, ConnectError<M::Error>> {
        let connect = || match limit {
            Some(limit) => self.manager.connect_within(limit),
            None => self.manager.connect(),
        };
        match foreign::call(connect) {
            Ok(result) => result.map_err(ConnectError::failed),
            Err(panicked) => Err(ConnectError::panicked(&panicked)),
        }
    }

    /// Makes an opened connection ready for its first user.
    fn prepare(&self, conn: &mut M::Connection) -> Result<(), ConnectError<M::Error>> {
        self.begin_session(conn).map_err(ConnectError::Vetoed)?;
        match foreign::call(|| self.manager.has_broken(conn)) {
            Ok(false) => Ok(()),
            _ => Err(ConnectError::Broken),
        }
    }

    /// Calls the `on_connect` hook, and tells the manager that a session begins after it.
    ///
    /// # Errors
    ///
    /// The hook's veto or panic, or the manager's panic.
    fn begin_session(&self, conn: &mut M::Connection) -> Result<(), Veto> {
        if let Some(hook) = &self.policies.hooks.on_connect {
            vetoed(foreign::call(|| hook(conn)))?;
        }
        vetoed(foreign::call(|| {
            self.manager.begin_session(conn);
            Ok(())
        }))
    }

    /// Calls the `on_acquire` hook. May block as long as that does; does not unwind.
    ///
    /// # Errors
    ///
    /// What the hook returned or panicked with: see [`Refusals`].
    pub fn on_acquire(&self, conn: &mut M::Connection) -> Result<(), Veto> {
        match &self.policies.hooks.on_acquire {
            Some(hook) => vetoed(foreign::call(|| hook(conn))),
            None => Ok(()),
        }
    }

    /// Calls the `on_return` hook, unless the holder panics. May block as long as that does; does
    /// not unwind.
    ///
    /// # Errors
    ///
    /// The reason to close the connection instead.
    pub fn returned(&self, conn: &mut M::Connection) -> Result<(), CloseReason> {
        match &self.policies.hooks.on_return {
            Some(hook) if !std::thread::panicking() => vetoed(foreign::call(|| hook(conn)))
                .map_err(|veto| {
                    self.refused(CloseReason::Vetoed, Some(&*veto));
                    CloseReason::Vetoed
                }),
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
            Err(Unchecked(Some(reason))) => Err(reason),
            _ => self.validate(conn, None).map_err(|unfit| match unfit {
                Unfit::Close(reason) => reason,
                Unfit::Undecided => CloseReason::Invalid, // without a deadline there is no hurry
            }),
        }
    }

    /// Whether a transaction is open, as far as the manager knows; `true` if it panics.
    pub fn in_transaction(&self, conn: &M::Connection) -> bool {
        foreign::call(|| self.manager.in_transaction(conn)).unwrap_or(true)
    }

    /// What [`Guard::steady`] does, for all pools. `replace` opens another connection in the guard's
    /// place ([`reopen`](Self::reopen)).
    ///
    /// # Errors
    ///
    /// What `work` returned last. If no other connection could be had, the manager adds why
    /// ([`not_reconnected`](ManageConnection::not_reconnected)).
    pub fn run_steady<G, T>(
        &self,
        guard: &mut G,
        replace: impl Fn(&mut G) -> Result<(), ConnectError<M::Error>>,
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
            if !self.is_lost(&error) {
                return Err(error);
            }
            if let Err(cause) = replace(guard) {
                // A manager that panics here panics in its user's hands, who would lose `error`
                // otherwise without a word.
                return Err(self.manager.not_reconnected(error, &cause));
            }
            if !may_repeat {
                return Err(error);
            }
            may_repeat = false;
        }
    }

    /// Opens a connection for a holder whose own is lost, on the holder's thread. May block; does
    /// not unwind.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or the `on_acquire` hook's veto.
    pub fn reopen(&self, patience: Patience) -> Result<M::Connection, ConnectError<M::Error>> {
        let mut conn = self.open(patience.for_work())?;
        match self.on_acquire(&mut conn) {
            Ok(()) => Ok(conn),
            Err(veto) => {
                self.close(conn, CloseReason::Vetoed);
                Err(ConnectError::AcquireVetoed(veto))
            }
        }
    }

    /// Whether this error means that the connection is gone; `true` if the manager panics.
    fn is_lost(&self, error: &M::Error) -> bool {
        foreign::call(|| self.manager.is_lost(error)).unwrap_or(true)
    }

    /// Whether this process lacks what a connection needs: descriptors, threads, memory. Such a
    /// failure says nothing about the server, so it is never permanent.
    pub fn is_shortage(&self, error: &ConnectError<M::Error>) -> bool {
        match error {
            ConnectError::Failed(error) => {
                foreign::call(|| self.manager.is_shortage(error)).unwrap_or(false)
            }
            ConnectError::Thread(_) => true,
            _ => false,
        }
    }

    /// Whether the server, or the machine, answers this manager's errors of validation only because
    /// this process lacks something.
    fn is_own_lack(&self, error: &M::Error, conn: &mut M::Connection) -> bool {
        self.manager.is_shortage(error) && !self.manager.has_broken(conn)
    }

    /// Whether trying again cannot help until a person changes something.
    pub fn is_permanent(&self, error: &ConnectError<M::Error>) -> bool {
        let ConnectError::Failed(failed) = error else { return false };
        !self.is_shortage(error)
            && foreign::call(|| self.manager.is_permanent(failed)).unwrap_or(false)
    }

    /// Checks a connection that is about to be lent. `alive` is when the pool last had a sign of
    /// life of it: it was opened, or validated. May block until `deadline` where the validation
    /// policy says so; does not unwind.
    ///
    /// A validation that succeeds is noted in `alive`. A use or a return of a connection is no sign
    /// of life; the manager's [`last_answer`](ManageConnection::last_answer) is.
    ///
    /// # Errors
    ///
    /// Why the connection cannot be lent.
    #[inline]
    pub fn check_lend(
        &self,
        conn: &mut M::Connection,
        alive: &mut Option<Instant>,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<(), Unfit> {
        match self.free_check_out(conn) {
            Ok(()) => match self.validation {
                Validation::IdleLongerThan(limit) if self.is_silent(conn, *alive, limit) => {
                    self.validate_lend(conn, alive, deadline())
                }
                _ => Ok(()),
            },
            Err(unchecked) => self.settle(unchecked, conn, alive, deadline()),
        }
    }

    /// Settles what the free check left open, by asking the server if that helps.
    ///
    /// # Errors
    ///
    /// Why the connection cannot be lent.
    pub fn settle(
        &self,
        unchecked: Unchecked,
        conn: &mut M::Connection,
        alive: &mut Option<Instant>,
        deadline: Deadline,
    ) -> Result<(), Unfit> {
        match unchecked.0 {
            Some(reason) => Err(Unfit::Close(reason)),
            None => self.validate_lend(conn, alive, deadline),
        }
    }

    /// Validates a connection that is about to be lent, and notes that it lives.
    ///
    /// # Errors
    ///
    /// Why the connection cannot be lent.
    pub fn validate_lend(
        &self,
        conn: &mut M::Connection,
        alive: &mut Option<Instant>,
        deadline: Deadline,
    ) -> Result<(), Unfit> {
        self.validate(conn, Some(deadline))?;
        *alive = Some(Instant::now());
        // An answer that came too late for this caller serves the next one.
        if deadline.has_passed() { Err(Unfit::Undecided) } else { Ok(()) }
    }

    /// Whether the last sign of life of this connection is older than `limit`. `alive` is the last
    /// one that the pool had; the manager may know of a later one. Reads the clock.
    pub fn is_silent(&self, conn: &M::Connection, alive: Option<Instant>, limit: Duration) -> bool {
        let answer = foreign::call(|| self.manager.last_answer(conn)).unwrap_or_default();
        answer.max(alive).is_none_or(|moment| moment.elapsed() > limit)
    }

    /// Checks a connection that was opened a moment ago: the free check. Does not block nor unwind.
    ///
    /// # Errors
    ///
    /// The reason to close the connection instead.
    pub fn check_new(&self, conn: &mut M::Connection) -> Result<(), CloseReason> {
        match self.free_check_out(conn) {
            Err(Unchecked(Some(reason))) => Err(reason),
            _ => Ok(()),
        }
    }

    /// The part of [`check_lend`](Self::check_lend) that costs next to nothing: the manager's free
    /// check.
    ///
    /// # Errors
    ///
    /// What [`settle`](Self::settle) is to settle.
    #[inline]
    pub fn free_check_out(&self, conn: &mut M::Connection) -> Result<(), Unchecked> {
        let checked = foreign::call_or(
            || if self.manager.has_broken(conn) { Err(CloseReason::Broken) } else { Ok(()) },
            |panicked| Err(close_after(panicked)),
        );
        match checked {
            Err(reason) => Err(Unchecked(Some(reason))),
            Ok(()) if self.validation == Validation::OnCheckout => Err(Unchecked(None)),
            Ok(()) => Ok(()),
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
        let checked = foreign::call_or(
            || {
                if self.manager.has_broken(conn) {
                    return Err(CloseReason::Broken);
                }
                let is_due = self.reset.is_due(&*self.manager, conn);
                if is_due {
                    if let Err(error) = self.manager.reset_within(conn, self.reset_limit) {
                        return Err(self.reset_failed(error));
                    }
                    self.manager.begin_session(conn);
                }
                Ok(WasReset(is_due))
            },
            |panicked| Err(self.refused_by_panic(panicked)),
        );
        match checked {
            Ok(was_reset) if self.does_more_on_return => self.finish_check_in(conn, was_reset),
            Ok(was_reset) => Ok(was_reset),
            Err(reason) => Err(self.not_taken_back(reason)),
        }
    }

    /// What some settings ask for when a connection has come back: the `on_connect` hook after a
    /// reset, a validation.
    ///
    /// Takes and returns what the caller goes on with, so that a return that does not come here need
    /// not keep it.
    #[cold]
    #[inline(never)]
    fn finish_check_in(
        &self,
        conn: &mut M::Connection,
        was_reset: WasReset,
    ) -> Result<WasReset, CloseReason> {
        if was_reset.0 && self.policies.hooks.on_connect.is_some() {
            self.begin_session(conn)
                .map_err(|veto| self.refused(CloseReason::Vetoed, Some(&*veto)))?;
        }
        if self.validation == Validation::OnReturn && self.validate(conn, None).is_err() {
            return Err(self.refused(CloseReason::Invalid, None));
        }
        Ok(was_reset)
    }

    #[cold]
    #[inline(never)]
    fn not_taken_back(&self, reason: CloseReason) -> CloseReason {
        match reason {
            CloseReason::Broken => self.refused(reason, None),
            noted => noted, // where its cause was known
        }
    }

    #[cold]
    #[inline(never)]
    fn reset_failed(&self, error: M::Error) -> CloseReason {
        self.refused(CloseReason::ResetFailed, Some(&error))
    }

    /// Notes that a connection which came back is closed instead of being used again; reports it if
    /// that goes on and on.
    #[cold]
    #[inline(never)]
    fn refused(&self, reason: CloseReason, cause: Option<&(dyn Error + 'static)>) -> CloseReason {
        if let Some(closed) = self.churn.note() {
            let pool = self.name().map_or("(without a name)", |name| name);
            let report = Report::Churn { pool, reason, closed, cause };
            self.policies.observer.emit(|events| events.report(&report));
        }
        reason
    }

    #[cold]
    #[inline(never)]
    fn refused_by_panic(&self, panicked: Panicked) -> CloseReason {
        self.refused(CloseReason::Panicked, Some(&panicked))
    }

    /// Closes a connection. May block; does not unwind.
    pub fn close(&self, conn: M::Connection, reason: CloseReason) {
        self.count_closed(reason);
        self.close_uncounted(conn);
    }

    /// As [`close`](Self::close), for a connection that has been counted already.
    pub fn close_uncounted(&self, conn: M::Connection) {
        dispose_by(&*self.manager, conn);
    }

    /// Lets go of a connection that is the parent's of this process. Does not block nor unwind.
    pub fn forget_in_child(&self, conn: M::Connection) {
        let _ = foreign::call(|| self.manager.forget_in_child(conn));
    }

    /// Counts, and tells, that a connection left the pool otherwise than through
    /// [`close`](Self::close).
    pub fn count_closed(&self, reason: CloseReason) {
        self.cells.closed(reason);
        self.policies.observer.emit(|events| events.closed(reason));
    }

    /// Asks the server. `deadline` is a caller's, if one waits: if it comes before the server's
    /// answer, the connection is not at fault.
    #[cold]
    #[inline(never)]
    fn validate(&self, conn: &mut M::Connection, deadline: Option<Deadline>) -> Result<(), Unfit> {
        let patience = deadline.and_then(|deadline| deadline.remaining());
        let limit = self.policies.validation_timeout;
        let asked = foreign::call(|| {
            let answer = match (patience, limit) {
                (Some(patience), _) if limit.is_none_or(|limit| patience < limit) => {
                    let limit = limit.unwrap_or(Patience::WORK);
                    self.manager.is_valid_patient(conn, patience, limit)
                }
                (_, Some(limit)) => Some(self.manager.is_valid_within(conn, limit)),
                (_, None) => Some(self.manager.is_valid(conn)),
            };
            match answer {
                None => Err(Unfit::Undecided),
                Some(Ok(())) => Ok(()),
                Some(Err(error)) if self.is_own_lack(&error, conn) => Ok(()),
                Some(Err(_)) => Err(Unfit::Close(CloseReason::Invalid)),
            }
        });
        asked.unwrap_or_else(|panicked| Err(Unfit::Close(close_after(panicked))))
    }
}

/// # What a pool says
impl<M: ManageConnection> Lifecycle<M> {
    /// Counts a `get` that is about to wait for another thread. In a build with debug assertions,
    /// reports if that thread belongs to an async runtime. Must be called without a lock.
    pub fn about_to_wait(&self) {
        self.cells.waited();
        self.runtime_check.about_to_wait(self.observer(), self.name().map(|name| &**name));
    }

    /// A state with the pool's name, and what the lifecycle has counted; the rest is the pool's to add.
    pub fn state(&self) -> State {
        State { name: self.name().cloned(), counters: self.cells.read(), ..State::default() }
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
        self.cells.timed_out();
        let waited = deadline.waited();
        self.observer().emit(|events| events.timed_out(waited));
        let timed_out = TimedOut::new(waited, state(), cause, advice);
        GetError::TimedOut(Box::new(timed_out.with_address(self.address())))
    }

    /// Where the manager's connections lead, if it says that.
    pub fn address(&self) -> Option<Box<str>> {
        foreign::call(|| self.manager.address().map(Into::into)).unwrap_or_default()
    }
}

/// What is wrong, or not known, about a connection after the free check.
#[derive(Clone, Copy, Debug)]
pub struct Unchecked(Option<CloseReason>);

impl Unchecked {
    /// Why the connection is to be closed. `None` if only the server can say whether it works.
    #[must_use]
    pub fn reason(self) -> Option<CloseReason> {
        self.0
    }
}

/// Whether a session was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasReset(pub bool);

/// Why a connection cannot be lent to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is to be closed.
    Close(CloseReason),
    /// The caller's deadline came before the server's answer. The connection is not at fault and
    /// stays in the pool; the caller's time is up.
    Undecided,
}

/// Why a hook refused a connection.
pub type Veto = Arc<dyn Error + Send + Sync>;

/// What one `get` does about connections that the `on_acquire` hook refuses.
///
/// The first refused connection may be at fault, so the pool closes it. If the hook refuses the next
/// one too, the connections are hardly at fault: those go back to the pool, and the caller tries
/// again after a pause that doubles each time, up to a second. So one caller's refusals cost the
/// pool one connection; a caller that is refused for longer than a second costs another one then,
/// after another 9 seconds, after 18, and so on.
#[derive(Debug, Default)]
pub struct Refusals {
    refused: u32,
    backoff: Backoff,
    last: Option<Veto>,
}

/// What happens to a refused connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is closed, for [`CloseReason::Vetoed`]. The caller tries again at once.
    Close,
    /// It goes back to the pool. The caller tries again after this pause.
    Keep(Duration),
}

impl Refusals {
    /// So many refusals are there when the pause is as long as it gets.
    const UNTIL_LONGEST: u32 = 9;

    /// The hook has refused a connection.
    pub fn add(&mut self, veto: Veto) -> Refused {
        self.refused += 1;
        self.last = Some(veto);
        let n = self.refused;
        let is_due_again =
            n.is_multiple_of(Self::UNTIL_LONGEST) && (n / Self::UNTIL_LONGEST).is_power_of_two();
        if n == 1 || is_due_again {
            return Refused::Close;
        }
        Refused::Keep(self.backoff.next_pause())
    }

    /// What the caller is told as the cause if no connection could be lent.
    #[must_use]
    pub fn cause<E>(&self) -> Option<ConnectError<E>> {
        self.last.clone().map(ConnectError::AcquireVetoed)
    }
}

/// Whether a hook refused a connection: it returned an error, or panicked.
fn vetoed(answer: Result<Result<(), crate::HookError>, Panicked>) -> Result<(), Veto> {
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Arc::from(error)),
        Err(panicked) => Err(Arc::new(panicked)),
    }
}

/// Has the manager close a connection.
fn dispose_by<M: ManageConnection>(manager: &M, conn: M::Connection) {
    // The panic hook tells of a panic; the connection is gone either way.
    let _ = foreign::call(|| manager.close(conn));
}

#[cold]
#[inline(never)]
fn close_after(panicked: Panicked) -> CloseReason {
    drop(panicked);
    CloseReason::Panicked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_closes_a_connection_and_the_later_ones_pause_longer_and_longer() {
        let mut refusals = Refusals::default();
        let mut refuse = || refusals.add(Arc::from(crate::HookError::from("no")));
        assert_eq!(refuse(), Refused::Close);
        assert_eq!(refuse(), Refused::Keep(Duration::from_millis(10)));
        assert_eq!(refuse(), Refused::Keep(Duration::from_millis(20)));
        let closed = (4..60).filter(|_| refuse() == Refused::Close).count();
        assert_eq!(closed, 3, "the 9th, the 18th and the 36th");
        assert_eq!(refuse(), Refused::Keep(Duration::from_secs(1)));
    }
}
