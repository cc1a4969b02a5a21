//! Several threads on one connection: which thread joins which connection, and one limit for both kinds of
//! holders.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use threadwise_core::{CloseReason, GetError, ManageConnection};
use threadwise_shared::{Clock, SharedConnection, SharedPool, VirtualClock};
use threadwise_testkit::wait;

/// Connections that are used by shared reference.
#[derive(Default)]
struct Manager {
    opened: std::sync::atomic::AtomicU64,
}

struct Connection {
    id: u64,
    in_transaction: AtomicBool,
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = std::io::Error;

    fn connect(&self) -> Result<Connection, Self::Error> {
        let id = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Connection { id, in_transaction: AtomicBool::new(false) })
    }

    fn is_valid(&self, _: &mut Connection) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }

    fn reset(&self, conn: &mut Connection) -> Result<(), Self::Error> {
        *conn.in_transaction.get_mut() = false;
        Ok(())
    }

    fn in_transaction(&self, conn: &mut Connection) -> bool {
        *conn.in_transaction.get_mut()
    }

    fn in_transaction_shared(&self, conn: &Connection) -> bool {
        conn.in_transaction.load(Ordering::Relaxed)
    }
}

/// A pool for which no time passes. A share joins an open connection if a new one takes more than some
/// milliseconds; here it waits for the new one on a busy machine, too.
fn pool(max_size: usize, max_sharing: usize) -> SharedPool<Manager> {
    pool_on(VirtualClock::new().clock(), max_size, max_sharing)
}

fn pool_on(clock: Clock, max_size: usize, max_sharing: usize) -> SharedPool<Manager> {
    let builder = SharedPool::builder().clock(clock).max_size(max_size).max_sharing(max_sharing);
    builder.build(Manager::default()).unwrap()
}

fn share(pool: &SharedPool<Manager>, count: usize) -> Vec<SharedConnection<'_, Manager>> {
    (0..count).map(|_| pool.share().unwrap()).collect()
}

fn ids(conns: &[SharedConnection<'_, Manager>]) -> Vec<u64> {
    conns.iter().map(|conn| conn.id).collect()
}

#[test]
fn sharing_starts_once_max_sharing_connections_are_shared() {
    let pool = pool(10, 3);
    let conns = share(&pool, 6);
    let ids = ids(&conns);
    assert_eq!(ids[3..], ids[..3], "the fourth joins the first, and so on");
    let mut distinct = ids[..3].to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 3);
    assert_eq!(pool.state().borrowed, 3);
}

#[test]
fn the_least_shared_connection_is_joined() {
    let pool = pool(10, 2);
    let mut conns = share(&pool, 6);
    let first = conns[0].id;
    conns.retain(|conn| conn.id != first || pool.state().borrowed == 0);
    drop(pool.share().unwrap()); // a new one, because the first came back
    let again = share(&pool, 3);
    assert!(again.iter().filter(|conn| conn.id == conns[0].id).count() <= 1);
}

#[test]
fn both_kinds_of_holders_share_one_limit() {
    let pool = pool(3, 3);
    let shared = pool.share().unwrap();
    let own = [pool.get().unwrap(), pool.get().unwrap()];
    let joined = share(&pool, 2); // DBUtils opened a fourth and a fifth connection here
    assert_eq!(ids(&joined), [shared.id; 2]);
    assert_eq!(pool.state().open, 3);
    assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_))));
    drop(own);
}

#[test]
fn an_exclusive_borrower_waits_for_the_last_holder() {
    let pool = pool(1, 1);
    let mut conns = share(&pool, 2);
    thread::scope(|scope| {
        let borrower = scope.spawn(|| pool.get().unwrap().id);
        wait::until("the borrower to wait", || pool.state().waiting == 1);
        conns.pop();
        assert_eq!(pool.state().waiting, 1);
        let id = conns.pop().unwrap().id;
        assert_eq!(borrower.join().unwrap(), id);
    });
}

#[test]
fn no_thread_joins_a_transaction_before_it_ends() {
    let pool = pool(1, 1);
    let conn = pool.share().unwrap();
    let transaction = conn.transaction();
    assert!(matches!(pool.share_timeout(std::time::Duration::ZERO), Err(GetError::Exhausted(_))));
    thread::scope(|scope| {
        let other = scope.spawn(|| pool.share().unwrap().id);
        drop(transaction); // DBUtils' waiters slept on until another event
        assert_eq!(other.join().unwrap(), conn.id);
    });
}

#[test]
fn no_thread_joins_a_transaction_that_the_manager_sees() {
    let pool = pool(2, 2);
    drop((pool.get().unwrap(), pool.get().unwrap())); // so that no sharer has to wait for a dial
    let conns = share(&pool, 2);
    conns[0].in_transaction.store(true, Ordering::Relaxed);
    assert_eq!(ids(&share(&pool, 2)), [conns[1].id; 2], "the one that is not in a transaction");
    conns[1].in_transaction.store(true, Ordering::Relaxed);
    assert!(matches!(pool.share_timeout(std::time::Duration::ZERO), Err(GetError::Exhausted(_))));
    thread::scope(|scope| {
        let other = scope.spawn(|| pool.share().unwrap().id);
        conns[0].in_transaction.store(false, Ordering::Relaxed);
        assert_eq!(other.join().unwrap(), conns[0].id);
    });
}

