//! A panic in a destructor of the program does not unwind out of the drop of a pool.

use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use threadwise::{HookError, ManageConnection, Pool, PoolKind};
use threadwise_core::Events;

/// Tells its [`Fuse`] of its drop, and panics.
#[derive(Debug)]
struct Bomb(Sender<()>);

impl Drop for Bomb {
    fn drop(&mut self) {
        let _ = self.0.send(());
        resume_unwind(Box::new("the destructor panics, as planned"));
    }
}

/// Hears of the drop of its [`Bomb`].
struct Fuse(Receiver<()>);

impl Fuse {
    fn bomb() -> (Bomb, Self) {
        let (tell, hear) = channel();
        (Bomb(tell), Self(hear))
    }

    /// Waits for the drop. A thread of the pool may be the last to leave, a moment after the last handle.
    fn wait(&self, kind: PoolKind) {
        let told = self.0.recv_timeout(Duration::from_secs(30));
        assert_eq!(told, Ok(()), "{kind}: the destructor has not run");
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
        let (bomb, fuse) = Fuse::bomb();
        let pool = kind.build(Manager(Some(bomb)), 2).unwrap();
        drop(pool.get().unwrap());
        drop(pool);
        fuse.wait(*kind);
    }
}

#[test]
fn a_hooks_destructor_that_panics_does_not_unwind_out_of_the_last_handle() {
    for kind in PoolKind::ALL {
        let (bomb, fuse) = Fuse::bomb();
        let hook = move |_: &mut u32| {
            let _ = &bomb;
            Ok(())
        };
        let pool = kind.builder().size(2).on_acquire(hook).build(Manager(None)).unwrap();
        drop(pool.get().unwrap());
        drop(pool);
        fuse.wait(*kind);
    }
}

#[test]
fn an_observers_destructor_that_panics_does_not_unwind_out_of_the_last_handle() {
    for kind in PoolKind::ALL {
        let (bomb, fuse) = Fuse::bomb();
        let events = Watcher(bomb);
        let pool = kind.builder().size(2).events(events).build(Manager(None)).unwrap();
        drop(pool.get().unwrap());
        drop(pool);
        fuse.wait(*kind);
    }
}

#[test]
fn a_pool_that_is_dropped_while_its_thread_panics_does_not_abort_the_process() {
    for kind in PoolKind::ALL {
        let (bomb, fuse) = Fuse::bomb();
        let pool = kind.build(Manager(Some(bomb)), 2).unwrap();
        let thread = std::thread::spawn(move || {
            let _pool = pool;
            resume_unwind(Box::new("the user panics, as planned"));
        });
        assert!(thread.join().is_err());
        fuse.wait(*kind);
    }
}

#[test]
fn an_error_of_a_hook_whose_destructor_panics_does_not_unwind_out_of_a_return() {
    #[derive(Debug)]
    struct Explosive(#[expect(dead_code, reason = "dropped")] Bomb);

    impl std::fmt::Display for Explosive {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("refused")
        }
    }

    impl std::error::Error for Explosive {}

    for kind in PoolKind::ALL {
        let (tell, hear) = channel();
        let refuse = move |_: &mut u32| Err(Box::new(Explosive(Bomb(tell.clone()))) as HookError);
        let pool = kind.builder().size(1).on_return(refuse).build(Manager(None)).unwrap();
        drop(pool.get().unwrap()); // an unwinding drop would end the test
        Fuse(hear).wait(*kind);
        assert!(pool.get().is_ok(), "{kind}: no capacity is lost");
    }
}
