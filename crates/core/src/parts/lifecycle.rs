//! What happens to a connection between two borrowers, the same in every pool.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::{Duration, Instant};

use crate::parts::churn::Churn;
use crate::parts::contained::Contained;
use crate::parts::foreign::{self, Panicked};
use crate::parts::{Backoff, CounterCells, Deadline, Observer, Patience, Policies, RuntimeCheck};
use crate::{
    BuildError, Clock, CloseReason, ConnectError, ConnectionInfo, Events, GetError, Guard,
    ManageConnection, Moment, Outcome, Report, Reset, State, TimedOut, Validation,
};

/// A manager together with the policies that say when to call its methods; for writers of pools.
///
/// A connection that passes through a lifecycle comes out ready to use, or with the reason to close
/// it. That also holds if the manager panics. So a pool has the rules in one place, and no rule can
/// cost it capacity. No method here takes a lock.
#[derive(Debug)]
pub struct Lifecycle<M: ManageConnection> {
    manager: Arc<Contained<M>>,
    // The fields that each use reads, without a pointer in between.
    validation: Validation,
    reset: Reset,
    reset_limit: Duration,
    /// Whether a return may need more than a free check and a reset.
    does_more_on_return: bool,
    quick_check_after: Option<Duration>,
    policies: Arc<Contained<Policies<M::Connection>>>,
    cells: CounterCells,
    churn: Churn,
    /// How often the `on_acquire` hook has refused a connection since it accepted one.
    vetoes_in_a_row: AtomicU32,
    runtime_check: RuntimeCheck,
    has_told_closed: AtomicBool,
}

impl<M: ManageConnection> Lifecycle<M> {
    /// Combines `manager` with the policies, and tells the manager the pool's name.
    pub fn new(mut manager: M, policies: Policies<M::Connection>) -> Self {
        if let Some(name) = &policies.name {
            manager.set_pool_name(name);
        }
        let quick_check_after = foreign::call(|| manager.quick_check_after()).unwrap_or_default();
        Self {
            manager: Arc::new(Contained::new(manager)),
            validation: policies.validation,
            reset: policies.reset,
            reset_limit: policies.validation_timeout.unwrap_or(Patience::WORK),
            does_more_on_return: policies.hooks.on_connect.is_some()
                || policies.validation == Validation::OnReturn,
            quick_check_after,
            policies: Arc::new(Contained::new(policies)),
            cells: CounterCells::default(),
            churn: Churn::default(),
            vetoes_in_a_row: AtomicU32::new(0),
            runtime_check: RuntimeCheck::default(),
            has_told_closed: AtomicBool::new(false),
        }
    }

    /// A lifecycle for the child pool in a forked child: the same manager and policies, with all
    /// counters at zero. Tells the manager that it is in a child.
    #[must_use]
    pub fn child_pool(&self) -> Self {
        let _ = foreign::call(|| self.manager.forked());
        Self {
            manager: Arc::clone(&self.manager),
            policies: Arc::clone(&self.policies),
            cells: CounterCells::default(),
            churn: Churn::default(),
            vetoes_in_a_row: AtomicU32::new(0),
            runtime_check: RuntimeCheck::default(),
            has_told_closed: AtomicBool::new(false),
            ..*self
        }
    }

