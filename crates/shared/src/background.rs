//! The pool's threads that close and check connections, so that no caller waits for that. They are
//! started when there is work, and end when there has been none for a while.
//!
//! A job holds its connection's capacity: what is being closed is open still, for the server. But not
//! for ever: a job that takes longer than `validation_timeout` loses the right to its slot. The pool
//! counts that connection no more; whatever it hangs in is left to end by itself.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use threadwise_core::sync::{Condvar, Mutex, thread};
use threadwise_core::{CloseReason, ManageConnection, fork};

use crate::dialer::WITHOUT_THREAD;
use crate::state::earlier;
use crate::pool::{CONNECTED, Core, OwnedSlot};
use crate::slot::Handed;

/// The most threads, not counting those whose job takes too long.
const WORKERS: usize = 16;

/// How long a thread without work stays.
const LINGER: Duration = Duration::from_secs(1);

pub(crate) struct Workshop<C> {
    bench: Mutex<Bench<C>>,
    came: Condvar,
    done: Condvar,
}

/// What is to be done with a connection that the pool has to itself.
pub(crate) enum Job<C> {
    Close(Handed<C>, CloseReason),
    /// Ask the server whether it works.
    Check(Handed<C>),
}

struct Bench<C> {
    jobs: VecDeque<Job<C>>,
    /// Threads, those about to begin included.
    workers: usize,
    /// Threads that have taken a job.
    busy: usize,
    under_way: Vec<UnderWay<C>>,
    begun: u64,
    closed: bool,
}

struct UnderWay<C> {
    number: u64,
    is_check: bool,
    /// When it takes too long.
    until: Option<Instant>,
    /// The right to the slot; `None` once it has taken too long.
    right: Option<Handed<C>>,
}

impl<C> Workshop<C> {
    pub(crate) fn new() -> Self {
        let bench = Bench {
            jobs: VecDeque::new(),
            workers: 0,
            busy: 0,
            under_way: Vec::new(),
            begun: 0,
            closed: false,
        };
        Self { bench: Mutex::new(bench), came: Condvar::new(), done: Condvar::new() }
    }

    /// Waits until there is nothing to do, at the latest until `end`.
    fn await_idle(&self, end: Instant) {
        let mut bench = self.bench.lock();
        while !(bench.jobs.is_empty() && bench.busy == 0) && Instant::now() < end {
            bench = self.done.wait_until(bench, Some(end));
        }
    }

    /// What a worker does next; `None` if nothing has come within `linger`, and the worker ends.
    fn next(&self, linger: Duration) -> Option<Job<C>> {
        let mut bench = self.bench.lock();
        let end = Instant::now() + linger;
        while bench.jobs.is_empty() && !bench.closed && Instant::now() < end {
            bench = self.came.wait_until(bench, Some(end));
        }
        let job = bench.jobs.pop_front();
        match job {
            Some(_) => bench.busy += 1,
            None => bench.workers -= 1,
        }
        job
    }

    /// A worker has done what it took.
    fn done(&self) {
        self.bench.lock().busy -= 1;
        self.done.notify_all();
    }

    /// A worker has begun; it holds the right to the slot no more, this does.
    fn begin(&self, right: Handed<C>, is_check: bool, until: Option<Instant>) -> u64 {
        let mut bench = self.bench.lock();
        bench.begun += 1;
        let number = bench.begun;
        bench.under_way.push(UnderWay { number, is_check, until, right: Some(right) });
        number
    }

    /// Whether a job waits, or is under way and holds the right to its slot still.
    pub(crate) fn has_work(&self) -> bool {
        let bench = self.bench.lock();
        !bench.jobs.is_empty() || bench.under_way.iter().any(|job| job.right.is_some())
    }

    /// A worker is done, and gets the right to the slot back unless it took too long.
    fn end(&self, number: u64) -> Option<Handed<C>> {
        let mut bench = self.bench.lock();
        let position = bench.under_way.iter().position(|job| job.number == number);
        let job = bench.under_way.swap_remove(position.expect("a job ends once"));
        job.right
    }
}

impl<C> Bench<C> {
    /// Whether there is work for one more thread. If so, it counts already.
    fn hire(&mut self) -> bool {
        let free = self.workers.saturating_sub(self.busy);
        let stuck = self.under_way.iter().filter(|job| job.right.is_none()).count();
        // Not all that are stuck need be workers: a caller does the job itself where the system has
        // no thread.
        let hires = self.jobs.len() > free && self.workers.saturating_sub(stuck) < WORKERS;
        self.workers += usize::from(hires);
        hires
    }
}

impl<M: ManageConnection> Core<M> {
    /// Has a job done by another thread, unless the pool is closed or no thread is to be had: by this
    /// one then.
    pub(crate) fn submit(&self, job: Job<M::Connection>) {
        if cfg!(loom) {
            return self.work_on(job); // the plays have few threads
        }
        let mut bench = self.workshop.bench.lock();
        if bench.closed {
            drop(bench);
            return self.work_on(job);
        }
        bench.jobs.push_back(job);
        let hires = bench.hire();
        drop(bench);
        self.workshop.came.notify_one();
        if hires {
            self.start_worker();
        }
    }

    #[cold]
    fn start_worker(&self) {
        self.exchange.line.lock().threads += 1;
        let Some(core) = self.me.upgrade() else {
            return self.work(Duration::ZERO); // the last guard is ending
        };
        let worker = thread::Builder::new().name(self.thread_name("work"));
        if worker.spawn(fork::apart_from_forks(move || core.work(LINGER))).is_err() {
            self.go_without_worker();
        }
    }

