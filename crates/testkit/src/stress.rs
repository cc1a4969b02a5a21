//! Stress tests: rounds of random choices, for as long as the environment says. A failed round
//! prints its seed.

mod rng;

use std::ops::AddAssign;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use self::rng::Rng;

/// The environment variable that says how long a stress test runs, in seconds.
pub const SECONDS: &str = "THREADWISE_STRESS_SECONDS";

/// The environment variable with the first seed of a stress test.
pub const SEED: &str = "THREADWISE_STRESS_SEED";

/// How long a test runs: as [`SECONDS`] says, or `seconds`.
///
/// # Panics
///
/// If the variable is not a number.
#[must_use]
pub fn time_or(seconds: u64) -> Duration {
    Duration::from_secs(number(SECONDS).unwrap_or(seconds))
}

/// The first seed of a test, which it prints: as [`SEED`] says, or a new one each time.
///
/// # Panics
///
/// If the variable is not a number.
#[must_use]
pub fn first_seed() -> u64 {
    let seed = number(SEED).unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_nanos() as u64)
    });
    println!("{SEED}={seed}");
    seed
}

/// The first seed of a test that makes the same choices each time: as [`SEED`] says; a new one if
/// [`SECONDS`] asks for a longer run; otherwise `seed`. Prints it.
///
/// # Panics
///
/// The same as [`first_seed`].
#[must_use]
pub fn seed_or(seed: u64) -> u64 {
    if number(SEED).is_some() || number(SECONDS).is_some() {
        return first_seed();
    }
    println!("{SEED}={seed}");
    seed
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| {
        panic!("the environment variable {variable} must be a number, not `{value}`")
    }))
}

/// Runs rounds for this time, and at least one, each with its own seed. Returns how many there
/// were, and the sum of their results. A round that panics prints its seed on standard error.
///
/// # Panics
///
/// If a round panics, and the same as [`first_seed`].
pub fn rounds<T: Default + AddAssign>(time: Duration, play: impl Fn(u64) -> T) -> (u32, T) {
    let mut seed = first_seed();
    let end = Instant::now() + time;
    let (mut rounds, mut done) = (0, T::default());
    while rounds == 0 || Instant::now() < end {
        let _on_panic = OnPanic(move || format!("{SEED}={seed}"));
        done += play(seed);
        rounds += 1;
        seed = Rng::new(seed).number();
    }
    (rounds, done)
}

/// Prints its text on standard error if a panic drops it.
#[derive(Debug)]
pub struct OnPanic<S: Fn() -> String>(pub S);

impl<S: Fn() -> String> Drop for OnPanic<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", (self.0)());
        }
    }
}
