//! Threads of the standard library's take a lock when they start and when they end, and a child that is
//! forked meanwhile can start none. A pool's own threads are never the cause. (One test, since the
//! threads of others would be.)
#![cfg(unix)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use threadwise_shared::SharedPool;
use threadwise_testkit::FakeManager;
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::wait::AtEnd;

#[test]
fn a_child_can_dial_though_its_parents_dialers_were_starting_and_ending() {
    let pool = SharedPool::builder().max_size(3).build(FakeManager).unwrap();
    let (is_over, begun) = (AtomicBool::new(false), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                begun.wait();
                while !is_over.load(Relaxed) {
                    pool.get().unwrap().discard(); // the next `get` has one dialled
                }
            });
        }
        begun.wait();
        let _end = AtEnd(|| is_over.store(true, Relaxed));
        for _ in 0..300 {
            let mut pool = Some(pool.clone()); // a child does not go on with the parent's stacks
            forked::run(End::AtOnce, || drop(pool.take().unwrap().get().unwrap()));
        }
    });
}
