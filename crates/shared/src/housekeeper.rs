//! The thread that looks after connections, so that borrowers need not do it.
//!
//! It marks connections whose last answer is old and those that are too old, so that a `get` reads
//! no clock. It starts dialers if fewer than `min_idle` are idle, so that a `get` counts none. And
//! it notices what takes too long. It only looks and marks; worker threads do what takes time.
//!
//! It sweeps the slots now and then. A connection that it finds idle and unused since an earlier
//! sweep has been idle for at least the time between the two. If all remaining connections are
//! marked, it sleeps until a connection is opened or a marked one is borrowed.

use std::io;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::parts::fork;
use threadwise_core::{CloseReason, ManageConnection, Report, Validation};

use crate::background::Task;
use crate::core::{Core, Lock};
use crate::flags::Seen;
use crate::slot::Slot;
use crate::state::earlier;

/// How many sweeps fit in the shortest time limit. So the pool acts on a limit at most a quarter of
/// that limit late.
const SWEEPS_PER_LIMIT: u32 = 4;

/// How often the housekeeper checks whether `min_idle` connections are idle.
const MIN_IDLE_INTERVAL: Duration = Duration::from_millis(50);

/// When to try again to close a connection that is too old, but in a transaction.
const TRANSACTION_PAUSE: Duration = Duration::from_secs(1);

/// What earlier sweeps found in a slot.
#[derive(Clone, Copy, Default)]
struct SlotMemory {
    uses: u64,
    /// Since when the connection was idle and unused.
    idle_since: Option<Instant>,
    /// When the pool last asked the server.
    checked: Option<Instant>,
}

/// How long `min_idle` opens nothing, after a permanent error.
struct PermanentErrorPause {
    pause: Duration,
    until: Option<Instant>,
}

/// The housekeeper's memory from one round to the next.
pub(crate) struct Memory {
    slots: Vec<SlotMemory>,
    permanent_error: PermanentErrorPause,
    load: Load,
}

/// The largest number of borrowed connections in the current period.
#[derive(Default)]
struct Load {
    most_borrowed: usize,
    /// When the period ends.
    until: Option<Instant>,
}

/// The result of one round.
pub(crate) struct Round {
    /// When the housekeeper has to work again, as far as it can foresee.
    due: Option<Instant>,
    /// Whether there are connections whose use does not wake the housekeeper.
    is_unmarked: bool,
    /// Whether the pool was closed when the round began.
    closed: bool,
}

/// One look at all slots.
struct Sweep {
    now: Instant,
    /// How many idle connections `idle_timeout` may close.
    surplus: usize,
    borrowed: usize,
    /// When the housekeeper has to work again, as far as it can foresee.
    due: Option<Instant>,
    /// Whether there are connections whose use does not wake the housekeeper.
    is_unmarked: bool,
}

