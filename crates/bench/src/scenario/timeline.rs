//! How a pool and its server are, moment by moment.
//!
//! It is the same for all contenders: connections are counted at the server, and waiting threads
//! where they ask, so that no pool has to tell.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::rig::Rig;

/// A moment at which something was different from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// The time since the threads were let loose, in milliseconds.
    pub ms: f64,
    /// Connections that the server has open, those that are being opened included.
    pub connections: u64,
    /// Threads that wait for a connection.
    pub waiting: u64,
    /// `get`s that were served so far.
    pub served: u64,
}

impl Moment {
    fn is_like(&self, other: &Self) -> bool {
        *self == Self { ms: self.ms, ..*other }
    }
}

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(1);

/// Looks every millisecond until it is over. It is a thread that sleeps, and reads a few counters:
/// neither the pool nor the server is asked anything.
pub(super) fn watch(rig: &Rig, over: &AtomicBool) -> Vec<Moment> {
    let begin = Instant::now();
    let mut timeline: Vec<Moment> = Vec::new();
    loop {
        let is_last = over.load(SeqCst);
        let now = rig.moment(begin.elapsed());
        if is_last || timeline.last().is_none_or(|before| !before.is_like(&now)) {
            timeline.push(now);
        }
        if is_last {
            return timeline;
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::rig::{Server, Session, Subject};
    use super::*;
    use crate::Failure;

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

    /// Tells that somebody waits, and refuses when it is told to.
    struct Slow {
        waits: mpsc::SyncSender<()>,
        ends: std::sync::Mutex<mpsc::Receiver<()>>,
    }

    impl Subject for Slow {
        fn with(&self, _: &mut dyn FnMut(&mut dyn Session)) -> Result<(), Failure> {
            let _ = self.waits.send(());
            let _ = self.ends.lock().unwrap().recv();
            Err(Failure::new("no more"))
        }
    }

    #[test]
    fn a_moment_tells_who_waits_and_who_was_refused_waits_no_more() {
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
    fn a_timeline_has_its_end_and_nothing_twice() {
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