    /// The pool's name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&Arc<str>> {
        self.policies.name.as_ref()
    }

    /// The program's events.
    #[must_use]
    pub fn observer(&self) -> &Observer {
        &self.policies.observer
    }

    /// The manager.
    #[must_use]
    pub fn manager(&self) -> &M {
        &self.manager
    }

    /// When the pool validates a connection.
    #[must_use]
    pub fn validation(&self) -> Validation {
        self.validation
    }

    /// How long each validation may take; `None` is no limit.
    #[must_use]
    pub fn validation_timeout(&self) -> Option<Duration> {
        self.policies.validation_timeout
    }

    /// Whether an idle connection may need a quick check. Then the pool has to know how long it was
    /// idle, see [`check_after_idle`](Self::check_after_idle).
    #[must_use]
    pub fn makes_quick_checks(&self) -> bool {
        self.quick_check_after.is_some()
    }

    /// Tells the manager that the pool is closed, the first time. Does not unwind.
    pub fn pool_closed(&self) {
        // Relaxed: it only decides which call tells the manager.
        if !self.has_told_closed.swap(true, Relaxed) {
            let _ = foreign::call(|| self.manager.pool_closed());
        }
    }

    /// The settings that every pool has.
    #[must_use]
    pub fn policies(&self) -> &Policies<M::Connection> {
        &self.policies
    }

    /// The group of a connection that was just opened; 0 if the manager panics.
    #[must_use]
    pub fn group(&self, conn: &M::Connection) -> u64 {
        foreign::call(|| self.manager.group(conn)).unwrap_or_default()
    }

    /// The counters of rare events.
    #[must_use]
    pub fn cells(&self) -> &CounterCells {
        &self.cells
    }
}

/// # Opening
impl<M: ManageConnection> Lifecycle<M> {
    /// Opens a connection, within `limit` if there is one. May block; does not unwind.
    ///
    /// If the manager says that the new connection is broken, that counts as a failed attempt: the
    /// caller pauses or reports as after any other failure.
    ///
    /// # Errors
    ///
    /// The error or panic of the manager's `connect`, the `on_connect` hook's veto, or
    /// [`ConnectError::Broken`].
    pub fn open(&self, limit: Option<Duration>) -> Result<M::Connection, ConnectError<M::Error>> {
        let start = Instant::now();
        let result = self.connect(limit).and_then(|mut conn| match self.prepare(&mut conn) {
            Ok(()) => Ok(conn),
            Err(error) => {
                dispose_by(self.manager(), conn);
                Err(error)
            }
        });
        match &result {
            Ok(conn) => {
                self.cells.opened();
                self.emit_with(conn, |events, info| events.opened(info, start.elapsed()));
            }
            Err(error) => {
                self.cells.connect_failed();
                self.policies.observer.emit(|events| events.connect_failed(error));
            }
        }
        result
    }

    /// Calls `attempt`, which makes a pool's first connections. If it fails, calls it again after a
    /// pause, until `limit` has passed: the server may be starting. The pauses grow from 10 ms to
    /// 1 s. Blocks this thread.
    ///
    /// # Errors
    ///
    /// The last attempt's error. A [permanent](Self::is_permanent) error and an error in a setting
    /// end the attempts at once.
    pub fn build_within<T>(
        &self,
        limit: Duration,
        clock: Clock,
        mut attempt: impl FnMut(Deadline) -> Result<T, BuildError<M::Error>>,
    ) -> Result<T, BuildError<M::Error>> {
        let deadline = Deadline::after_by(clock, Some(limit));
        let mut backoff = Backoff::default();
        loop {
            let error = match attempt(deadline) {
                Err(BuildError::ConnectFailed(error)) if !self.is_permanent(&error) => error,
                decided => return decided,
            };
            let left = deadline.remaining().unwrap_or(Duration::MAX);
            let pause = backoff.next_pause();
            if left <= pause {
                return Err(BuildError::ConnectFailed(error));
            }
            foreign::dispose(error);
            std::thread::sleep(pause);
        }
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

    /// Makes a new connection ready for its first borrower.
    fn prepare(&self, conn: &mut M::Connection) -> Result<(), ConnectError<M::Error>> {
        self.begin_session(conn).map_err(ConnectError::Vetoed)?;
        match foreign::call(|| self.manager.has_broken_at(conn, Moment::Opened)) {
            Ok(false) => Ok(()),
            _ => Err(ConnectError::Broken),
        }
    }

    /// Calls the `on_connect` hook, then tells the manager that a session begins.
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

    /// Makes only the free check. Neither blocks nor unwinds.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    pub fn free_check(&self, conn: &mut M::Connection, moment: Moment) -> Result<(), CloseReason> {
        match self.free_check_at(conn, moment) {
            Err(Unchecked(Some(reason))) => Err(reason),
            _ => Ok(()),
        }
    }