#[test]
fn a_connection_that_is_shared_when_the_pool_closes_is_closed_by_its_last_holder() {
    let pool = pool(1, 1);
    let conns = share(&pool, 2);
    pool.close(); // DBUtils counted below zero here, and lent closed connections
    assert!(matches!(pool.share(), Err(GetError::Closed)));
    assert_eq!(pool.state().open, 1);
    drop(conns);
    assert_eq!(pool.state().open, 0);
    assert_eq!(pool.state().counters.closed(CloseReason::PoolClosed), 1);
}

#[test]
fn closing_wakes_threads_that_wait_to_share() {
    let pool = pool(1, 1);
    let conn = pool.share().unwrap();
    let transaction = conn.transaction();
    thread::scope(|scope| {
        let other = scope.spawn(|| matches!(pool.share(), Err(GetError::Closed)));
        pool.close();
        assert!(other.join().unwrap());
    });
    drop(transaction);
}

#[test]
fn no_thread_joins_a_connection_whose_holder_panicked() {
    let pool = pool(2, 1);
    let conn = pool.share().unwrap();
    thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _conn = pool.share().unwrap();
            panic!("a holder panics, as planned");
        });
        assert!(holder.join().is_err());
    });
    let id = conn.id;
    drop(conn);
    assert_ne!(pool.share().unwrap().id, id);
    let closed = || pool.state().counters.closed(CloseReason::Panicked);
    wait::until("a thread of the pool to close it", || closed() == 1);
}

#[test]
fn a_pool_without_max_sharing_says_so() {
    assert!(matches!(pool(2, 0).share(), Err(GetError::NotShared)));
}

#[test]
fn many_threads_share_and_borrow_within_the_limit() {
    let pool = pool(3, 2);
    thread::scope(|scope| {
        for number in 0..12 {
            let pool = &pool;
            scope.spawn(move || {
                for turn in 0..200 {
                    match (number + turn) % 3 {
                        0 => drop(pool.get().unwrap()),
                        1 => drop(pool.share().unwrap()),
                        _ => {
                            let conn = pool.share().unwrap();
                            drop(conn.transaction());
                        }
                    }
                }
            });
        }
    });
    let state = pool.state();
    assert!(state.counters.opened <= 3, "{state}");
    assert_eq!((state.borrowed, state.waiting), (0, 0), "{state}");
}

#[test]
fn all_threads_that_wait_to_share_share_the_returned_connection() {
    let pool = pool(1, 2);
    let own = pool.get().unwrap();
    let holding = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let _conn = pool.share().unwrap();
                holding.fetch_add(1, Ordering::SeqCst);
                wait::until("all to share it", || holding.load(Ordering::SeqCst) == 3);
            });
        }
        wait::until("one to wait in the line", || pool.state().waiting == 1);
        drop(own);
    });
}

#[test]
fn a_borrower_does_not_starve_behind_sharers() {
    let pool = pool_on(Clock::SYSTEM, 1, 1);
    let mut shared = pool.share().unwrap();
    let served = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _conn = pool.get().unwrap();
            served.store(true, Ordering::SeqCst);
        });
        wait::until("the borrower to wait", || pool.state().waiting == 1);
        // There is always a holder, until later threads must wait.
        wait::until("the borrower to come first", || {
            match pool.share_timeout(std::time::Duration::ZERO) {
                Ok(next) => {
                    shared = next;
                    false
                }
                Err(_) => true,
            }
        });
        drop(shared);
        wait::until("the borrower to be served", || served.load(Ordering::SeqCst));
    });
}

#[test]
fn no_thread_joins_a_discarded_shared_connection_and_its_last_holder_closes_it() {
    let pool = pool(2, 1);
    let conns = share(&pool, 2);
    let id = conns[0].id;
    let [first, second] = <[_; 2]>::try_from(conns).unwrap_or_else(|_| unreachable!());
    first.discard();
    assert_eq!(pool.state().counters.closed_total(), 0, "another holder still uses it");
    drop(second);
    wait::until("it to be closed", || pool.state().counters.closed(CloseReason::Discarded) == 1);
    assert_ne!(pool.share().unwrap().id, id);
}

/// Refuses every connection but the first.
#[derive(Default)]
struct Once(Manager);

impl ManageConnection for Once {
    type Connection = Connection;
    type Error = std::io::Error;

    fn connect(&self) -> Result<Connection, Self::Error> {
        match self.0.opened.load(Ordering::Relaxed) {
            0 => self.0.connect(),
            _ => Err(std::io::ErrorKind::ConnectionRefused.into()),
        }
    }

    fn is_valid(&self, _: &mut Connection) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

#[test]
fn sharers_join_a_connection_when_no_more_can_be_opened() {
    let settings = || SharedPool::builder().max_size(4).max_sharing(4);
    for pool in [settings(), settings().max_waiters(0), settings().get_timeout(None)] {
        let pool = pool.build(Once::default()).unwrap();
        let first = pool.share().unwrap();
        let start = std::time::Instant::now();
        let more: Vec<_> = (0..20).map(|_| pool.share().unwrap()).collect();
        assert!(more.iter().all(|conn| conn.id == first.id));
        let at_once = pool.share_timeout(std::time::Duration::ZERO).unwrap();
        assert_eq!(at_once.id, first.id);
        // As long as the default of `get_timeout`, for which none of them waits.
        assert!(start.elapsed() < wait::PATIENCE, "{:?}", start.elapsed());
    }
}
