//! The memory of a pool: for each idle connection, and for each waiter.
//!
//! The figures are the bytes that all threads requested from the heap. They are exact, and the same
//! in each run. They do not include stacks (a waiting thread has one anyway), what the allocator
//! adds, and what a driver and a server need for a connection. The connections are synthetic and
//! have eight bytes, which the figures include.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{RwLock, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, Footprint};

use crate::backend::source::Source;
use crate::backend::synthetic::SyntheticManager;
use crate::contender::{Contender, Worker};
use crate::contenders::{MutexPool, R2d2, persistent, queue, shared};
use crate::experiment::{Campaign, Experiment, Part};
use crate::heap::Ledger;
use crate::opened::Opened;
use crate::workload::Workload;
use crate::{Failure, Result};

/// The number of additional connections, and of waiters. A power of two, so that no list has just
/// grown.
const COUNT: usize = 1 << 10;
const STACK: usize = 256 << 10;
/// The stack of the thread that borrows that many connections, one call inside the other.
const DEEP_STACK: usize = 256 << 20;
/// The heap is stable when this many looks find the same size.
const LOOKS: usize = 10;
const LOOK: Duration = Duration::from_millis(10);

/// The memory of each contender that keeps connections. It takes one or two seconds.
///
/// Their waiters wait for a return. `persistent` has no figure for waiters: with it a thread can
/// only wait for the end of another thread, if it waits at all.
pub struct Memory;

impl Experiment for Memory {
    fn heading(&self) -> &'static str {
        "Memory"
    }

    fn parts(&self) -> Vec<Part> {
        vec![Part::new(Footprint::NAME, Footprint::ABOUT)]
    }

    fn run(&self, campaign: &mut Campaign<'_>) -> Result<()> {
        let Campaign { plan, watch, findings, .. } = campaign;
        let is_there = plan.backends().any(|backend| backend == Backend::Synthetic);
        if !plan.has(Footprint::NAME) || !is_there || plan.interrupt.is_raised() {
            return Ok(());
        }
        findings.memory = pools().filter(|pool| plan.has_pool(*pool)).map(footprint).collect();
        if !findings.memory.is_empty() {
            watch.memory(&findings.memory);
        }
        Ok(())
    }
}

/// The contenders whose memory is measured.
pub fn pools() -> impl Iterator<Item = ContenderKind> {
    ContenderKind::all_on(Backend::Synthetic).filter(|pool| pool.is_pool_by_default())
}

fn footprint(pool: ContenderKind) -> Footprint {
    let ledger = Ledger::open().ok_or_else(|| Failure::new("this program does not count its heap"));
    let measured = ledger.and_then(|ledger| bytes(pool, &ledger));
    Footprint {
        pool: pool.name().into(),
        idle_bytes: measured.as_ref().ok().map(|(idle, _)| *idle),
        waiter_bytes: measured.as_ref().ok().and_then(|(_, waiter)| *waiter),
        error: measured.err().map(|failure| failure.to_string()),
    }
}

/// The bytes per idle connection, and per waiter.
fn bytes(pool: ContenderKind, ledger: &Ledger) -> Result<(f64, Option<f64>)> {
    let of_size = |size| Workload { size, threads: COUNT, ..Workload::ONE };
    match pool {
        ContenderKind::Shared => {
            of_limited(ledger, |size| shared(SyntheticManager, &of_size(size)))
        }
        ContenderKind::Queue => of_limited(ledger, |size| queue(SyntheticManager, &of_size(size))),
        ContenderKind::R2d2 => of_limited(ledger, |size| {
            R2d2::new(SyntheticManager.r2d2(), size, true, &Opened::default())
        }),
        ContenderKind::Mutex => of_limited(ledger, |size| MutexPool::new(&SyntheticManager, size)),
        ContenderKind::Persistent => {
            let pool = persistent(SyntheticManager, &of_size(COUNT))?;
            Ok((of_threads(ledger, &pool)?, None))
        }
        other => Err(Failure::new(format_args!("{other} keeps no connections"))),
    }
}

fn of_limited<C: Contender>(
    ledger: &Ledger,
    build: impl Fn(usize) -> Result<C>,
) -> Result<(f64, Option<f64>)> {
    // The fixed cost of a pool is in both, so the difference does not include it.
    let few = full(ledger, &build, COUNT)?;
    let many = full(ledger, &build, 2 * COUNT)?;
    let waiter = of_waiters(ledger, &build(1)?)?;
    Ok(((many - few) as f64 / COUNT as f64, Some(waiter)))
}

