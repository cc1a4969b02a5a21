//! A pool with random settings, and threads that use all of its methods.

use std::ops::AddAssign;
use std::thread;
use std::time::Duration;

use threadwise_core::GetError;
use threadwise_persistent::{PersistentPool, PooledConnection};
use threadwise_testkit::panics::{expect_planned, panic_as_planned};
use threadwise_testkit::stress::Rng;
use threadwise_testkit::{Call, FakeManager, Scripted, Step};

type Manager = Scripted<FakeManager>;
type Pool = PersistentPool<Manager>;

/// How often each operation happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    got: u32,
    shared: u32,
    overflowed: u32,
    detached: u32,
    discarded: u32,
    panicked: u32,
    replaced: u32,
    refused: u32,
    closed: u32,
}

impl Done {
    fn all(&mut self) -> [&mut u32; 9] {
        [
            &mut self.got,
            &mut self.shared,
            &mut self.overflowed,
            &mut self.detached,
            &mut self.discarded,
            &mut self.panicked,
            &mut self.replaced,
            &mut self.refused,
            &mut self.closed,
        ]
    }

    pub(crate) fn assert_all_happened(mut self, rounds: u32) {
        let all = self.all().map(|count| *count);
        assert!(rounds < 100 || all.iter().all(|count| *count > 0), "{self:?}");
    }
}

impl AddAssign for Done {
    fn add_assign(&mut self, mut other: Self) {
        for (count, more) in self.all().into_iter().zip(other.all()) {
            *count += *more;
        }
    }
}

pub(crate) fn run(seed: u64) -> Done {
    let mut rng = Rng::new(seed);
    let manager = Scripted::new(FakeManager);
    let (script, ledger) = (manager.script(), manager.ledger());
    let max_threads = rng.one_in(2).then(|| 1 + rng.below(4) as usize);
    let max_overflow = rng.below(3) as usize;
    let mut settings = PersistentPool::builder()
        .max_threads(max_threads)
        .max_overflow(max_overflow)
        .get_timeout(Duration::from_micros(rng.below(500)));
    if rng.one_in(3) {
        settings = settings.max_uses(1 + rng.below(10)).on_return(|_| Ok(()));
    }
    let pool = settings.build_lazy(manager).unwrap();
    for _ in 0..rng.below(4) {
        let call = rng.one_of(&[Call::Connect, Call::HasBroken, Call::Reset, Call::Close]);
        script.next(call, if rng.one_in(4) { Step::Panic } else { Step::Fail });
    }
    let seeds: Vec<u64> = (0..2 + rng.below(4)).map(|_| rng.number()).collect();
    let closes_after = rng.one_in(2).then(|| rng.below(3_000));
    let mut done = Done::default();
    thread::scope(|scope| {
        let users: Vec<_> = seeds
            .iter()
            .map(|seed| {
                let handle = pool.clone(); // its thread drops it, sometimes as the last handle
                scope.spawn(move || User::new(handle, *seed, 2).live())
            })
            .collect();
        if let Some(after) = closes_after {
            (0..after).for_each(|_| std::hint::spin_loop());
            pool.close();
        }
        drop(pool);
        users.into_iter().for_each(|user| done += user.join().unwrap());
    });
    assert_eq!(ledger.open(), 0, "connections are left open");
    ledger.assert_in_order();
    if let Some(max) = max_threads {
        // Twice the limit, since each `steady` opens one connection before it closes another. A
        // detached connection does not count, and stays open until its thread drops it.
        let detached = done.detached as usize;
        assert!(ledger.most_open() <= 2 * (max + max_overflow) + detached);
    }
    done
}

struct User {
    pool: Pool,
    rng: Rng,
    generations: u32,
    done: Done,
}

impl User {
    fn new(pool: Pool, seed: u64, generations: u32) -> Self {
        Self { pool, rng: Rng::new(seed), generations, done: Done::default() }
    }

    fn live(mut self) -> Done {
        for _ in 0..self.rng.below(30) {
            let pool = self.pool.clone();
            self.act(&pool, 3);
        }
        self.done
    }

    fn act(&mut self, pool: &Pool, depth: u32) {
        match self.rng.below(10) {
            0 if self.generations > 0 => {
                let child = User::new(pool.clone(), self.rng.number(), self.generations - 1);
                self.done += thread::spawn(|| child.live()).join().unwrap();
            }
            1 | 2 => self.share(pool, depth),
            3 => {
                let mut panicked = 0;
                expect_planned(|| {
                    if let Ok(_conn) = pool.get() {
                        panicked = 1;
                        panic_as_planned();
                    }
                });
                self.done.panicked += panicked;
            }
            _ => self.get(pool, depth),
        }
    }

    fn get(&mut self, pool: &Pool, depth: u32) {
        let mut conn: PooledConnection<'_, Manager> = match pool.get() {
            Ok(conn) => conn,
            Err(GetError::Closed) => return self.done.closed += 1,
            Err(_) => return self.done.refused += 1,
        };
        self.done.got += 1;
        self.done.overflowed += u32::from(depth < 3);
        let held = conn.hold();
        if depth > 0 && self.rng.one_in(2) {
            self.act(pool, depth - 1);
        }
        drop(held);
        match self.rng.below(8) {
            0 => {
                self.done.detached += 1;
                drop(conn.detach());
            }
            1 => {
                self.done.discarded += 1;
                conn.discard();
            }
            2 => {
                let mut runs = 0;
                let lost = || threadwise_testkit::ScriptedError::Scripted {
                    call: Call::IsValid,
                    for_good: false,
                };
                let again = conn.steady(|conn| {
                    drop(conn.hold());
                    runs += 1;
                    if runs == 1 { Err(lost()) } else { Ok(()) }
                });
                self.done.replaced += u32::from(again.is_ok());
            }
            3 => conn.broken = true,
            4 => conn.left_behind = Some("something".into()),
            _ => {}
        }
    }

    fn share(&mut self, pool: &Pool, depth: u32) {
        let Ok(conn) = pool.share() else { return self.done.refused += 1 };
        self.done.shared += 1;
        if depth > 0 {
            if let Ok(inner) = pool.share() {
                assert_eq!(inner.id(), conn.id());
                if self.rng.one_in(2) {
                    drop(conn);
                    self.act(pool, depth - 1);
                    return drop(inner);
                }
            }
            self.act(pool, depth - 1);
        }
    }
}
