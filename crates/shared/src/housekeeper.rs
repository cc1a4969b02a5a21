//! The thread that looks after connections, so that borrowers need not: it marks those that have been
//! idle for long or are too old, so that a `get` reads no clock; has others opened when fewer than
//! `min_idle` are idle, so that a `get` counts nothing; and sees who takes too long for something. It
//! only ever looks and marks: what takes time is done in the workshop.
//!
//! It sweeps the slots now and then. A connection that it finds idle and unused since an earlier
//! sweep has been idle for at least the time between the two. When there is nothing left to mark
//! it sleeps, until a connection is opened or a marked one is lent.

use std::io;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{CloseReason, ManageConnection, Report, Validation, fork};

use crate::state::earlier;
use crate::pool::{Core, Lock};
use crate::slot::{Seen, Slot};
use crate::background::Job;

/// How many times a connection is seen during the shortest time that matters: what is done after
/// that time is done when a quarter more has passed, at the latest.
const SWEEPS: u32 = 4;

/// How often it is seen to that enough connections are idle.
const FLOOR: Duration = Duration::from_millis(50);

/// When to try again to close a connection that is too old, but in a transaction.
const POSTPONED: Duration = Duration::from_secs(1);

/// What is done with connections that nobody uses, and after how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    pub(crate) max_lifetime: Option<Duration>,
    /// The part of it, from 0 to 1, by which a connection's own may be shorter.
    pub(crate) lifetime_jitter: f64,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) leak_threshold: Option<Duration>,
}

/// What earlier sweeps saw of a slot.
#[derive(Clone, Copy, Default)]
struct Memory {
    uses: u64,
    /// Since when it has been seen idle without having been used.
    idle_since: Option<Instant>,
    /// When the server was asked last.
    checked: Option<Instant>,
}

/// How long nothing is opened in advance, after an error that waiting does not mend.
struct Hopeless {
    pause: Duration,
    until: Option<Instant>,
}

/// What the housekeeper remembers from one look to the next.
pub(crate) struct Diary {
    slots: Vec<Memory>,
    hopeless: Hopeless,
    load: Load,
}

/// How many connections were in use at once, at most, since the last judgement of that.
#[derive(Default)]
struct Load {
    most_borrowed: usize,
    /// When it is judged next.
    until: Option<Instant>,
}

/// What a look has come to.
pub(crate) struct Look {
    /// When there is something to do, as far as can be foreseen.
    due: Option<Instant>,
    /// There are connections whose use the housekeeper is not told of.
    is_unmarked: bool,
    /// The pool was closed by then.
    closed: bool,
}

/// One look at all slots.
struct Sweep {
    now: Instant,
    /// How many may be closed for having been idle.
    surplus: usize,
    borrowed: usize,
    /// When there is something to do, as far as can be foreseen.
    due: Option<Instant>,
    /// There are connections whose use the housekeeper is not told of.
    is_unmarked: bool,
}