/// The memory of a pool of this size, after all its connections were used and are idle.
fn full<C: Contender>(
    ledger: &Ledger,
    build: impl Fn(usize) -> Result<C>,
    size: usize,
) -> Result<i64> {
    let before = ledger.bytes();
    let pool = build(size)?;
    thread::scope(|scope| {
        let borrower = thread::Builder::new().stack_size(DEEP_STACK);
        let borrower = borrower.spawn_scoped(scope, || borrow(&pool, size));
        let borrower = borrower.map_err(Failure::of)?;
        borrower.join().unwrap_or_else(|_| Err(Failure::new("a borrower panicked")))
    })?;
    let bytes = settled(ledger) - before;
    drop(pool);
    settled(ledger); // the pool's own threads may still have to end
    Ok(bytes)
}

/// Borrows this many connections at the same time.
fn borrow<C: Contender>(pool: &C, count: usize) -> Result<()> {
    match count.checked_sub(1) {
        Some(others) => pool.worker()?.with_conn(|_| borrow(pool, others))?,
        None => Ok(()),
    }
}

/// The memory of a pool for each thread that has used it once.
fn of_threads<C: Contender>(ledger: &Ledger, pool: &C) -> Result<f64> {
    crowd(pool, |crowd, closed| {
        let before = settled(ledger);
        drop(closed);
        crowd.await_all(&crowd.done);
        Ok((settled(ledger) - before) as f64 / COUNT as f64)
    })
}

/// The memory of a pool of one connection for each thread that waits for it.
fn of_waiters<C: Contender>(ledger: &Ledger, pool: &C) -> Result<f64> {
    crowd(pool, |crowd, closed| {
        pool.worker()?.with_conn(|_| {
            let before = settled(ledger);
            drop(closed);
            crowd.await_all(&crowd.asked);
            (settled(ledger) - before) as f64 / COUNT as f64
        })
    })
}

/// Threads that ask for a connection when the first gate opens, and end when the second does. A gate
/// is a lock that is closed while it is held for writing.
#[derive(Default)]
struct Crowd {
    ask: RwLock<()>,
    end: RwLock<()>,
    started: AtomicUsize,
    asked: AtomicUsize,
    done: AtomicUsize,
}

type Closed<'c> = RwLockWriteGuard<'c, ()>;

impl Crowd {
    fn live<C: Contender>(&self, pool: &C) -> Result<()> {
        self.started.fetch_add(1, SeqCst);
        drop(self.ask.read());
        self.asked.fetch_add(1, SeqCst);
        let served = pool.worker().and_then(|mut worker| worker.with_conn(|_| ()));
        self.done.fetch_add(1, SeqCst);
        drop(self.end.read());
        served
    }

    fn await_all(&self, count: &AtomicUsize) {
        while count.load(SeqCst) < COUNT {
            thread::sleep(LOOK);
        }
    }
}

/// Starts [`COUNT`] threads, calls `look` when all run, and ends them.
fn crowd<C: Contender>(
    pool: &C,
    look: impl FnOnce(&Crowd, Closed<'_>) -> Result<f64>,
) -> Result<f64> {
    let crowd = Crowd::default();
    let [ask, end] = [&crowd.ask, &crowd.end].map(|gate| gate.write().expect("it is new"));
    thread::scope(|scope| {
        let begin = || {
            let thread = thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, || crowd.live(pool))
        };
        let threads: Result<Vec<_>, _> = (0..COUNT).map(|_| begin()).collect();
        let looked = match &threads {
            Ok(_) => {
                crowd.await_all(&crowd.started);
                look(&crowd, ask)
            }
            Err(error) => {
                drop(ask);
                Err(Failure::new(format_args!("cannot start a thread: {error}")))
            }
        };
        drop(end);
        for thread in threads.into_iter().flatten() {
            thread.join().unwrap_or_else(|_| Err(Failure::new("a thread panicked")))?;
        }
        looked
    })
}

/// The size of the heap, as soon as it is stable.
fn settled(ledger: &Ledger) -> i64 {
    let mut bytes = ledger.bytes();
    let mut same = 0;
    while same < LOOKS {
        thread::sleep(LOOK);
        let now = ledger.bytes();
        same = if now == bytes { same + 1 } else { 0 };
        bytes = now;
    }
    bytes
}
