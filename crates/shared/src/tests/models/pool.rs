//! The whole pool, with its own verbs and diallers: what the smaller plays tell again is here as it
//! is.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use loom::thread;
use threadwise_core::sync::{Condvar, Mutex};
use threadwise_core::{GetError, ManageConnection, Validation};

use super::{AT_ONCE, NEVER, PREEMPTIONS_OF_ALL, PREEMPTIONS_OF_HANGS, explore_up_to};
use crate::pool::SharedPool;

/// Connections are numbers: reading and changing one is seen by loom. The first is 1 until it is
/// used, the second 101, and so on.
#[derive(Default)]
struct Numbers {
    // Not loom's: the account is no part of the play.
    opened: AtomicU32,
    open: AtomicUsize,
    most: AtomicUsize,
    /// Which call hangs.
    hang: Option<(Call, Hang)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Connect,
    Close,
}

/// Where a call of the manager's waits until the play lets it go.
struct Hang {
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Hang {
    fn new() -> Self {
        Self { is_over: Mutex::new(false), over: Condvar::new() }
    }

    fn pass(&self) {
        let mut is_over = self.is_over.lock();
        while !*is_over {
            is_over = self.over.wait_until(is_over, None);
        }
    }

    fn end(&self) {
        *self.is_over.lock() = true;
        self.over.notify_all();
    }
}

impl Numbers {
    fn hang_at(&self, call: Call) {
        if let Some((hanging, hang)) = &self.hang
            && *hanging == call
        {
            hang.pass();
        }
    }
}

impl ManageConnection for Numbers {
    type Connection = u32;
    type Error = Infallible;

    fn connect(&self) -> Result<u32, Infallible> {
        self.hang_at(Call::Connect);
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(open, Ordering::Relaxed);
        Ok(self.opened.fetch_add(1, Ordering::Relaxed) * 100 + 1)
    }

    fn is_valid(&self, _: &mut u32) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, conn: &mut u32) -> bool {
        *conn == BROKEN
    }