impl<M: ManageConnection> Core<M> {
    /// Starts the housekeeper, if there is none.
    pub(crate) fn start_housekeeper(&self) -> io::Result<()> {
        if cfg!(loom) {
            return Ok(()); // there is no time in a model
        }
        // Relaxed: it only says whose it is to start one.
        if self.is_kept.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let Some(core) = self.me.upgrade() else { return Ok(()) };
        self.exchange.line.lock().threads += 1;
        let keep = thread::Builder::new().name(self.thread_name("keep"));
        match keep.spawn(fork::apart_from_forks(move || core.keep_house())) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.is_kept.store(false, Ordering::Relaxed);
                self.end_thread();
                Err(error)
            }
        }
    }

    fn keep_house(&self) {
        let mut diary = self.new_diary();
        while let Some(look) = self.look_after(&mut diary) {
            self.sleep_after(&look);
        }
        self.end_thread();
    }

    pub(crate) fn new_diary(&self) -> Diary {
        let pause = self.settings.connect_backoff.first;
        let hopeless = Hopeless { pause, until: None };
        Diary { slots: Vec::new(), hopeless, load: Load::default() }
    }

    /// Sees to everything whose time has come. `None` once the pool is closed and its workshop has
    /// nothing to do whose capacity could have to be taken from it.
    pub(crate) fn look_after(&self, diary: &mut Diary) -> Option<Look> {
        let mut line = self.exchange.line.lock();
        line.begin_look();
        let closed = line.closed;
        drop(line);
        let now = self.settings.clock.now();
        let jobs_due = self.relieve_workshop(now);
        if closed {
            let look = Look { due: jobs_due, is_unmarked: false, closed };
            return self.workshop.has_work().then_some(look);
        }
        let sweep = self.sweep(&mut diary.slots, now);
        self.let_rest(&mut diary.load, sweep.borrowed, now);
        let mut due = earlier(sweep.due, jobs_due);
        if sweep.is_unmarked {
            due = earlier(due, self.tick().and_then(|tick| now.checked_add(tick)));
        }
        self.report_leaks(now);
        let mut line = self.exchange.line.lock();
        due = earlier(due, line.mark_overdue(self.settings.connect_patience, now));
        self.hope_again(&mut line, &mut diary.hopeless, now);
        if line.limits.min_idle > 0 {
            due = earlier(due, now.checked_add(FLOOR));
        }
        self.meet_demand(line);
        Some(Look { due, is_unmarked: sweep.is_unmarked, closed })
    }

    /// Sleeps until there is something to see to. The last look at what came since, and the sleep, are
    /// under one lock: whatever begins with a deadline is told under it.
    pub(crate) fn sleep_after(&self, look: &Look) {
        let mut line = self.exchange.line.lock();
        // What came since the look has found the housekeeper awake.
        let has_news = if line.closed {
            !look.closed || !self.workshop.has_work()
        } else {
            !look.is_unmarked && self.has_unmarked()
        };
        if has_news {
            return;
        }
        let due = line.sleep_until(look.due);
        if due.is_none_or(|due| due > self.settings.clock.now()) {
            drop(self.settings.clock.wait_until(&self.chore, line, due));
        }
    }

    /// An error that waiting does not mend is mended by a person some time: after growing pauses,
    /// connections may be opened in advance again.
    fn hope_again(&self, line: &mut Lock<'_, M>, hopeless: &mut Hopeless, now: Instant) {
        if line.last_error().is_none() {
            *hopeless = Hopeless { pause: self.settings.connect_backoff.first, until: None };
        }
        if !line.is_hopeless {
            return;
        }
        match hopeless.until {
            None => hopeless.until = now.checked_add(hopeless.pause),
            Some(until) if until <= now => {
                line.is_hopeless = false;
                let pause =
                    hopeless.pause.saturating_mul(2).min(self.settings.connect_backoff.longest);
                *hopeless = Hopeless { pause, until: None };
            }
            Some(_) => {}
        }
    }

    /// How long what is not told may go unnoticed.
    fn tick(&self) -> Option<Duration> {
        let ages = &self.settings.ages;
        let times = [self.stale_after(), ages.idle_timeout, ages.keepalive, ages.leak_threshold];
        let shortest = times.into_iter().chain([ages.max_lifetime]).flatten().min()?;
        Some((shortest / SWEEPS).max(Duration::from_millis(1)))
    }

    /// After how long a connection that lay idle is to be checked before it is lent.
    fn stale_after(&self) -> Option<Duration> {
        match self.lifecycle.validation() {
            Validation::IdleLongerThan(limit) => Some(limit),
            _ => None,
        }
    }

    /// Whether a connection may be used, or lie idle for long, without anybody telling.
    fn is_unmarked(&self, seen: Seen) -> bool {
        match seen {
            Seen::Empty | Seen::Dialling => false,
            Seen::Idle { stale: true } => self.stale_after().is_none(), // who takes it tells
            _ => true,
        }
    }

    fn has_unmarked(&self) -> bool {
        self.tick().is_some()
            && self.exchange.slots.iter().any(|slot| self.is_unmarked(slot.seen()))
    }

    /// Marks, closes or has checked what it is time for.
    fn sweep(&self, memory: &mut Vec<Memory>, now: Instant) -> Sweep {
        let min_idle = self.exchange.line.lock().limits.min_idle;
        let surplus = self.exchange.idle().saturating_sub(min_idle);
        let mut sweep = Sweep { now, surplus, borrowed: 0, due: None, is_unmarked: false };
        for (index, slot) in self.exchange.slots.iter().enumerate() {
            if memory.len() <= index {
                memory.push(Memory::default());
            }
            let seen = slot.seen();
            sweep.is_unmarked |= self.is_unmarked(seen);
            match seen {
                Seen::Empty | Seen::Dialling => memory[index] = Memory::default(),
                Seen::Borrowed | Seen::Reserved => {
                    sweep.borrowed += usize::from(seen == Seen::Borrowed);
                    self.look_at_busy(slot, &mut sweep);
                }
                Seen::Idle { stale } => {
                    self.look_at_idle(slot, stale, &mut memory[index], &mut sweep);
                }
            }
        }
        sweep
    }

    /// Threads take the connection that they used last, so each of many that come one after the other
    /// would keep its own in use forever. What was not needed at once for half of `idle_timeout` is
    /// marked: others are taken first, and it is closed once it has been idle for `idle_timeout`.
    /// A mark costs its connection's next user one look around.
    fn let_rest(&self, load: &mut Load, borrowed: usize, now: Instant) {
        let Some(idle_timeout) = self.settings.ages.idle_timeout else { return };
        load.most_borrowed = load.most_borrowed.max(borrowed);
        if load.until.is_some_and(|until| now < until) {
            return;
        }
        if load.until.is_some() {
            let needed = load.most_borrowed.max(1);
            let is_fresh = |slot: &&Slot<M::Connection>| slot.seen() == Seen::Idle { stale: false };
            let idle = self.exchange.slots.iter().filter(is_fresh);
            idle.skip(needed.saturating_sub(borrowed)).for_each(Slot::rest);
        }
        *load = Load { most_borrowed: borrowed, until: now.checked_add(idle_timeout / 2) };
    }

    fn look_at_busy(&self, slot: &Slot<M::Connection>, sweep: &mut Sweep) {
        let expires = self.instant(slot.expires());
        if expires.is_some_and(|expires| expires <= sweep.now) {
            slot.mark_expired();
        } else {
            sweep.due = earlier(sweep.due, expires);
        }
        // A use is no sign of life, and neither is its end.
        if self.stale_from(slot).is_some_and(|from| from <= sweep.now) {
            slot.mark_stale_in_use();
        }
    }

    /// When the connection's last sign of life is too old for it to be lent without a question.
    fn stale_from(&self, slot: &Slot<M::Connection>) -> Option<Instant> {
        let limit = self.stale_after()?;
        self.instant(slot.alive())?.checked_add(limit)
    }

    fn look_at_idle(
        &self,
        slot: &Slot<M::Connection>,
        stale: bool,
        memory: &mut Memory,
        sweep: &mut Sweep,
    ) {
        let (now, uses) = (sweep.now, slot.uses());
        if memory.uses != uses || memory.idle_since.is_none() {
            *memory = Memory { uses, idle_since: Some(now), checked: None };
        }
        let since = memory.idle_since.unwrap_or(now);
        let known_good = memory.checked.unwrap_or(since);
        let after =
            |start: Instant, time: Option<Duration>| time.and_then(|time| start.checked_add(time));
        let is_due = |end: Option<Instant>| end.is_some_and(|end| end <= now);

        let expires = self.instant(slot.expires());
        let idle_ends = after(since, self.settings.ages.idle_timeout);
        let keepalive = after(known_good, self.settings.ages.keepalive);
        let stale_from = if stale { None } else { self.stale_from(slot) };
        if is_due(expires) {
            self.retire_idle(slot, CloseReason::MaxLifetime);
            sweep.due = earlier(sweep.due, now.checked_add(POSTPONED));
        } else if is_due(idle_ends) && sweep.surplus > 0 {
            sweep.surplus -= 1;
            self.retire_idle(slot, CloseReason::IdleTimeout);
        } else if is_due(keepalive) {
            if let Some(owned) = slot.reserve() {
                memory.checked = Some(now);
                self.submit(Job::Check(owned.hand_over()));
            }
        } else {
            if stale_from.is_some_and(|from| from <= now) {
                slot.mark_stale();
            }
            let ends = [expires, keepalive, stale_from, idle_ends.filter(|end| *end > now)];
            sweep.due = ends.into_iter().fold(sweep.due, earlier);
        }
    }

    fn retire_idle(&self, slot: &Slot<M::Connection>, reason: CloseReason) {
        if let Some(owned) = slot.reserve() {
            self.give_up(owned, reason);
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
