//! What users do with the pool, and what they check.

use std::ops::AddAssign;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::Duration;

use threadwise_core::{GetError, Guard, Reset};
use threadwise_shared::OwnedConnection;
use threadwise_testkit::panics::{expect_planned, panic_as_planned};
use threadwise_testkit::stress::Rng;

use crate::round::Round;
use crate::watched::{Watched, WatchedConnection};

/// A guard on its way to another thread.
pub(crate) type GuardToSend = OwnedConnection<Watched>;

/// What a user has done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) served: u64,
    pub(crate) timed_out: u64,
    pub(crate) exhausted: u64,
    pub(crate) line_full: u64,
    pub(crate) connect_failed: u64,
    pub(crate) closed: u64,
    pub(crate) discarded: u64,
    pub(crate) detached: u64,
    pub(crate) panicked: u64,
    pub(crate) broken: u64,
    pub(crate) sent: u64,
    pub(crate) evicted: u64,
    pub(crate) resized: u64,
}

/// Borrows and returns until the round is over or the pool is closed.
pub(crate) fn run(round: &Round, mut rng: Rng, sender: Sender<GuardToSend>) -> Done {
    let mut done = Done::default();
    while !round.is_over.load(Relaxed) {
        let pool = &round.pool;
        let got = match rng.below(16) {
            0..3 => pool.try_get(),
            3..8 => pool.get_timeout(Duration::from_micros(1 + rng.below(300))),
            8 => match pool.get_owned() {
                Ok(guard) => {
                    done.sent += 1;
                    sender.send(guard).expect("the receiver lives longer");
                    continue;
                }
                Err(error) => Err(error),
            },
            _ => pool.get(),
        };
        match got {
            Ok(guard) => use_up(round, guard, &mut rng, &mut done),
            Err(GetError::TimedOut(_)) => done.timed_out += 1,
            Err(GetError::Exhausted(_)) => {
                done.exhausted += 1;
                thread::yield_now();
            }
            Err(GetError::QueueFull { .. }) => {
                done.line_full += 1;
                thread::yield_now();
            }
            Err(GetError::ConnectFailed(_)) => done.connect_failed += 1,
            Err(GetError::Closed) => {
                assert!(round.is_closing.load(Relaxed), "no thread has closed the pool");
                done.closed += 1;
                break;
            }
            Err(other) => panic!("uncalled-for: {other}"),
        }
        if !round.plan.is_calm && rng.one_in(1_000) {
            match rng.below(3) {
                0 => pool.evict(),
                1 => pool.evict_idle(),
                _ => pool.evict_generation(pool.state().generation.saturating_sub(1)),
            }
            done.evicted += 1;
        }
        if round.plan.is_calm {
            linger(&mut rng); // so that connections are idle too
        }
        round.assert_in_order();
    }
    done
}

/// Uses the guards that other threads send.
pub(crate) fn receive(round: &Round, mut rng: Rng, guards: &Receiver<GuardToSend>) -> Done {
    let mut done = Done::default();
    for guard in guards {
        use_up(round, guard, &mut rng, &mut done);
    }
    done
}

fn use_up<G>(round: &Round, mut guard: G, rng: &mut Rng, done: &mut Done)
where
    G: Guard<Target = WatchedConnection>,
{
    done.served += 1;
    match if round.plan.is_calm { 64 } else { rng.below(64) } {
        0 => {
            use_it(round, &mut guard, rng);
            guard.discard();
            done.discarded += 1;
        }
        1 => {
            use_it(round, &mut guard, rng);
            guard.is_leaving();
            drop(guard.detach());
            done.detached += 1;
        }
        2 => {
            expect_planned(move || {
                let mut guard = guard;
                use_it(round, &mut guard, rng);
                panic_as_planned();
            });
            done.panicked += 1;
        }
        3 => {
            use_it(round, &mut guard, rng);
            guard.broken = true;
            done.broken += 1;
        }
        _ => use_it(round, &mut guard, rng),
    }
}

/// Checks that the connection has no other holder, is open, works, and has a fresh session.
fn use_it(round: &Round, conn: &mut WatchedConnection, rng: &mut Rng) {
    let _holding = conn.hold();
    assert!(!conn.broken, "connection {} was lent though it is broken", conn.id());
    assert_eq!(conn.left_behind, None, "connection {} was not reset", conn.id());
    let mine = Some(format!("{:?} {}", thread::current().id(), rng.number()));
    conn.left_behind.clone_from(&mine);
    linger(rng);
    assert_eq!(conn.left_behind, mine, "connection {} has two holders", conn.id());
    if round.plan.reset == Reset::Never || rng.one_in(2) {
        conn.left_behind = None;
    }
}

fn linger(rng: &mut Rng) {
    match rng.below(32) {
        0 => thread::sleep(Duration::from_micros(rng.below(2_000))),
        1..4 => thread::sleep(Duration::from_micros(rng.below(50))),
        4..12 => thread::yield_now(),
        12..20 => (0..rng.below(500)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

impl Done {
    /// In many rounds every operation happens. If one does not, the test is broken.
    pub(crate) fn assert_all_happened(&self, rounds: u32) {
        assert!(self.served > 0, "no user was ever served");
        let all = [
            ("timed out", self.timed_out),
            ("exhausted", self.exhausted),
            ("line full", self.line_full),
            ("connect failed", self.connect_failed),
            ("closed", self.closed),
            ("discarded", self.discarded),
            ("detached", self.detached),
            ("panicked", self.panicked),
            ("broken", self.broken),
            ("sent", self.sent),
            ("evicted", self.evicted),
            ("resized", self.resized),
        ];
        let never: Vec<_> = all.iter().filter(|(_, times)| *times == 0).collect();
        assert!(rounds < 1_000 || never.is_empty(), "in {rounds} rounds never: {never:?}");
    }
}

impl AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.served += other.served;
        self.timed_out += other.timed_out;
        self.exhausted += other.exhausted;
        self.line_full += other.line_full;
        self.connect_failed += other.connect_failed;
        self.closed += other.closed;
        self.discarded += other.discarded;
        self.detached += other.detached;
        self.panicked += other.panicked;
        self.broken += other.broken;
        self.sent += other.sent;
        self.evicted += other.evicted;
        self.resized += other.resized;
    }
}