    fn close(&self, _: u32) {
        self.hang_at(Call::Close);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

const BROKEN: u32 = u32::MAX;

type Pool = SharedPool<Numbers>;

/// Runs a play on a pool of `size` connections, one of which may be shared, and `idle` of which
/// are open.
fn explore_pool(size: usize, idle: usize, play: fn(Arc<Pool>)) {
    for fair_after in [AT_ONCE, NEVER] {
        explore_up_to(PREEMPTIONS_OF_ALL, move || {
            let pool = Arc::new(new_pool(Numbers::default(), size, idle, fair_after));
            play(Arc::clone(&pool));
            let most = pool.core().lifecycle.manager().most.load(Ordering::Relaxed);
            assert!(most <= size, "{most} open at once, of {size} allowed");
        });
    }
}

fn explore_full(size: usize, play: fn(Arc<Pool>)) {
    explore_pool(size, size, play);
}

/// Runs a play on a pool of one connection in which `call` hangs, and takes too long at once. The
/// play's own thread is the housekeeper, until `is_seen`; then what hangs ends.
fn explore_hang(call: Call, idle: usize, part: fn(&Pool), is_seen: fn(&Pool) -> bool) {
    explore_up_to(PREEMPTIONS_OF_HANGS, move || {
        let numbers = Numbers { hang: Some((call, Hang::new())), ..Numbers::default() };
        let pool = Arc::new(new_pool(numbers, 1, idle, AT_ONCE));
        let other = spawn(&pool, part);
        let core = pool.core();
        let mut diary = core.new_diary();
        loop {
            let look = core.look_after(&mut diary).expect("the pool is open");
            if is_seen(&pool) {
                break;
            }
            core.sleep_after(&look);
        }
        if let Some((_, hang)) = &pool.manager().hang {
            hang.end();
        }
        other.join().unwrap();
        at_rest(&pool);
    });
}

fn new_pool(numbers: Numbers, size: usize, idle: usize, fair_after: Duration) -> Pool {
    let settings = Pool::builder().max_size(size).max_sharing(1).fair_after(fair_after);
    let settings = settings.get_timeout(None).validation(Validation::Never);
    let at_once = Duration::from_nanos(1);
    let settings = settings.validation_timeout(at_once).connect_patience(at_once);
    let pool = settings.build_lazy(numbers).expect("settings that make sense");
    let core = pool.core();
    core.hint.set(0); // the threads of a model have one hint together, and keep it from run to run
    for _ in 0..idle {
        let slot = core.exchange.slots.begin_dial().expect("an empty slot");
        let conn = core.lifecycle.open(None).expect("a connection");
        assert!(slot.fill(conn, 1, u64::MAX).put_back().is_ok());
        core.exchange.line.lock().open += 1;
    }
    pool
}

/// Starts a thread of the play.
fn spawn(pool: &Arc<Pool>, part: impl FnOnce(&Pool) + 'static) -> thread::JoinHandle<()> {
    let pool = Arc::clone(pool);
    thread::spawn(move || part(&pool))
}

/// Borrows a connection alone, and uses it.
fn get(pool: &Pool) {
    match pool.get() {
        Ok(mut conn) => *conn += 1,
        Err(error) => assert!(matches!(error, GetError::Closed), "{error}"),
    }
}

/// Borrows a connection together with others, and looks at it.
fn share(pool: &Pool) {
    match pool.share() {
        Ok(conn) => assert_ne!(*conn, BROKEN),
        Err(error) => assert!(matches!(error, GetError::Closed), "{error}"),
    }
}

/// Waits for the diallers to end. Nobody uses or wants anything any more, so what is open is idle;
/// how many that is.
fn at_rest(pool: &Pool) -> usize {
    let core = pool.core();
    let mut line = core.exchange.line.lock();
    while line.threads > 0 {
        line = core.progress.wait_until(line, None);
    }
    drop(line);
    let state = pool.state();
    assert_eq!((state.idle, state.waiting), (state.open, 0), "idle, waiting");
    assert_eq!(state.connecting, 0, "being opened");
    let open = core.lifecycle.manager().open.load(Ordering::Relaxed);
    assert_eq!(open, state.open, "opened and not closed");
    open
}

// Share against return.

/// Protects the count of holders: the last one gives the connection back, and nobody before.
#[test]
fn what_several_share_is_used_alone_when_the_last_has_left() {
    explore_full(1, |pool| {
        let sharers = [(); 2].map(|()| spawn(&pool, share));
        get(&pool);
        sharers.into_iter().for_each(|sharer| sharer.join().unwrap());
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

/// Protects the word that is given when a connection has become shared: who waited for that joins
/// it, while the first holds it still.
#[test]
fn who_wants_to_share_is_told_when_another_has_got_a_connection() {
    explore_full(1, |pool| {
        let alone = pool.get_owned().expect("an idle connection");
        let holder = thread::spawn(move || drop(alone));
        let second = spawn(&pool, share);
        let first = pool.share().expect("the connection that comes back");
        second.join().unwrap();
        drop(first);
        holder.join().unwrap();
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

/// Protects the word that is given at the end of a transaction.
#[test]
fn who_waits_to_share_is_told_of_the_end_of_a_transaction() {
    explore_full(1, |pool| {
        let holder = pool.share().expect("an idle connection");
        let transaction = holder.transaction();
        let sharer = spawn(&pool, share);
        drop(transaction);
        sharer.join().unwrap();
        drop(holder);
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

/// Protects the word that `close` has for those who wait to share, whatever they wait for.
#[test]
fn who_waits_to_share_is_told_when_the_pool_is_closed() {
    explore_full(1, |pool| {
        let holder = pool.share().expect("an idle connection");
        let transaction = holder.transaction();
        let sharer = spawn(&pool, share);
        pool.close();
        sharer.join().unwrap();
        drop(transaction);
        drop(holder);
        assert_eq!(at_rest(&pool), 0, "open");
    });
}

// Close, resize, evict against get: as in `retiring`, by the pool's own verbs.

#[test]
fn a_closed_pool_has_nothing_open_whoever_borrowed_meanwhile() {
    explore_full(1, |pool| {
        let borrowers = [get, share].map(|part| spawn(&pool, part));
        pool.close();
        borrowers.into_iter().for_each(|borrower| borrower.join().unwrap());
        assert_eq!(at_rest(&pool), 0, "open");
    });
}

/// Protects the second pass of `resize`.
#[test]
fn a_resized_pool_keeps_as_many_as_it_should_whoever_returns_meanwhile() {
    explore_full(2, |pool| {
        let held = [(); 2].map(|()| pool.get_owned().expect("an idle connection"));
        let holders = held.map(|held| thread::spawn(move || drop(held)));
        pool.resize(1).expect("a size that makes sense");
        holders.into_iter().for_each(|holder| holder.join().unwrap());
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

#[test]
fn an_evicted_connection_is_not_lent_again_whoever_borrowed_it_meanwhile() {
    explore_full(1, |pool| {
        let borrower = spawn(&pool, |pool| {
            if let Ok(mut conn) = pool.try_get() {
                *conn += 1;
            }
        });
        pool.evict();
        borrower.join().unwrap();
        at_rest(&pool);
        assert!(*pool.get().expect("another") > 100, "the evicted connection is lent");
        at_rest(&pool);
    });
}

// The housekeeper against what takes too long.

/// Protects that a job which begins is told to the housekeeper, under the lock that it sleeps with:
/// a close that hangs does not keep its capacity.
#[test]
fn a_close_that_hangs_is_noticed_whatever_the_housekeeper_is_doing_when_it_begins() {
    explore_hang(Call::Close, 1, Pool::evict, |pool| pool.state().open == 0);
}

/// The same for a dial.
#[test]
fn a_dial_that_hangs_is_noticed_whatever_the_housekeeper_is_doing_when_it_begins() {
    explore_hang(Call::Connect, 0, get, |pool| {
        let line = pool.core().exchange.line.lock();
        line.connecting() == 1 && line.connecting_in_time() == 0
    });
}

// Dial against get, close, evict, resize.

/// Protects the limit, and that a connection which is opened goes to who waits.
#[test]
fn one_dial_serves_two_who_wait() {
    explore_pool(1, 0, |pool| {
        let other = spawn(&pool, get);
        get(&pool);
        other.join().unwrap();
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

/// Protects the order of `close`: a dialler that does not see `closed` is done before the slots
/// are swept.
#[test]
fn what_is_opened_while_the_pool_closes_is_closed() {
    explore_pool(1, 0, |pool| {
        let borrower = spawn(&pool, get);
        pool.close();
        borrower.join().unwrap();
        assert_eq!(at_rest(&pool), 0, "open");
    });
}

/// Protects that whoever frees capacity has another opened for who waits.
#[test]
fn who_waits_for_a_connection_that_is_evicted_gets_another() {
    explore_full(1, |pool| {
        let held = pool.get_owned().expect("an idle connection");
        let waiter = spawn(&pool, get);
        let holder = thread::spawn(move || drop(held));
        pool.evict();
        waiter.join().unwrap();
        holder.join().unwrap();
        at_rest(&pool); // with none, if the waiter was served before
    });
}

/// As above, for a connection that is broken.
#[test]
fn who_waits_for_a_connection_that_is_broken_gets_another() {
    explore_full(1, |pool| {
        let mut held = pool.get().expect("an idle connection");
        let waiter = spawn(&pool, get);
        *held = BROKEN;
        drop(held);
        waiter.join().unwrap();
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

/// Protects that `resize` counts what is being opened.
#[test]
fn what_is_opened_while_the_pool_shrinks_is_surplus() {
    explore_pool(2, 1, |pool| {
        let held = pool.get_owned().expect("an idle connection");
        let waiter = spawn(&pool, get);
        pool.resize(1).expect("a size that makes sense");
        drop(held);
        waiter.join().unwrap();
        assert!(at_rest(&pool) <= 1, "more open than allowed");
    });
}

/// Protects that a dial tells which generation it belongs to: what was being opened when the pool
/// was evicted is not put to use after that.
#[test]
fn what_was_being_opened_while_the_pool_was_evicted_is_not_kept() {
    explore_pool(1, 0, |pool| {
        let borrower = spawn(&pool, get);
        pool.evict();
        borrower.join().unwrap();
        at_rest(&pool);
        let core = pool.core();
        let evicted = core.exchange.line.lock().evicted;
        let is_kept = |slot: &crate::slot::Slot<u32>| {
            slot.seen() != crate::slot::Seen::Empty && slot.generation() <= evicted
        };
        assert!(!core.exchange.slots.iter().any(is_kept), "an evicted connection is kept");
    });
}

/// Protects the look at demand before a dial: what is called off does not count any more.
#[test]
fn who_comes_when_a_dial_is_called_off_is_served() {
    explore_pool(2, 1, |pool| {
        let held = pool.get().expect("an idle connection");
        let waiter = spawn(&pool, get);
        drop(held);
        get(&pool);
        waiter.join().unwrap();
        at_rest(&pool);
    });
}