    /// Whether the attempt to connect failed because this process lacks descriptors, threads or
    /// memory. Such a failure says nothing about the server, so it is never permanent.
    #[must_use]
    pub fn is_shortage(&self, error: &ConnectError<M::Error>) -> bool {
        match error {
            ConnectError::Failed(error) => {
                foreign::call(|| self.manager.is_shortage(error)).unwrap_or(false)
            }
            ConnectError::Thread(_) => true,
            _ => false,
        }
    }

    /// Whether another attempt fails too, until a person changes something.
    #[must_use]
    pub fn is_permanent(&self, error: &ConnectError<M::Error>) -> bool {
        let ConnectError::Failed(failed) = error else { return false };
        !self.is_shortage(error)
            && foreign::call(|| self.manager.is_permanent(failed)).unwrap_or(false)
    }
}

/// # Lending
impl<M: ManageConnection> Lifecycle<M> {
    /// Checks a connection that a borrower is about to get. `alive` is when the pool last knew that
    /// the server was there: it opened or validated the connection. `idle` is how long the
    /// connection was idle. May block until `deadline` if the validation policy says so; does not
    /// unwind.
    ///
    /// Stores the time of a successful validation in `alive`. A use or a return of the connection
    /// does not count; the manager's [`last_answer`](ManageConnection::last_answer) does.
    ///
    /// # Errors
    ///
    /// Why the borrower cannot get this connection.
    #[inline]
    pub fn check_lend(
        &self,
        conn: &mut M::Connection,
        alive: &mut Option<Instant>,
        idle: impl FnOnce() -> Duration,
        deadline: Deadline,
    ) -> Result<(), Unfit> {
        match self.free_check_out(conn) {
            Ok(()) => match self.validation {
                Validation::IdleLongerThan(limit) if self.is_silent(conn, *alive, limit) => {
                    self.validate_lend(conn, alive, deadline)
                }
                _ => self.check_after_idle(conn, idle).map_err(Unfit::Close),
            },
            Err(unchecked) => self.settle(unchecked, conn, alive, deadline),
        }
    }

    /// The part of [`check_lend`](Self::check_lend) that costs next to nothing: the manager's free
    /// check.
    ///
    /// # Errors
    ///
    /// What [`settle`](Self::settle) has to decide.
    #[inline]
    pub fn free_check_out(&self, conn: &mut M::Connection) -> Result<(), Unchecked> {
        self.free_check_at(conn, Moment::Checkout)
    }

    #[inline(always)] // so that the manager sees a constant
    fn free_check_at(&self, conn: &mut M::Connection, moment: Moment) -> Result<(), Unchecked> {
        let checked = foreign::call_or(
            || {
                if self.manager.has_broken_at(conn, moment) {
                    Err(CloseReason::Broken)
                } else {
                    Ok(())
                }
            },
            |panicked| Err(close_after(panicked)),
        );
        match checked {
            Err(reason) => Err(Unchecked(Some(reason))),
            Ok(()) if self.validation == Validation::OnCheckout => Err(Unchecked(None)),
            Ok(()) => Ok(()),
        }
    }

    /// Decides what the free check left open. Validates the connection, unless the free check found
    /// a reason to close it.
    ///
    /// # Errors
    ///
    /// Why the borrower cannot get this connection.
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

