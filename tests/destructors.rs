//! A panic in a destructor of the program does not unwind out of the drop of a pool.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use threadwise::{ManageConnection, Pool, PoolKind};
use threadwise_core::Events;

/// Counts its drop, and panics.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        resume_unwind(Box::new("the destructor panics, as planned"));
    }
}

struct Manager(#[expect(dead_code, reason = "dropped")] Option<Bomb>);

impl ManageConnection for Manager {
    type Connection = u32;
    type Error = io::Error;

    fn connect(&self) -> io::Result<u32> {
        Ok(0)
    }

    fn is_valid(&self, _: &mut u32) -> io::Result<()> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u32) -> bool {
        false
    }
}

struct Watcher(#[expect(dead_code, reason = "dropped")] Bomb);

impl Events for Watcher {}

#[test]
fn a_managers_destructor_that_panics_does_not_unwind_out_of_the_last_handle() {
    for kind in PoolKind::ALL {
        let ended = Arc::default();
        let pool = kind.build(Manager(Some(Bomb(Arc::clone(&ended)))), 2).unwrap();
        drop(pool.get().unwrap());
        drop(pool);
        assert_eq!(ended.load(SeqCst), 1, "{kind}");
    }
}

#[test]
fn a_hooks_destructor_that_panics_does_not_unwind_out_of_the_last_handle() {
    for kind in PoolKind::ALL {
        let ended = Arc::default();
        let bomb = Bomb(Arc::clone(&ended));
        let hook = move |_: &mut u32| {
            let _ = &bomb;
            Ok(())
        };
        let pool = kind.builder().size(2).on_acquire(hook).build(Manager(None)).unwrap();
        drop(pool.get().unwrap());
        drop(pool);
        assert_eq!(ended.load(SeqCst), 1, "{kind}");
    }
}

#[test]
fn an_observers_destructor_that_panics_does_not_unwind_out_of_the_last_handle() {
    for kind in PoolKind::ALL {
        let ended = Arc::default();
        let events = Watcher(Bomb(Arc::clone(&ended)));
        let pool = kind.builder().size(2).events(events).build(Manager(None)).unwrap();
        drop(pool.get().unwrap());
        drop(pool);
        assert_eq!(ended.load(SeqCst), 1, "{kind}");
    }
}

#[test]
fn a_pool_that_is_dropped_while_its_thread_panics_does_not_abort_the_process() {
    for kind in PoolKind::ALL {
        let ended = Arc::default();
        let pool = kind.build(Manager(Some(Bomb(Arc::clone(&ended)))), 2).unwrap();
        let thread = std::thread::spawn(move || {
            let _pool = pool;
            resume_unwind(Box::new("the user panics, as planned"));
        });
        assert!(thread.join().is_err());
        assert_eq!(ended.load(SeqCst), 1, "{kind}");
    }
}
