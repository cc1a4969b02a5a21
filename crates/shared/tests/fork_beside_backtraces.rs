//! The standard library takes a lock of the whole process for a backtrace, and `leak_threshold` takes a
//! backtrace at each `get`. A child that was forked while another thread held that lock would hang in its
//! first `get`. (One test in this program, because other tests' threads take that lock too.)
#![cfg(unix)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use threadwise_shared::SharedPool;
use threadwise_testkit::FakeManager;
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::wait::AtEnd;

#[test]
fn a_child_can_borrow_though_its_parents_threads_were_taking_backtraces() {
    let pool = SharedPool::builder()
        .max_size(4)
        .leak_threshold(Duration::from_secs(60))
        .build(FakeManager)
        .unwrap();
    let (is_over, begun) = (AtomicBool::new(false), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                begun.wait();
                while !is_over.load(Relaxed) {
                    drop(pool.get().unwrap());
                }
            });
        }
        begun.wait();
        // Relaxed: the threads look again until they see it, and infer nothing else from it.
        let _end = AtEnd(|| is_over.store(true, Relaxed));
        for _ in 0..30 {
            let mut pool = Some(pool.clone()); // the child does not return into the parent's stack
            forked::run(End::AtOnce, || drop(pool.take().unwrap().get().unwrap()));
        }
    });
}