    /// Validates a connection that a borrower is about to get, and stores the time of the answer in
    /// `alive`.
    ///
    /// # Errors
    ///
    /// Why the borrower cannot get this connection.
    pub fn validate_lend(
        &self,
        conn: &mut M::Connection,
        alive: &mut Option<Instant>,
        deadline: Deadline,
    ) -> Result<(), Unfit> {
        self.validate(conn, Some(deadline))?;
        *alive = Some(Instant::now());
        // An answer that is too late for this borrower serves the next one.
        if deadline.has_passed() { Err(Unfit::Undecided) } else { Ok(()) }
    }

    /// Whether the server has not answered on this connection for longer than `limit`. `alive` is the
    /// last answer that the pool knows of; the manager may know of a later one. Reads the clock.
    #[must_use]
    pub fn is_silent(&self, conn: &M::Connection, alive: Option<Instant>, limit: Duration) -> bool {
        let answer = foreign::call(|| self.manager.last_answer(conn)).unwrap_or_default();
        answer.max(alive).is_none_or(|moment| moment.elapsed() > limit)
    }

    /// Makes the quick check of a connection that was idle for `idle`, if that is long enough. May block
    /// for some milliseconds; does not unwind. A connection that the pool has just validated needs none.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    pub fn check_after_idle(
        &self,
        conn: &mut M::Connection,
        idle: impl FnOnce() -> Duration,
    ) -> Result<(), CloseReason> {
        if self.quick_check_after.is_none_or(|after| idle() <= after) {
            return Ok(());
        }
        let checked = foreign::call(|| match self.manager.quick_check(conn) {
            Err(error) if !self.is_own_shortage(&error, conn, Moment::Checkout) => {
                Err(CloseReason::Broken)
            }
            _ => Ok(()),
        });
        checked.unwrap_or_else(|panicked| Err(close_after(panicked)))
    }

    /// Calls the `on_acquire` hook. Blocks as long as the hook does; does not unwind.
    ///
    /// # Errors
    ///
    /// The hook's veto or panic: see [`Refusals`].
    pub fn on_acquire(&self, conn: &mut M::Connection) -> Result<(), Veto> {
        let Some(hook) = &self.policies.hooks.on_acquire else { return Ok(()) };
        let answer = vetoed(foreign::call(|| hook(conn)));
        // Relaxed: the number decides only whether a refused connection is closed, and may be off.
        if answer.is_err() {
            self.vetoes_in_a_row.fetch_add(1, Relaxed);
        } else if self.vetoes_in_a_row.load(Relaxed) != 0 {
            self.vetoes_in_a_row.store(0, Relaxed);
        }
        answer
    }

    /// Notes that the `on_acquire` hook has refused a connection, and decides what happens to it.
    pub fn refuse(&self, refusals: &mut Refusals, veto: Veto) -> Refused {
        refusals.add(veto, self.vetoes_in_a_row.load(Relaxed))
    }

    /// Checks an idle connection: the free check, then a validation. May block for the validation
    /// timeout; does not unwind.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    pub fn check_idle(&self, conn: &mut M::Connection) -> Result<(), CloseReason> {
        match self.free_check_at(conn, Moment::Idle) {
            Err(Unchecked(Some(reason))) => Err(reason),
            _ if self.is_to_retire(conn) => Err(CloseReason::Retired),
            _ => self.validate(conn, None).map_err(|unfit| match unfit {
                Unfit::Close(reason) => reason,
                Unfit::Undecided => CloseReason::Invalid, // cannot happen without a deadline
            }),
        }
    }

    /// Validates the connection. `deadline` is that of a waiting borrower, if there is one. If it comes
    /// before the server's answer, the connection is not at fault.
    #[cold]
    #[inline(never)]
    fn validate(&self, conn: &mut M::Connection, deadline: Option<Deadline>) -> Result<(), Unfit> {
        let patience = deadline.and_then(|deadline| deadline.remaining());
        let limit = self.policies.validation_timeout;
        let asked = foreign::call(|| {
            let answer = match (patience, limit) {
                (Some(patience), _) if limit.is_none_or(|limit| patience < limit) => {
                    let limit = limit.unwrap_or(Patience::WORK.max(patience));
                    self.manager.is_valid_patient(conn, patience, limit)
                }
                (_, Some(limit)) => Some(self.manager.is_valid_within(conn, limit)),
                (_, None) => Some(self.manager.is_valid(conn)),
            };
            match answer {
                None => Err(Unfit::Undecided),
                Some(Ok(())) => Ok(()),
                Some(Err(error)) if self.is_own_shortage(&error, conn, Moment::Idle) => Ok(()),
                Some(Err(_)) => Err(Unfit::Close(CloseReason::Invalid)),
            }
        });
        asked.unwrap_or_else(|panicked| Err(Unfit::Close(close_after(panicked))))
    }

    /// Whether a validation failed only because this process lacks something, and not because of the
    /// connection.
    fn is_own_shortage(&self, error: &M::Error, conn: &mut M::Connection, moment: Moment) -> bool {
        self.manager.is_shortage(error) && !self.manager.has_broken_at(conn, moment)
    }

    /// Whether the pool should close an idle connection because its manager wants that; `true` if
    /// the manager panics.
    fn is_to_retire(&self, conn: &mut M::Connection) -> bool {
        foreign::call(|| self.is_leaving(conn)).unwrap_or(true)
    }

    /// The same; a panic of the manager goes through.
    #[inline(always)] // on each return
    fn is_leaving(&self, conn: &mut M::Connection) -> bool {
        self.manager.should_retire(conn) && !self.manager.in_transaction(conn)
    }
}

