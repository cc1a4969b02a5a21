//! The state of a pool and its server over time.
//!
//! The harness counts connections at the server, and waiting threads where they ask. It does not
//! use the pools' own counters, so the figures mean the same for all contenders.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_figures::Moment;

use super::rig::Rig;

/// The time from one look to the next.
const LOOK: Duration = Duration::from_millis(1);

/// Adds a state if more than the time differs from the one before, or if it is the last.
pub(crate) fn add(timeline: &mut Vec<Moment>, now: Moment, is_last: bool) {
    let is_like = |before: &Moment| *before == Moment { ms: before.ms, ..now };
    if is_last || !timeline.last().is_some_and(is_like) {
        timeline.push(now);
    }
}

/// Calls `look` every millisecond with the time since the beginning, until `over` is set, and tells
/// it which look is the last.
pub(crate) fn look_until(over: &AtomicBool, mut look: impl FnMut(Duration, bool)) {
    let begin = Instant::now();
    loop {
        let is_last = over.load(SeqCst);
        look(begin.elapsed(), is_last);
        if is_last {
            return;
        }
        thread::sleep(LOOK);
    }
}

/// Looks every millisecond until `over` is set. The calling thread sleeps, and reads a few
/// counters. It does not disturb the pool or the server.
pub(super) fn watch(rig: &Rig, over: &AtomicBool) -> Vec<Moment> {
    let mut timeline = Vec::new();
    look_until(over, |since, is_last| add(&mut timeline, rig.moment(since), is_last));
    timeline
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::rig::{Server, Subject};
    use super::*;
    use crate::failure::Failure;

    struct Eight;

    impl Server for Eight {
        fn refuse(&self) {}
        fn serve(&self) {}
        fn opened(&self) -> u64 {
            8
        }
        fn open(&self) -> u64 {
            8
        }
    }

    /// Reports on a channel that a thread waits, and refuses it at a signal.
    struct Slow {
        waits: mpsc::SyncSender<()>,
        ends: std::sync::Mutex<mpsc::Receiver<()>>,
    }

    impl Subject for Slow {
        fn query(&self, _: Duration, _: &mut dyn FnMut()) -> Result<(), Failure> {
            let _ = self.waits.send(());
            let _ = self.ends.lock().unwrap().recv();
            Err(Failure::new("no more"))
        }
    }

    #[test]
    fn a_moment_counts_waiting_threads_without_those_that_were_refused() {
        let (waits, is_waiting) = mpsc::sync_channel(0);
        let (end, ends) = mpsc::channel();
        let pool = Slow { waits, ends: ends.into() };
        let rig = Rig::new(Box::new(pool), Box::new(Eight));
        let waiting = || rig.moment(Duration::ZERO).waiting;
        thread::scope(|scope| {
            scope.spawn(|| rig.query(Duration::ZERO));
            is_waiting.recv().unwrap();
            assert_eq!(waiting(), 1);
            end.send(()).unwrap();
        });
        let now = rig.moment(Duration::ZERO);
        assert_eq!((now.waiting, now.served, now.connections), (0, 0, 8));
    }

    #[test]
    fn a_timeline_has_its_last_state_and_no_state_twice() {
        let (waits, _) = mpsc::sync_channel(0);
        let (_, ends) = mpsc::channel();
        let rig = Rig::new(Box::new(Slow { waits, ends: ends.into() }), Box::new(Eight));
        let over = AtomicBool::new(false);
        let timeline = thread::scope(|scope| {
            let watcher = scope.spawn(|| watch(&rig, &over));
            over.store(true, SeqCst);
            watcher.join().unwrap()
        });
        assert!((1..=2).contains(&timeline.len()), "{timeline:?}");
    }
}
