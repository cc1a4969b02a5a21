//! The pool's worker threads, which close and check connections, so that no caller waits for that.
//! The pool starts them when there is work; they end when there has been none for a while.
//!
//! A task holds its connection's capacity, because a connection that is being closed is still open
//! for the server. A task that takes longer than `validation_timeout` loses the right to its slot: the
//! pool no longer counts that connection, and the manager's call ends when it ends.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use threadwise_core::parts::fork;
use threadwise_core::parts::sync::{Condvar, Mutex, thread};
use threadwise_core::{CloseReason, ManageConnection};

use crate::core::{CONNECTED, Core, OwnedSlot};
use crate::dialer::THREAD_RETRY_PAUSE;
use crate::slot::Handed;
use crate::state::earlier;

/// The most workers, without those whose task takes too long.
const MAX_WORKERS: usize = 16;

/// How long a worker without a task stays.
const LINGER: Duration = Duration::from_secs(1);

pub(crate) struct Background<C> {
    queue: Mutex<TaskQueue<C>>,
    /// Notified when a task was added.
    added: Condvar,
    /// Notified when a task has ended.
    ended: Condvar,
}

/// The work on a connection that the pool itself owns.
pub(crate) enum Task<C> {
    Close(Handed<C>, CloseReason),
    /// Ask the server whether the connection works.
    Check(Handed<C>),
}

struct TaskQueue<C> {
    tasks: VecDeque<Task<C>>,
    /// Workers, those included that are about to start.
    workers: usize,
    /// Workers that have taken a task.
    busy: usize,
    running: Vec<RunningTask<C>>,
    started: u64,
    closed: bool,
}

struct RunningTask<C> {
    number: u64,
    is_check: bool,
    /// When the task is overdue.
    until: Option<Instant>,
    /// The right to the slot; `None` once the task takes too long.
    right: Option<Handed<C>>,
}

impl<C> Background<C> {
    pub(crate) fn new() -> Self {
        let queue = TaskQueue {
            tasks: VecDeque::new(),
            workers: 0,
            busy: 0,
            running: Vec::new(),
            started: 0,
            closed: false,
        };
        Self { queue: Mutex::new(queue), added: Condvar::new(), ended: Condvar::new() }
    }

    /// Whether a task waits, or one runs that still holds the right to its slot.
    pub(crate) fn has_work(&self) -> bool {
        let queue = self.queue.lock();
        !queue.tasks.is_empty() || queue.running.iter().any(|task| task.right.is_some())
    }

    /// Waits until there is no task, at the latest until `end`.
    fn await_idle(&self, end: Instant) {
        let mut queue = self.queue.lock();
        while !(queue.tasks.is_empty() && queue.busy == 0) && Instant::now() < end {
            queue = self.ended.wait_until(queue, Some(end));
        }
    }

    /// Returns a worker's next task. Returns `None` if none has come within `linger`; the worker
    /// then ends.
    fn next(&self, linger: Duration) -> Option<Task<C>> {
        let mut queue = self.queue.lock();
        let end = Instant::now() + linger;
        while queue.tasks.is_empty() && !queue.closed && Instant::now() < end {
            queue = self.added.wait_until(queue, Some(end));
        }
        let task = queue.tasks.pop_front();
        match task {
            Some(_) => queue.busy += 1,
            None => queue.workers -= 1,
        }
        task
    }

    /// Notes that a worker has finished its task.
    fn finish(&self) {
        self.queue.lock().busy -= 1;
        self.ended.notify_all();
    }

    /// Takes the right to the slot from a worker that begins to call the manager. Returns the task's
    /// number.
    fn begin(&self, right: Handed<C>, is_check: bool, until: Option<Instant>) -> u64 {
        let mut queue = self.queue.lock();
        queue.started += 1;
        let number = queue.started;
        queue.running.push(RunningTask { number, is_check, until, right: Some(right) });
        number
    }

    /// Returns the right to the slot to a worker when the manager's call has ended; `None` if that
    /// took too long.
    fn end(&self, number: u64) -> Option<Handed<C>> {
        let mut queue = self.queue.lock();
        let position = queue.running.iter().position(|task| task.number == number);
        let task = queue.running.swap_remove(position.expect("a task ends once"));
        task.right
    }
}

impl<C> TaskQueue<C> {
    /// Whether the pool needs one more worker and may start it. If so, the worker counts from now
    /// on.
    fn reserve_worker_if_needed(&mut self) -> bool {
        let free = self.workers.saturating_sub(self.busy);
        let stuck = self.running.iter().filter(|task| task.right.is_none()).count();
        // Saturating: a stuck task need not be a worker's. Where the system has no thread, the caller
        // runs the task itself.
        let reserves = self.tasks.len() > free && self.workers.saturating_sub(stuck) < MAX_WORKERS;
        self.workers += usize::from(reserves);
        reserves
    }
}

/// # Workers
impl<M: ManageConnection> Core<M> {
    /// Gives a task to a worker. If the pool is closed or the system has no thread, this thread
    /// runs the task.
    pub(crate) fn submit(&self, task: Task<M::Connection>) {
        if cfg!(loom) {
            return self.run_task(task); // the models have few threads
        }
        let mut queue = self.background.queue.lock();
        if queue.closed {
            drop(queue);
            return self.run_task(task);
        }
        queue.tasks.push_back(task);
        let needs_worker = queue.reserve_worker_if_needed();
        drop(queue);
        self.background.added.notify_one();
        if needs_worker {
            self.start_worker();
        }
    }