/// # Taking back
impl<M: ManageConnection> Lifecycle<M> {
    /// Calls the `on_return` hook, unless this thread panics. Blocks as long as the hook does; does not
    /// unwind.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    pub fn returned(&self, conn: &mut M::Connection) -> Result<(), CloseReason> {
        match &self.policies.hooks.on_return {
            Some(hook) if !std::thread::panicking() => {
                vetoed(foreign::call(|| hook(conn))).map_err(|veto| self.vetoed_return(veto))
            }
            _ => Ok(()),
        }
    }

    #[cold]
    #[inline(never)]
    fn vetoed_return(&self, veto: Veto) -> CloseReason {
        let reason = self.refused(CloseReason::Vetoed, Some(&*veto));
        foreign::dispose(veto);
        reason
    }

    /// Makes a returned connection ready for its next borrower: the free check, and a reset if it is
    /// due. May block if the policies say so; does not unwind. The result says whether the session was
    /// reset; the caller counts that where it costs least.
    ///
    /// # Errors
    ///
    /// The reason to close the connection.
    #[inline(always)] // on most pools, a return does nothing else
    pub fn check_in(&self, conn: &mut M::Connection) -> Result<WasReset, CloseReason> {
        if std::thread::panicking() {
            return Err(CloseReason::Panicked); // the connection may be in the middle of a statement
        }
        let checked = foreign::call_or(
            || {
                if self.manager.has_broken_at(conn, Moment::Return { reset: self.reset }) {
                    return Err(CloseReason::Broken);
                }
                if self.is_leaving(conn) {
                    return Err(CloseReason::Retired);
                }
                let is_due = self.reset.is_due(self.manager(), conn);
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

    /// Does the work on return that only some policies ask for: it calls the `on_connect` hook
    /// after a reset, and validates the connection.
    ///
    /// Takes and returns `was_reset`, so that a return on the fast path need not keep it.
    #[cold]
    #[inline(never)]
    fn finish_check_in(
        &self,
        conn: &mut M::Connection,
        was_reset: WasReset,
    ) -> Result<WasReset, CloseReason> {
        if was_reset.0 && self.policies.hooks.on_connect.is_some() {
            self.begin_session(conn).map_err(|veto| self.vetoed_return(veto))?;
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
            other => other, // `refused` has counted it already, except `Retired`
        }
    }

    #[cold]
    #[inline(never)]
    fn reset_failed(&self, error: M::Error) -> CloseReason {
        self.refused(CloseReason::ResetFailed, Some(&error))
    }

    #[cold]
    #[inline(never)]
    fn refused_by_panic(&self, panicked: Panicked) -> CloseReason {
        self.refused(CloseReason::Panicked, Some(&panicked))
    }

    /// Counts a returned connection that the pool closes instead of keeping it. Reports it if that
    /// happens often.
    #[cold]
    #[inline(never)]
    fn refused(&self, reason: CloseReason, cause: Option<&(dyn Error + 'static)>) -> CloseReason {
        if let Some(closed) = self.churn.note() {
            let pool = self.name().map_or("(unnamed)", |name| name);
            let report = Report::Churn { pool, reason, closed, cause };
            self.policies.observer.emit(|events| events.report(&report));
        }
        reason
    }
}

/// # Steady work
impl<M: ManageConnection> Lifecycle<M> {
    /// Does the work of [`Guard::steady`], for all pools. `replace` puts a new connection into the
    /// guard ([`reopen`](Self::reopen)).
    ///
    /// # Errors
    ///
    /// The error of the last run of `work`. If `replace` fails, the manager adds the reason
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
            match self.outcome(guard, &error) {
                Outcome::Lost => {}
                // After an unknown outcome, the guard keeps the connection. The return closes it if it
                // is lost.
                Outcome::Failed | Outcome::Unknown => return Err(error),
            }
            if let Err(cause) = replace(guard) {
                self.emit_not_reopened(&cause);
                // A panic of the manager here goes through to its caller: catching it would lose
                // `error` without a message.
                return Err(self.manager.not_reconnected(error, &cause));
            }
            if !may_repeat {
                return Err(error);
            }
            may_repeat = false;
        }
    }

    /// Tells the observer why a lost connection was not replaced. [`open`](Self::open) has already
    /// reported a failed attempt.
    #[cold]
    #[inline(never)]
    fn emit_not_reopened(&self, cause: &ConnectError<M::Error>) {
        if let ConnectError::Unavailable(_) | ConnectError::AcquireVetoed(_) = cause {
            self.policies.observer.emit(|events| events.connect_failed(cause));
        }
    }

    /// Opens a connection for a holder whose own is lost, on the holder's thread. May block; does not
    /// unwind.
    ///
    /// # Errors
    ///
    /// The same as [`open`](Self::open), or the `on_acquire` hook's veto.
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

    /// Whether a transaction is open, as far as the manager knows; `true` if it panics.
    #[must_use]
    pub fn in_transaction(&self, conn: &mut M::Connection) -> bool {
        foreign::call(|| self.manager.in_transaction(conn)).unwrap_or(true)
    }

    /// What an error of a use means: see [`Guard::outcome`]. Does not unwind.
    #[must_use]
    pub fn outcome(&self, conn: &mut M::Connection, error: &M::Error) -> Outcome {
        foreign::call(|| self.manager.on_error(conn, error)).unwrap_or(Outcome::Unknown)
    }
}

/// # Closing
impl<M: ManageConnection> Lifecycle<M> {
    /// Closes a connection and counts it. May block; does not unwind.
    pub fn close(&self, conn: M::Connection, reason: CloseReason) {
        self.count_closed(&conn, reason);
        self.close_uncounted(conn);
    }

    /// The same as [`close`](Self::close), for a connection that the caller has already counted.
    pub fn close_uncounted(&self, conn: M::Connection) {
        dispose_by(self.manager(), conn);
    }

    /// Counts a connection that left the pool by another way than [`close`](Self::close), and emits the
    /// event.
    pub fn count_closed(&self, conn: &M::Connection, reason: CloseReason) {
        self.cells.closed(reason);
        self.emit_with(conn, |events, info| events.closed(info, reason));
    }

    /// The same as [`count_closed`](Self::count_closed), for a connection that another thread has.
    pub fn count_lost(&self, reason: CloseReason) {
        self.cells.closed(reason);
        self.policies.observer.emit(|events| events.closed(&ConnectionInfo::new(), reason));
    }

    /// Gives up a connection that belongs to this process's parent. Neither blocks nor unwinds.
    pub fn forget_in_child(&self, conn: M::Connection) {
        let _ = foreign::call(|| self.manager.forget_in_child(conn));
    }
}

/// # State, events and errors
impl<M: ManageConnection> Lifecycle<M> {
    /// Emits an event about a connection. Does not unwind.
    pub fn emit_with(
        &self,
        conn: &M::Connection,
        emit: impl FnOnce(&dyn Events, &ConnectionInfo<'_>),
    ) {
        self.policies.observer.emit(|events| emit(events, &self.manager.info(conn)));
    }

    /// A state with the pool's name and the counters. The pool fills in the rest.
    #[must_use]
    pub fn state(&self) -> State {
        State { name: self.name().cloned(), counters: self.cells.read(), ..State::default() }
    }

    /// Counts a `get` that is about to wait for another thread. In a build with debug assertions,
    /// reports if that blocks a thread of an async runtime. The caller must hold no lock.
    pub fn about_to_wait(&self) {
        self.cells.waited();
        self.runtime_check.about_to_wait(self.observer(), self.name().map(|name| &**name));
    }

    /// Counts a `get` that gave up at its deadline, emits the event and builds the error. `cause` is
    /// why the latest attempt to connect failed, if it did. `advice` names the pool's settings that
    /// could help.
    #[must_use]
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

    /// Where the manager's connections lead, if the manager says so.
    #[must_use]
    pub fn address(&self) -> Option<Box<str>> {
        foreign::call(|| self.manager.address().map(Into::into)).unwrap_or_default()
    }
}

/// The result of a free check that did not decide about a connection.
#[derive(Clone, Copy, Debug)]
pub struct Unchecked(Option<CloseReason>);

impl Unchecked {
    /// The reason to close the connection. `None` if only the server knows whether it works.
    #[must_use]
    pub fn reason(self) -> Option<CloseReason> {
        self.0
    }
}

/// Whether the session was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasReset(pub bool);

/// Why a borrower cannot get a connection.
// Exhaustive on purpose, as `Refused`: a pool has to decide about each variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The pool closes the connection.
    Close(CloseReason),
    /// The borrower's deadline came before the server's answer. The connection is not at fault and
    /// stays in the pool; the borrower times out.
    Undecided,
}

/// Why a hook refused a connection.
pub type Veto = Arc<dyn Error + Send + Sync>;

/// What one `get` does about connections that the `on_acquire` hook refuses.
///
/// The first refused connection may be at fault, so the pool closes it. If the hook refuses the
/// next one too, the connections are probably not at fault. They go back to the pool, and the
/// borrower tries again after a pause that doubles each time, up to a second. So the refusals of
/// one `get` usually cost the pool one connection. If the hook refuses a borrower for longer than a
/// second, the pool closes another connection then, another one after about 8 more seconds, then
/// after 17 more, and so on.
///
/// If the hook has refused more than [`MANY_IN_A_ROW`](Self::MANY_IN_A_ROW) times and accepted none
/// meanwhile, the first refusal of a `get` closes a connection only at each doubling of that number. So
/// borrowers that ask again and again cost few connections.
///
/// If the hook panicked on a connection, the pool closes that connection in any case: the panic may
/// have left it in the middle of a statement.
#[derive(Debug, Default)]
pub struct Refusals {
    refused: u32,
    backoff: Backoff,
    last: Option<Veto>,
}

/// What happens to a refused connection, and how long the borrower pauses before it tries again.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The pool closes it, for [`CloseReason::Vetoed`].
    Close(Duration),
    /// It goes back to the pool, which checks it as after a use: the hook may have changed its session.
    Keep(Duration),
}

