//! The whole pool, with its own methods and dialers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use loom::thread;
use threadwise_core::parts::sync::{Condvar, Mutex};
use threadwise_core::{GetError, ManageConnection, Validation};

use super::{AT_ONCE, NEVER, PREEMPTIONS_OF_HANGS, PREEMPTIONS_OF_WHOLE_POOL, explore_up_to};
use crate::flags::Seen;
use crate::origin::Origin;
use crate::pool::SharedPool;
use crate::slot::Slot;

/// Connections are numbers. Loom sees each read and each change of one. The first is 1 until it is used,
/// the second 101, and so on.
#[derive(Default)]
struct Numbers {
    // Not loom's atomics: the account is no part of the model.
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

/// Where a call of the manager waits until the model lets it go on.
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

/// Runs a model on a pool of `size` connections, one of which may be shared, and `idle` of which are
/// open.
fn explore_pool(size: usize, idle: usize, act: fn(Arc<Pool>)) {
    for fair_after in [AT_ONCE, NEVER] {
        explore_up_to(PREEMPTIONS_OF_WHOLE_POOL, move || {
            let pool = Arc::new(new_pool(Numbers::default(), size, idle, fair_after));
            act(Arc::clone(&pool));
            let most = pool.core().lifecycle.manager().most.load(Ordering::Relaxed);
            assert!(most <= size, "{most} open at once, of {size} allowed");
        });
    }
}

fn explore_full(size: usize, act: fn(Arc<Pool>)) {
    explore_pool(size, size, act);
}

/// Runs a model on a pool of one connection in which `call` hangs, and takes too long at once. The
/// model's own thread is the housekeeper, until `is_seen`; then the call goes on.
fn explore_hang(call: Call, idle: usize, act: fn(&Pool), is_seen: fn(&Pool) -> bool) {
    explore_up_to(PREEMPTIONS_OF_HANGS, move || {
        let numbers = Numbers { hang: Some((call, Hang::new())), ..Numbers::default() };
        let pool = Arc::new(new_pool(numbers, 1, idle, AT_ONCE));
        let other = spawn(&pool, act);
        let core = pool.core();
        let mut memory = core.new_memory();
        loop {
            let round = core.run_round(&mut memory).expect("the pool is open");
            if is_seen(&pool) {
                break;
            }
            core.sleep_after(&round);
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
    core.affinity.set(0); // the threads of a model share one last slot, and keep it from run to run
    for _ in 0..idle {
        let slot = core.handoff.slots.begin_dial().expect("an empty slot");
        let conn = core.lifecycle.open(None).expect("a connection");
        assert!(slot.fill(conn, Origin { generation: 1, group: 0 }, u64::MAX).put_back().is_ok());
        core.handoff.state.lock().open += 1;
    }
    pool
}

/// Starts a thread of the model.
fn spawn(pool: &Arc<Pool>, act: impl FnOnce(&Pool) + 'static) -> thread::JoinHandle<()> {
    let pool = Arc::clone(pool);
    thread::spawn(move || act(&pool))
}

/// Borrows a connection alone, and uses it.
fn get(pool: &Pool) {
    match pool.get() {
        Ok(mut conn) => *conn += 1,
        Err(error) => assert!(matches!(error, GetError::Closed), "{error}"),
    }
}

/// Borrows a connection together with other threads, and looks at it.
fn share(pool: &Pool) {
    match pool.share() {
        Ok(conn) => assert_ne!(*conn, BROKEN),
        Err(error) => assert!(matches!(error, GetError::Closed), "{error}"),
    }
}

/// Waits for the dialers to end. No thread uses or wants a connection any more, so all that are open
/// are idle. Returns how many.
fn at_rest(pool: &Pool) -> usize {
    let core = pool.core();
    let mut state = core.handoff.state.lock();
    while state.threads > 0 {
        state = core.progress.wait_until(state, None);
    }
    drop(state);
    let state = pool.state();
    assert_eq!((state.idle, state.waiting), (state.open, 0), "idle, waiting");
    assert_eq!(state.connecting, 0, "being opened");
    let open = core.lifecycle.manager().open.load(Ordering::Relaxed);
    assert_eq!(open, state.open, "opened and not closed");
    open
}

// Share against return.

/// Protects the count of holders: only the last one returns the connection.
#[test]
fn a_shared_connection_is_used_alone_after_its_last_holder_has_left() {
    explore_full(1, |pool| {
        let sharers = [(); 2].map(|()| spawn(&pool, share));
        get(&pool);
        sharers.into_iter().for_each(|sharer| sharer.join().unwrap());
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

/// Protects the notification when a connection has become shared: a thread that waited for it joins
/// while the first still holds it.
#[test]
fn a_thread_that_waits_to_share_is_told_when_another_one_gets_a_connection() {
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

/// Protects the notification at the end of a transaction.
#[test]
fn a_thread_that_waits_to_share_is_told_of_the_end_of_a_transaction() {
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

/// Protects the notification by `close` for threads that wait to share, whatever they wait for.
#[test]
fn a_thread_that_waits_to_share_is_told_when_the_pool_is_closed() {
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

// Close, resize, evict against get: as in `retiring`, by the pool's own methods.

#[test]
fn a_closed_pool_has_nothing_open_after_threads_have_borrowed() {
    explore_full(1, |pool| {
        let borrowers = [get, share].map(|act| spawn(&pool, act));
        pool.close();
        borrowers.into_iter().for_each(|borrower| borrower.join().unwrap());
        assert_eq!(at_rest(&pool), 0, "open");
    });
}

/// Protects the second pass of `resize`.
#[test]
fn a_resized_pool_keeps_the_right_number_while_threads_return() {
    explore_full(2, |pool| {
        let held = [(); 2].map(|()| pool.get_owned().expect("an idle connection"));
        let holders = held.map(|held| thread::spawn(move || drop(held)));
        pool.resize(1).expect("a size that makes sense");
        holders.into_iter().for_each(|holder| holder.join().unwrap());
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

#[test]
fn an_evicted_connection_is_not_lent_again_after_a_thread_has_borrowed_it() {
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

// The housekeeper against calls that take too long.

/// Protects that the housekeeper is told of each task that begins, under the lock that it sleeps with: a
/// close that hangs does not keep its capacity.
#[test]
fn a_hanging_close_is_noticed_at_any_step_of_the_housekeeper() {
    explore_hang(Call::Close, 1, Pool::evict, |pool| pool.state().open == 0);
}

/// Like the test above, for a dial.
#[test]
fn a_hanging_dial_is_noticed_at_any_step_of_the_housekeeper() {
    explore_hang(Call::Connect, 0, get, |pool| {
        let state = pool.core().handoff.state.lock();
        state.connecting() == 1 && state.connecting_in_time() == 0
    });
}

// Dial against get, close, evict, resize.

/// Protects the limit, and that a connection which is opened goes to a waiter.
#[test]
fn one_dial_serves_two_waiters() {
    explore_pool(1, 0, |pool| {
        let other = spawn(&pool, get);
        get(&pool);
        other.join().unwrap();
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

/// Protects the order of `close`: a dialer that does not see `closed` has finished before `close` goes
/// through the slots.
#[test]
fn a_connection_opened_while_the_pool_closes_is_closed() {
    explore_pool(1, 0, |pool| {
        let borrower = spawn(&pool, get);
        pool.close();
        borrower.join().unwrap();
        assert_eq!(at_rest(&pool), 0, "open");
    });
}

/// Protects that a thread that frees capacity has another connection opened for a waiter.
#[test]
fn a_waiter_for_an_evicted_connection_gets_another() {
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

/// Like the test above, for a connection that is broken.
#[test]
fn a_waiter_for_a_broken_connection_gets_another() {
    explore_full(1, |pool| {
        let mut held = pool.get().expect("an idle connection");
        let waiter = spawn(&pool, get);
        *held = BROKEN;
        drop(held);
        waiter.join().unwrap();
        assert_eq!(at_rest(&pool), 1, "open");
    });
}

/// Protects that `resize` counts connections that are being opened.
#[test]
fn a_connection_opened_while_the_pool_shrinks_is_surplus() {
    explore_pool(2, 1, |pool| {
        let held = pool.get_owned().expect("an idle connection");
        let waiter = spawn(&pool, get);
        pool.resize(1).expect("a size that makes sense");
        drop(held);
        waiter.join().unwrap();
        assert!(at_rest(&pool) <= 1, "more open than allowed");
    });
}

/// Protects that a dial fixes its connection's generation when it begins: a connection that was being
/// opened during an eviction is not put to use after it.
#[test]
fn a_connection_opened_during_an_eviction_is_not_kept() {
    explore_pool(1, 0, |pool| {
        let borrower = spawn(&pool, get);
        pool.evict();
        borrower.join().unwrap();
        at_rest(&pool);
        let core = pool.core();
        let evicted = core.handoff.state.lock().evicted;
        let is_kept =
            |slot: &Slot<u32>| slot.seen() != Seen::Empty && slot.origin().generation <= evicted;
        assert!(!core.handoff.slots.iter().any(is_kept), "an evicted connection is kept");
    });
}

/// Protects the look at demand before a dial: a dial that is called off does not count any more.
#[test]
fn a_borrower_that_comes_when_a_dial_is_called_off_is_served() {
    explore_pool(2, 1, |pool| {
        let held = pool.get().expect("an idle connection");
        let waiter = spawn(&pool, get);
        drop(held);
        get(&pool);
        waiter.join().unwrap();
        at_rest(&pool);
    });
}