/// # The thread
impl<M: ManageConnection> Core<M> {
    /// Starts the housekeeper if there is none.
    pub(crate) fn start_housekeeper(&self) -> io::Result<()> {
        if cfg!(loom) {
            return Ok(()); // a model has no time
        }
        // Relaxed: it only decides which thread starts one.
        if self.has_housekeeper.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let Some(core) = self.me.upgrade() else { return Ok(()) };
        self.handoff.state.lock().threads += 1;
        let keep = thread::Builder::new().name(self.thread_name("keep"));
        match keep.spawn(fork::apart_from_forks(move || core.run_housekeeper())) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.has_housekeeper.store(false, Ordering::Relaxed);
                self.end_thread();
                Err(error)
            }
        }
    }

    fn run_housekeeper(&self) {
        let mut memory = self.new_memory();
        while let Some(round) = self.run_round(&mut memory) {
            self.sleep_after(&round);
        }
        self.end_thread();
    }

    pub(crate) fn new_memory(&self) -> Memory {
        let pause = self.settings.connect_backoff.first;
        let permanent_error = PermanentErrorPause { pause, until: None };
        Memory { slots: Vec::new(), permanent_error, load: Load::default() }
    }

    /// Does everything that is due. Returns `None` once the pool is closed and no task is left from
    /// which the housekeeper might have to take its capacity.
    pub(crate) fn run_round(&self, memory: &mut Memory) -> Option<Round> {
        let mut state = self.handoff.state.lock();
        state.begin_round();
        let closed = state.closed;
        drop(state);
        let now = self.settings.clock.now();
        let tasks_due = self.release_overdue_tasks(now);
        if closed {
            let round = Round { due: tasks_due, is_unmarked: false, closed };
            return self.background.has_work().then_some(round);
        }
        let sweep = self.sweep(&mut memory.slots, now);
        self.rest_unneeded(&mut memory.load, sweep.borrowed, now);
        let mut due = earlier(sweep.due, tasks_due);
        if sweep.is_unmarked {
            due = earlier(due, self.sweep_interval().and_then(|time| now.checked_add(time)));
        }
        self.report_leaks(now);
        let mut state = self.handoff.state.lock();
        due = earlier(due, state.mark_overdue(self.settings.connect_patience, now));
        self.end_permanent_error(&mut state, &mut memory.permanent_error, now);
        if state.limits.min_idle > 0 {
            due = earlier(due, now.checked_add(MIN_IDLE_INTERVAL));
        }
        self.meet_demand(state);
        Some(Round { due, is_unmarked: sweep.is_unmarked, closed })
    }

    /// Sleeps until there is something to do.
    ///
    /// The last look at what happened since the round, and the sleep, are under one lock. Whatever
    /// begins with a deadline tells the housekeeper under the same lock.
    pub(crate) fn sleep_after(&self, round: &Round) {
        let mut state = self.handoff.state.lock();
        // What happened since the round found the housekeeper awake.
        let has_news = if state.closed {
            !round.closed || !self.background.has_work()
        } else {
            !round.is_unmarked && self.has_unmarked()
        };
        if has_news {
            return;
        }
        let due = state.sleep_until(round.due);
        if due.is_none_or(|due| due > self.settings.clock.now()) {
            drop(self.settings.clock.wait_until(&self.housekeeper, state, due));
        }
    }

    /// The longest time between two sweeps while there are connections whose use does not wake the
    /// housekeeper.
    fn sweep_interval(&self) -> Option<Duration> {
        let ages = &self.settings.ages;
        let times = [self.stale_after(), ages.idle_timeout, ages.keepalive, ages.leak_threshold];
        let shortest = times.into_iter().chain([ages.max_lifetime]).flatten().min()?;
        Some((shortest / SWEEPS_PER_LIMIT).max(Duration::from_millis(1)))
    }

    /// Whether threads may use the connection, or leave it idle for long, without waking the
    /// housekeeper.
    fn is_unmarked(&self, seen: Seen) -> bool {
        match seen {
            Seen::Empty | Seen::Dialling => false,
            // The thread that takes a stale one wakes the housekeeper.
            Seen::Idle { stale: true } => self.stale_after().is_none(),
            _ => true,
        }
    }

    fn has_unmarked(&self) -> bool {
        self.sweep_interval().is_some()
            && self.handoff.slots.iter().any(|slot| self.is_unmarked(slot.seen()))
    }
}

/// # The sweep
impl<M: ManageConnection> Core<M> {
    /// Marks, closes or validates each connection whose time has come.
    fn sweep(&self, memory: &mut Vec<SlotMemory>, now: Instant) -> Sweep {
        let min_idle = self.handoff.state.lock().limits.min_idle;
        let surplus = self.handoff.slots.idle().saturating_sub(min_idle);
        let mut sweep = Sweep { now, surplus, borrowed: 0, due: None, is_unmarked: false };
        for (index, slot) in self.handoff.slots.iter().enumerate() {
            if memory.len() <= index {
                memory.push(SlotMemory::default());
            }
            let seen = slot.seen();
            sweep.is_unmarked |= self.is_unmarked(seen);
            match seen {
                Seen::Empty | Seen::Dialling => memory[index] = SlotMemory::default(),
                Seen::Borrowed | Seen::Reserved => {
                    sweep.borrowed += usize::from(seen == Seen::Borrowed);
                    self.sweep_busy(slot, &mut sweep);
                }
                Seen::Idle { stale } => {
                    self.sweep_idle(slot, stale, &mut memory[index], &mut sweep);
                }
            }
        }
        sweep
    }

    fn sweep_busy(&self, slot: &Slot<M::Connection>, sweep: &mut Sweep) {
        let expires = self.instant(slot.expires());
        if expires.is_some_and(|expires| expires <= sweep.now) {
            slot.mark_expired();
        } else {
            sweep.due = earlier(sweep.due, expires);
        }
        // Neither a use nor a return shows that the server answers.
        if self.stale_from(slot).is_some_and(|from| from <= sweep.now) {
            slot.mark_stale_in_use();
        }
    }