impl Refusals {
    /// After this many refusals the pause has its greatest length. At this count, and at each of
    /// its doublings, the pool closes another connection.
    const UNTIL_LONGEST: u32 = 9;
    /// After more refusals than this in a row, the connections are probably not at fault.
    pub const MANY_IN_A_ROW: u32 = 32;

    /// Notes that the hook has refused a connection, for the `in_a_row`th time in this pool.
    fn add(&mut self, veto: Veto, in_a_row: u32) -> Refused {
        let has_panicked = veto.is::<Panicked>();
        if let Some(earlier) = self.last.replace(veto) {
            foreign::dispose(earlier);
        }
        self.refused += 1;
        let n = self.refused;
        let is_due_again =
            n.is_multiple_of(Self::UNTIL_LONGEST) && (n / Self::UNTIL_LONGEST).is_power_of_two();
        let may_be_at_fault = in_a_row <= Self::MANY_IN_A_ROW || in_a_row.is_power_of_two();
        if is_due_again || n == 1 && may_be_at_fault {
            return Refused::Close(Duration::ZERO);
        }
        let pause = self.backoff.next_pause();
        if has_panicked { Refused::Close(pause) } else { Refused::Keep(pause) }
    }

    /// The last refusal, for the error of a `get` that found no connection.
    #[must_use]
    pub fn cause<E>(&self) -> Option<ConnectError<E>> {
        self.last.clone().map(ConnectError::AcquireVetoed)
    }
}

