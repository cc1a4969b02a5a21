//! The end of a thread closes its connection, and prints no panic.

mod common;

use std::sync::{Mutex, Once};
use std::{panic, thread};

use common::Database;
use threadwise_core::CloseReason;
use threadwise_persistent::PersistentPool;
use threadwise_testkit::FakeManager;

/// The messages of all panics of this program, also of those that a pool caught.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| PANICS.lock().unwrap().push(info.to_string())));
    });
}

/// Uses a new pool of PostgreSQL on a thread that ends, after `first` on the same thread.
fn end_a_thread_after(first: impl FnOnce() + Send + 'static) {
    note_panics();
    let pool = PersistentPool::builder().build_lazy(Database::new(&[]).manager()).unwrap();
    let user = pool.clone();
    let thread = thread::spawn(move || {
        first();
        user.get().unwrap().batch_execute("SELECT 1").unwrap();
    });
    thread.join().unwrap();
    assert_eq!(pool.state().counters.closed(CloseReason::ThreadEnded), 1);
    let panics = PANICS.lock().unwrap().clone(); // not locked: a panic here calls the hook
    assert!(panics.is_empty(), "{panics:?}");
}

#[test]
fn a_thread_that_ends_closes_its_connection_without_a_panic() {
    end_a_thread_after(|| ());
}

#[test]
fn a_thread_that_has_used_another_pool_before_closes_its_connection_without_a_panic() {
    let other = PersistentPool::builder().build_lazy(FakeManager).unwrap();
    end_a_thread_after(move || drop(other.get().unwrap()));
}
