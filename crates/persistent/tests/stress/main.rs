//! Random operations on threads that come and go, while the pool is closed at a random moment: no
//! connection is used by two, none is lost, and none is left open.
//!
//! `THREADWISE_STRESS_SECONDS` says for how long (2 by default), `THREADWISE_STRESS_SEED` with which
//! choices. Threads are not choices: a seed that failed fails often rather than always.

mod chance;
mod closing;
mod panics;
mod round;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chance::Chance;

const SECONDS: &str = "THREADWISE_STRESS_SECONDS";
const SEED: &str = "THREADWISE_STRESS_SEED";

#[test]
fn random_operations_on_threads_that_come_and_go_keep_the_books_in_balance() {
    panics::mute_planned_ones();
    let (rounds, done) = rounds(round::play);
    println!("{rounds} rounds: {done:?}");
    done.assert_all_happened(rounds);
}

#[test]
fn a_pool_that_is_closed_while_threads_borrow_leaves_nothing_open_and_nothing_in_two_hands() {
    let (rounds, gets) = rounds(closing::play);
    println!("{rounds} rounds, {gets} connections lent");
}

/// Plays rounds for half of the time.
fn rounds<T: Default + std::ops::AddAssign>(play: impl Fn(u64) -> T) -> (u32, T) {
    let time = Duration::from_secs(number(SECONDS).unwrap_or(2)) / 2;
    let mut seed = number(SEED).unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_nanos() as u64)
    });
    println!("{SEED}={seed}");
    let end = Instant::now() + time;
    let (mut rounds, mut done) = (0, T::default());
    while rounds == 0 || Instant::now() < end {
        let _on_panic = Says(seed);
        done += play(seed);
        rounds += 1;
        seed = Chance::new(seed).next();
    }
    (rounds, done)
}

/// Says which round it was, if that ends in a panic.
struct Says(u64);

impl Drop for Says {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{SEED}={}", self.0);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value}: not a number")))
}