impl Drop for Refusals {
    fn drop(&mut self) {
        if let Some(veto) = self.last.take() {
            foreign::dispose(veto);
        }
    }
}

/// Turns a hook's error or panic into a veto.
fn vetoed(answer: Result<Result<(), crate::HookError>, Panicked>) -> Result<(), Veto> {
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Arc::from(error)),
        Err(panicked) => Err(Arc::new(panicked)),
    }
}

/// Lets the manager close a connection.
fn dispose_by<M: ManageConnection>(manager: &M, conn: M::Connection) {
    // The panic hook has printed a panic, and the connection is gone in any case.
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
    fn the_first_refusal_closes_a_connection_and_the_next_ones_pause_longer_each_time() {
        let mut refusals = Refusals::default();
        let mut refuse = || refusals.add(Arc::from(crate::HookError::from("no")), 1);
        assert_eq!(refuse(), Refused::Close(Duration::ZERO));
        assert_eq!(refuse(), Refused::Keep(Duration::from_millis(10)));
        assert_eq!(refuse(), Refused::Keep(Duration::from_millis(20)));
        let is_close = |refused| matches!(refused, Refused::Close(_));
        let closed = (4..60).filter(|_| is_close(refuse())).count();
        assert_eq!(closed, 3, "the 9th, the 18th and the 36th");
        assert_eq!(refuse(), Refused::Keep(Duration::from_secs(1)));
    }

    #[test]
    fn borrowers_that_are_all_refused_cost_few_connections() {
        let closes = |in_a_row: &u32| {
            let veto = Arc::from(crate::HookError::from("no"));
            matches!(Refusals::default().add(veto, *in_a_row), Refused::Close(_))
        };
        assert_eq!((1..=10_000).filter(closes).count(), 32 + 8, "and 64, 128 … 8192");
    }

    #[test]
    fn a_connection_on_which_the_hook_panicked_is_closed_each_time_after_a_pause() {
        let mut refusals = Refusals::default();
        let mut refuse = || {
            let panicked = foreign::call(|| panic!("in the middle of a statement")).unwrap_err();
            refusals.add(Arc::new(panicked), 1)
        };
        assert_eq!(refuse(), Refused::Close(Duration::ZERO));
        assert_eq!(refuse(), Refused::Close(Duration::from_millis(10)));
        assert_eq!(refuse(), Refused::Close(Duration::from_millis(20)));
    }
}
