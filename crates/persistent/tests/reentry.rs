//! Code that the pool calls may want a connection of the same pool.

use std::sync::{Arc, OnceLock};

use threadwise_core::{GetError, ManageConnection};
use threadwise_persistent::PersistentPool;

type Pool<M> = Arc<OnceLock<PersistentPool<M>>>;

/// A manager whose `connect` and `close` ask their own pool.
#[derive(Clone, Default)]
struct Curious {
    pool: Pool<Self>,
    told: Arc<std::sync::Mutex<Vec<&'static str>>>,
}

impl Curious {
    fn ask(&self, when: &'static str) {
        let Some(pool) = self.pool.get() else { return };
        let already = matches!(pool.get(), Err(GetError::AlreadyBorrowed));
        self.told.lock().unwrap().push(if already { when } else { "something else" });
    }
}

impl ManageConnection for Curious {
    type Connection = u32;
    type Error = std::io::Error;

    fn connect(&self) -> Result<u32, std::io::Error> {
        self.ask("connect");
        Ok(0)
    }

    fn is_valid(&self, _: &mut u32) -> Result<(), std::io::Error> {
        Ok(())
    }

    fn has_broken(&self, conn: &mut u32) -> bool {
        *conn == 1
    }

    fn close(&self, _: u32) {
        self.ask("close");
    }
}

#[test]
fn a_manager_that_asks_its_own_pool_while_it_opens_or_closes_is_told_that_the_connection_is_borrowed()
 {
    let manager = Curious::default();
    let (cell, told) = (Arc::clone(&manager.pool), Arc::clone(&manager.told));
    let pool = PersistentPool::builder().build_lazy(manager).unwrap();
    assert!(cell.set(pool.clone()).is_ok());
    *pool.get().unwrap() = 1; // broken when it comes back
    assert_eq!(*told.lock().unwrap(), ["connect", "close"]);
    *pool.get().unwrap() = 7;
    assert_eq!(*pool.get().unwrap(), 7);
    assert_eq!((pool.state().open, pool.state().borrowed), (1, 0));
}

#[test]
fn a_hook_that_asks_its_own_pool_is_told_that_the_connection_is_borrowed() {
    let cell: Pool<threadwise_testkit::FakeManager> = Arc::default();
    let asked = Arc::clone(&cell);
    let pool = PersistentPool::builder()
        .on_acquire(move |_| {
            let pool: &PersistentPool<_> = asked.get().unwrap();
            assert!(matches!(pool.get(), Err(GetError::AlreadyBorrowed)));
            Ok(())
        })
        .build_lazy(threadwise_testkit::FakeManager)
        .unwrap();
    assert!(cell.set(pool.clone()).is_ok());
    for _ in 0..2 {
        drop(pool.get().unwrap());
    }
    assert_eq!(pool.state().open, 1);
}
