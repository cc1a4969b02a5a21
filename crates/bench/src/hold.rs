//! How long a thread holds a connection, and what it does meanwhile.

use std::hint::black_box;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// What a thread does with a connection besides using it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nothing.
    None,
    /// Sleeps, like a thread that waits for a server. The processor is free for other threads. The
    /// system makes the sleep longer, on Linux by about 0.05 ms.
    Asleep(Duration),
    /// Computes, like a thread whose database is in its own process. This is a fixed amount of
    /// work, which takes this long without interruption. A thread that loses its processor still
    /// has the rest of the work to do.
    Computing(Duration),
}

impl Hold {
    /// Returns the intended length.
    pub fn duration(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Asleep(duration) | Self::Computing(duration) => duration,
        }
    }

    /// Returns what a report says about it.
    pub fn kind(self) -> Option<threadwise_figures::Hold> {
        match self {
            Self::None => None,
            Self::Asleep(_) => Some(threadwise_figures::Hold::Asleep),
            Self::Computing(_) => Some(threadwise_figures::Hold::Computing),
        }
    }

    /// Sleeps or computes.
    #[inline]
    pub fn spend(self) {
        match self {
            Self::None => {}
            Self::Asleep(duration) => thread::sleep(duration),
            Self::Computing(duration) => compute(steps(duration, steps_per_ns())),
        }
    }
}

fn steps(duration: Duration, per_ns: f64) -> u64 {
    ((duration.as_nanos() as f64 * per_ns) as u64).max(1)
}

/// Computes steps that each need the result of the one before. So they take the same time
/// everywhere in a program.
fn compute(steps: u64) {
    let mut number = 1_u64;
    for _ in 0..steps {
        number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Measures the speed of this processor, once, so that all contenders get the same work.
fn steps_per_ns() -> f64 {
    const TRIALS: usize = 64;
    const STEPS: u64 = 10_000;
    static FOUND: OnceLock<f64> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let trial = || {
            let start = Instant::now();
            compute(STEPS);
            start.elapsed()
        };
        // In the fastest trial no other thread had the processor.
        let fastest = (0..TRIALS).map(|_| trial()).min().unwrap_or_default();
        STEPS as f64 / fastest.as_nanos().max(1) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_work_has_more_steps() {
        assert_eq!(steps(Duration::from_micros(2), 0.5), 1_000);
        assert_eq!(steps(Duration::from_micros(4), 0.5), 2_000);
    }

    #[test]
    fn the_measured_speed_is_positive_and_finite() {
        assert!(steps_per_ns() > 0.0 && steps_per_ns().is_finite());
    }

    #[test]
    fn a_hold_has_a_length_and_a_kind() {
        let half_a_milli = Duration::from_micros(500);
        assert_eq!(Hold::Asleep(half_a_milli).kind(), Some(threadwise_figures::Hold::Asleep));
        assert_eq!(Hold::Computing(half_a_milli).duration(), half_a_milli);
        assert_eq!((Hold::None.duration(), Hold::None.kind()), (Duration::ZERO, None));
    }
}
