//! The watcher: the thread that asks a host regularly for its condition.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use threadwise_core::parts::sync::Mutex;
use threadwise_core::parts::{foreign, fork};

use crate::OneHost;
use crate::common::Common;
use crate::host::{Host, Question};

/// The shortest pause between two questions, however often connections break.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// How often a watcher asks its host, and how long it waits for the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) every: Duration,
    pub(crate) timeout: Duration,
    /// The longest age of the watcher's own connection.
    pub(crate) log_in_every: Option<Duration>,
}

/// Wakes the watcher of one host. `fork` waits while a thread holds the lock, so that a forked child finds it
/// free.
pub(crate) struct Watch {
    asks_now: AtomicBool,
    /// The system refused the watcher's thread.
    is_missing: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

/// The watcher's own connection.
pub(crate) struct Own<C> {
    conn: C,
    opened: Instant,
    question: Question,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            asks_now: AtomicBool::new(false),
            is_missing: AtomicBool::new(false),
            thread: Mutex::new(None),
        }
    }

    /// Wakes the watcher to ask at once.
    pub(crate) fn ask_now(&self) {
        self.asks_now.store(true, Ordering::Release); // pairs with the Acquire in `is_asked`
        self.wake();
    }

    /// Wakes the watcher, because it should ask or because its epoch is over.
    pub(crate) fn wake(&self) {
        if let Some(thread) = fork::hold_off(|| self.thread.lock().clone()) {
            thread.unpark();
        }
    }

    /// Registers the calling thread as the one that `wake` wakes. Wakes the watcher of an earlier epoch,
    /// which then ends.
    ///
    /// An earlier call of `wake` is not lost: its reason is visible to this thread after the lock.
    fn register(&self, common: &Common, epoch: u64) {
        let earlier = fork::hold_off(|| {
            let mut thread = self.thread.lock();
            let is_current = common.watch_epoch() == epoch;
            if is_current { thread.replace(thread::current()) } else { None }
        });
        if let Some(earlier) = earlier {
            earlier.unpark();
        }
    }

    fn is_asked(&self) -> bool {
        self.asks_now.swap(false, Ordering::Acquire)
    }

    /// Waits until the next question is due. Returns `false` if the epoch is over.
    fn wait(&self, common: &Common, epoch: u64, every: Duration) -> bool {
        let begun = Instant::now();
        let shortest = SHORTEST_PAUSE.min(every);
        loop {
            if common.watch_epoch() != epoch {
                return false;
            }
            let waited = begun.elapsed();
            if waited >= every || (waited >= shortest && self.is_asked()) {
                return true;
            }
            // After `ask_now`, wait only for the shortest pause. Relaxed: `is_asked` decides.
            let is_asked = self.asks_now.load(Ordering::Relaxed);
            let until = if is_asked { shortest } else { every };
            thread::park_timeout(until.saturating_sub(waited));
        }
    }
}

/// Starts the watcher of a host for one epoch. If the system refuses the thread,
/// [`start_if_missing`] tries again.
pub(crate) fn start<M: OneHost>(host: &Arc<Host<M>>, epoch: u64, times: Times) {
    let watched = Arc::clone(host);
    let work = fork::apart_from_forks(move || run(&watched, epoch, times));
    let spawned = thread::Builder::new().name("threadwise-host".to_owned()).spawn(work);
    if let Err(error) = spawned {
        log::warn!("{}: no thread to watch it: {error}", host.address);
        // Relaxed: only the call that turns it off starts the watcher.
        host.watch.is_missing.store(true, Ordering::Relaxed);
    }
}

/// Starts the watcher again if the system refused its thread. Costs a load if it did not.
pub(crate) fn start_if_missing<M: OneHost>(host: &Arc<Host<M>>, epoch: u64, times: Times) {
    let is_missing = &host.watch.is_missing; // see `start` for the ordering
    if is_missing.load(Ordering::Relaxed) && is_missing.swap(false, Ordering::Relaxed) {
        start(host, epoch, times);
    }
}

fn run<M: OneHost>(host: &Host<M>, epoch: u64, times: Times) {
    host.watch.register(&host.common, epoch);
    let mut own = None;
    while host.watch.wait(&host.common, epoch, times.every) {
        // The panic hook has printed a panic of the manager. The panic says nothing about the host.
        let _ = foreign::call(|| host.as_only_prober(|| ask(host, &mut own, times)));
    }
    let _ = foreign::call(|| close(host, own));
}

/// Asks a host once, on the watcher's own connection. If that fails, asks again on a new connection. A host
/// that answers on neither is down.
pub(crate) fn ask<M: OneHost>(host: &Host<M>, own: &mut Option<Own<M::Connection>>, times: Times) {
    if let Some(mut usual) = own.take() {
        if is_over(host, &usual, times) {
            host.manager.close(usual.conn);
        } else if learn(host, &mut usual, times).is_ok() {
            *own = Some(usual);
            return;
        } else {
            host.manager.close(usual.conn);
        }
    }
    let question = host.question();
    match open(host, question, times) {
        Ok(opened) => *own = Some(opened),
        // A shortage says nothing about the host.
        Err(error) if host.manager.is_shortage(&error) => {}
        Err(error) => host.learn_down(question, &error),
    }
}

/// Closes the connection that [`ask`] has opened.
pub(crate) fn close<M: OneHost>(host: &Host<M>, own: Option<Own<M::Connection>>) {
    if let Some(own) = own {
        host.manager.close(own.conn);
    }
}

/// Whether the connection may lead to an earlier server of this name.
fn is_over<M: OneHost>(host: &Host<M>, own: &Own<M::Connection>, times: Times) -> bool {
    own.question.has_left(host) || times.log_in_every.is_some_and(|age| own.opened.elapsed() >= age)
}

fn open<M: OneHost>(
    host: &Host<M>,
    question: Question,
    times: Times,
) -> Result<Own<M::Connection>, M::Error> {
    let conn = host.manager.connect_within(times.timeout)?;
    let mut own = Own { conn, opened: Instant::now(), question };
    match learn(host, &mut own, times) {
        Ok(()) => Ok(own),
        Err(error) => {
            host.manager.close(own.conn);
            Err(error)
        }
    }
}

fn learn<M: OneHost>(
    host: &Host<M>,
    own: &mut Own<M::Connection>,
    times: Times,
) -> Result<(), M::Error> {
    let begun = Instant::now();
    own.question = own.question.again();
    let condition = host.manager.condition(&mut own.conn, times.timeout)?;
    own.question = host.learn(own.question, &condition, Some(begun.elapsed())).question;
    Ok(())
}