    fn sweep_idle(
        &self,
        slot: &Slot<M::Connection>,
        stale: bool,
        memory: &mut SlotMemory,
        sweep: &mut Sweep,
    ) {
        let (now, uses) = (sweep.now, slot.uses());
        if memory.uses != uses || memory.idle_since.is_none() {
            *memory = SlotMemory { uses, idle_since: Some(now), checked: None };
        }
        let since = memory.idle_since.unwrap_or(now);
        let last_check = memory.checked.unwrap_or(since);
        let after =
            |start: Instant, time: Option<Duration>| time.and_then(|time| start.checked_add(time));
        let is_due = |end: Option<Instant>| end.is_some_and(|end| end <= now);

        let expires = self.instant(slot.expires());
        let idle_ends = after(since, self.settings.ages.idle_timeout);
        let keepalive = after(last_check, self.settings.ages.keepalive);
        let stale_from = if stale { None } else { self.stale_from(slot) };
        if is_due(expires) {
            self.retire_idle(slot, CloseReason::MaxLifetime);
            sweep.due = earlier(sweep.due, now.checked_add(TRANSACTION_PAUSE));
        } else if is_due(idle_ends) && sweep.surplus > 0 {
            sweep.surplus -= 1;
            self.retire_idle(slot, CloseReason::IdleTimeout);
        } else if is_due(keepalive) {
            if let Some(owned) = slot.reserve() {
                memory.checked = Some(now);
                self.submit(Task::Check(owned.hand_over()));
            }
        } else {
            if is_due(stale_from) {
                slot.mark_stale();
            }
            let ends = [expires, keepalive, stale_from, idle_ends.filter(|end| *end > now)];
            sweep.due = ends.into_iter().fold(sweep.due, earlier);
        }
    }

    fn retire_idle(&self, slot: &Slot<M::Connection>, reason: CloseReason) {
        if let Some(owned) = slot.reserve() {
            self.close_in_background(owned, reason);
        }
    }

    /// How old the last answer may be until a connection is stale.
    fn stale_after(&self) -> Option<Duration> {
        match self.lifecycle.validation() {
            Validation::IdleLongerThan(limit) => Some(limit),
            _ => None,
        }
    }

    /// When the connection becomes stale.
    fn stale_from(&self, slot: &Slot<M::Connection>) -> Option<Instant> {
        let limit = self.stale_after()?;
        self.instant(slot.last_answer())?.checked_add(limit)
    }
}

/// # Besides the sweep
impl<M: ManageConnection> Core<M> {
    /// Marks the idle connections that the load did not need for half of `idle_timeout`. Threads take
    /// others first, so that these reach `idle_timeout`.
    ///
    /// Without this, many threads that come one after the other would keep as many connections in use
    /// forever, because each takes the one that it used last. A mark costs its connection's next user
    /// one look at the slots.
    fn rest_unneeded(&self, load: &mut Load, borrowed: usize, now: Instant) {
        let Some(idle_timeout) = self.settings.ages.idle_timeout else { return };
        load.most_borrowed = load.most_borrowed.max(borrowed);
        if load.until.is_some_and(|until| now < until) {
            return;
        }
        if load.until.is_some() {
            let needed = load.most_borrowed.max(1);
            let is_fresh = |slot: &&Slot<M::Connection>| slot.seen() == Seen::Idle { stale: false };
            let idle = self.handoff.slots.iter().filter(is_fresh);
            idle.skip(needed.saturating_sub(borrowed)).for_each(Slot::mark_resting);
        }
        *load = Load { most_borrowed: borrowed, until: now.checked_add(idle_timeout / 2) };
    }

    /// After a growing pause, lets `min_idle` open connections again although the last error was
    /// permanent: a person may have corrected its cause.
    fn end_permanent_error(
        &self,
        state: &mut Lock<'_, M>,
        permanent_error: &mut PermanentErrorPause,
        now: Instant,
    ) {
        let backoff = self.settings.connect_backoff;
        if state.last_error().is_none() {
            *permanent_error = PermanentErrorPause { pause: backoff.first, until: None };
        }
        if !state.has_permanent_error {
            return;
        }
        match permanent_error.until {
            None => permanent_error.until = now.checked_add(permanent_error.pause),
            Some(until) if until <= now => {
                state.has_permanent_error = false;
                let pause = permanent_error.pause.saturating_mul(2).min(backoff.longest);
                *permanent_error = PermanentErrorPause { pause, until: None };
            }
            Some(_) => {}
        }
    }

    fn report_leaks(&self, now: Instant) {
        let Some(threshold) = self.settings.ages.leak_threshold else { return };
        for holder in self.holders.take_overdue(threshold, now) {
            let held = now.saturating_duration_since(holder.since);
            let report = Report::Leaked { pool: self.name(), holder: &holder, held };
            self.lifecycle.observer().emit(|events| events.report(&report));
        }
    }
}
