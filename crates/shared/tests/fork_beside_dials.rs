//! A thread of the standard library takes a lock when it starts and when it ends, and a child that is
//! forked meanwhile can start no thread. A pool's own threads never cause that. (One test in this program,
//! because the threads of other tests would.)
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
                    pool.get().unwrap().discard(); // the next `get` needs a dial
                }
            });
        }
        begun.wait();
        let _end = AtEnd(|| is_over.store(true, Relaxed));
        for _ in 0..300 {
            let mut pool = Some(pool.clone()); // the child does not return into the parent's stack
            forked::run(End::AtOnce, || drop(pool.take().unwrap().get().unwrap()));
        }
    });
}