    #[cold]
    fn start_worker(&self) {
        self.handoff.state.lock().threads += 1;
        let Some(core) = self.me.upgrade() else {
            return self.run_worker(Duration::ZERO); // the last guard is being dropped
        };
        let worker = thread::Builder::new().name(self.thread_name("work"));
        if worker.spawn(fork::apart_from_forks(move || core.run_worker(LINGER))).is_err() {
            self.fail_without_worker();
        }
    }

    /// Called when the system has no thread for a worker. The housekeeper tries again. Without a
    /// housekeeper, the caller runs the tasks.
    fn fail_without_worker(&self) {
        let mut state = self.handoff.state.lock();
        // Relaxed: see `start_housekeeper`.
        if state.closed || !self.has_housekeeper.load(Ordering::Relaxed) {
            drop(state);
            return self.run_worker(Duration::ZERO);
        }
        state.threads -= 1;
        // Before the housekeeper looks whether a worker is needed.
        self.background.queue.lock().workers -= 1;
        let again = self.settings.clock.now().checked_add(THREAD_RETRY_PAUSE);
        self.wake_housekeeper_by(&mut state, again);
    }

    fn run_worker(&self, linger: Duration) {
        while let Some(task) = self.background.next(linger) {
            self.run_task(task);
            self.background.finish();
        }
        self.end_thread();
    }

    /// Stops taking tasks. Waits for the last ones, at the latest until `end`.
    pub(crate) fn close_background(&self, end: Instant) {
        self.background.queue.lock().closed = true;
        self.background.added.notify_all();
        self.background.await_idle(end);
    }
}

/// # Tasks
impl<M: ManageConnection> Core<M> {
    fn run_task(&self, task: Task<M::Connection>) {
        match task {
            Task::Close(right, reason) => self.close_connection(right, reason),
            Task::Check(right) => self.check_connection(right),
        }
    }

    fn close_connection(&self, right: Handed<M::Connection>, reason: CloseReason) {
        let mut owned = self.handoff.slots.accept(right);
        let is_old = reason == CloseReason::MaxLifetime;
        if is_old && self.lifecycle.in_transaction(owned.content_mut().as_mut().expect(CONNECTED)) {
            return self.keep_open(owned); // until the transaction has ended
        }
        let conn = owned.take_out().expect(CONNECTED);
        let number = self.begin_task(owned.hand_over(), false);
        self.lifecycle.close(conn, reason);
        if let Some(right) = self.background.end(number) {
            self.free_capacity(self.handoff.slots.accept(right), true);
        }
    }

    /// Returns a connection that does not have to be closed after all.
    fn keep_open(&self, owned: OwnedSlot<'_, M>) {
        let mut state = self.handoff.state.lock();
        state.closing -= 1;
        owned.slot().mark_surplus(); // it may be one too many, now that it counts again
        drop(state);
        self.put(owned);
    }

    /// Asks the server whether the connection works. Makes it idle again, or closes it.
    fn check_connection(&self, right: Handed<M::Connection>) {
        let mut owned = self.handoff.slots.accept(right);
        let mut conn = owned.take_out().expect(CONNECTED);
        let number = self.begin_task(owned.hand_over(), true);
        let answer = self.lifecycle.check_idle(&mut conn);
        let Some(right) = self.background.end(number) else {
            return self.lifecycle.close_uncounted(conn); // too late: the slot has another owner
        };
        let mut owned = self.handoff.slots.accept(right);
        *owned.content_mut() = Some(conn);
        match answer {
            Ok(()) => {
                owned.record_check_answer(self.nanos(self.settings.clock.now()));
                self.put(owned);
            }
            Err(reason) => {
                self.suspect(owned.origin());
                self.handoff.state.lock().closing += 1;
                self.close_connection(owned.hand_over(), reason);
            }
        }
    }

    /// Begins a task, and tells the housekeeper when it takes too long. Returns the task's number.
    fn begin_task(&self, right: Handed<M::Connection>, is_check: bool) -> u64 {
        let limit = self.lifecycle.validation_timeout();
        let until = limit.and_then(|limit| self.settings.clock.now().checked_add(limit));
        let number = self.background.begin(right, is_check, until);
        // After it is listed: the housekeeper sees it there, or is told before it sleeps.
        self.wake_housekeeper_by(&mut self.handoff.state.lock(), until);
        number
    }

    /// Takes the capacity from overdue tasks, and starts workers to replace theirs. Returns when to
    /// look again.
    pub(crate) fn release_overdue_tasks(&self, now: Instant) -> Option<Instant> {
        let mut queue = self.background.queue.lock();
        let (mut freed, mut next) = (Vec::new(), None);
        for task in queue.running.iter_mut().filter(|task| task.right.is_some()) {
            if task.until.is_some_and(|until| until <= now) {
                freed.extend(task.right.take().map(|right| (right, task.is_check)));
            } else {
                next = earlier(next, task.until);
            }
        }
        let mut new_workers = 0;
        while queue.reserve_worker_if_needed() {
            new_workers += 1;
        }
        drop(queue);
        for (right, is_check) in freed {
            if is_check {
                self.lifecycle.count_lost(CloseReason::CheckTimedOut); // a close has been counted
            }
            self.free_capacity(self.handoff.slots.accept(right), !is_check);
        }
        for _ in 0..new_workers {
            self.start_worker();
        }
        next
    }
}