    /// The system had no thread for a worker. The housekeeper tries again; without one, the caller
    /// does the work.
    fn go_without_worker(&self) {
        let mut line = self.exchange.line.lock();
        // Relaxed: see `start_housekeeper`.
        if line.closed || !self.is_kept.load(Ordering::Relaxed) {
            drop(line);
            return self.work(Duration::ZERO);
        }
        line.threads -= 1;
        self.workshop.bench.lock().workers -= 1; // before the housekeeper looks whether to hire
        let again = self.settings.clock.now().checked_add(WITHOUT_THREAD);
        self.tell_housekeeper(&mut line, again);
    }

    fn work(&self, linger: Duration) {
        while let Some(job) = self.workshop.next(linger) {
            self.work_on(job);
            self.workshop.done();
        }
        self.end_thread();
    }

    fn work_on(&self, job: Job<M::Connection>) {
        match job {
            Job::Close(right, reason) => self.close_connection(right, reason),
            Job::Check(right) => self.check_connection(right),
        }
    }

    fn close_connection(&self, right: Handed<M::Connection>, reason: CloseReason) {
        let mut owned = self.exchange.slots.accept(right);
        let is_old = reason == CloseReason::MaxLifetime;
        if is_old && self.lifecycle.in_transaction(owned.content().as_ref().expect(CONNECTED)) {
            return self.spare(owned); // later, then
        }
        let conn = owned.take_out().expect(CONNECTED);
        let number = self.begin_job(owned.hand_over(), false);
        self.lifecycle.close(conn, reason);
        if let Some(right) = self.workshop.end(number) {
            self.free(self.exchange.slots.accept(right), true);
        }
    }

    /// A connection is not closed after all.
    fn spare(&self, owned: OwnedSlot<'_, M>) {
        let mut line = self.exchange.line.lock();
        line.closing -= 1;
        owned.slot().mark_surplus(); // it may be one too many, if it counts again
        drop(line);
        self.put(owned);
    }

    /// Asks the server; the connection is idle again, or closed.
    fn check_connection(&self, right: Handed<M::Connection>) {
        let mut owned = self.exchange.slots.accept(right);
        let mut conn = owned.take_out().expect(CONNECTED);
        let number = self.begin_job(owned.hand_over(), true);
        let answer = self.lifecycle.check_idle(&mut conn);
        let Some(right) = self.workshop.end(number) else {
            return self.lifecycle.close_uncounted(conn); // too late: its slot is another's
        };
        let mut owned = self.exchange.slots.accept(right);
        *owned.content_mut() = Some(conn);
        match answer {
            Ok(()) => {
                owned.record_answer(self.nanos(self.settings.clock.now()));
                self.put(owned);
            }
            Err(reason) => {
                self.suspect(owned.generation());
                self.exchange.line.lock().closing += 1;
                self.close_connection(owned.hand_over(), reason);
            }
        }
    }

    /// A job begins; the housekeeper is told when it takes too long.
    fn begin_job(&self, right: Handed<M::Connection>, is_check: bool) -> u64 {
        let limit = self.lifecycle.validation_timeout();
        let until = limit.and_then(|limit| self.settings.clock.now().checked_add(limit));
        let number = self.workshop.begin(right, is_check, until);
        // After it is listed: the housekeeper sees it there, or hears of it before it sleeps.
        self.tell_housekeeper(&mut self.exchange.line.lock(), until);
        number
    }

    /// Takes their capacity from the jobs that take too long, and lets others begin in their place.
    /// The moment at which to look again.
    pub(crate) fn relieve_workshop(&self, now: Instant) -> Option<Instant> {
        let mut bench = self.workshop.bench.lock();
        let (mut freed, mut next) = (Vec::new(), None);
        for job in bench.under_way.iter_mut().filter(|job| job.right.is_some()) {
            if job.until.is_some_and(|until| until <= now) {
                freed.extend(job.right.take().map(|right| (right, job.is_check)));
            } else {
                next = earlier(next, job.until);
            }
        }
        let hired = std::iter::repeat_with(|| bench.hire()).take_while(|hired| *hired).count();
        drop(bench);
        for (right, is_check) in freed {
            if is_check {
                self.lifecycle.count_closed(CloseReason::CheckTimedOut); // a close has been counted
            }
            self.free(self.exchange.slots.accept(right), !is_check);
        }
        (0..hired).for_each(|_| self.start_worker());
        next
    }

    /// No work is taken on any more; waits for what there is, at the latest until `end`.
    pub(crate) fn close_workshop(&self, end: Instant) {
        self.workshop.bench.lock().closed = true;
        self.workshop.came.notify_all();
        self.workshop.await_idle(end);
    }

    /// Gives a connection up that is the caller's; its capacity is free when it is closed, and not
    /// before: the limit counts what the server has to bear.
    #[cold]
    #[inline(never)]
    pub(crate) fn give_up(&self, owned: OwnedSlot<'_, M>, reason: CloseReason) {
        self.exchange.line.lock().closing += 1;
        self.close_off(owned, reason);
    }

    /// As [`give_up`](Self::give_up), for one that counts as being closed already.
    pub(crate) fn close_off(&self, owned: OwnedSlot<'_, M>, reason: CloseReason) {
        self.submit(Job::Close(owned.hand_over(), reason));
    }
}
