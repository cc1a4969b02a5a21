//! A function of the program that supplies a value at each connect, called within a limit.

use std::error::Error;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::within;

/// How many calls may run longer than their limit at the same time. In time, any number may run.
const MAX_LATE: usize = 4;

type Failure = Box<dyn Error + Send + Sync>;
type Supply<T> = dyn Fn() -> Result<T, Failure> + Send + Sync;

/// A function of the program that supplies a value, such as the credentials of a login. Clones share
/// the function.
pub struct Supplier<T> {
    supply: Arc<Supply<T>>,
    /// How many calls run longer than their limit.
    late: Arc<AtomicUsize>,
}

impl<T: Send + 'static> Supplier<T> {
    /// Keeps the function.
    pub fn new(supply: impl Fn() -> Result<T, Failure> + Send + Sync + 'static) -> Self {
        Self { supply: Arc::new(supply), late: Arc::default() }
    }

    /// Calls the function on a thread of its own ([`within`]), because nothing else can end the wait
    /// for it. Without `until` the wait has no limit.
    ///
    /// # Errors
    ///
    /// The function's own error, or one that says that it panicked, has not returned in time, or has
    /// not returned from too many earlier calls. A late result is dropped.
    pub fn call(&self, until: Option<Instant>) -> Result<T, Failure> {
        // Relaxed: one call too many, at the same time as others, does no harm.
        if self.late.load(Ordering::Relaxed) >= MAX_LATE {
            return Err(format!("{MAX_LATE} earlier calls have not returned yet").into());
        }
        let supply = Arc::clone(&self.supply);
        let call = Arc::new(Call { late: Arc::clone(&self.late), state: AtomicU8::new(RUNS) });
        let of_thread = Arc::clone(&call);
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(|| supply()));
            of_thread.has_returned();
            result
        };
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match within(left.unwrap_or(Duration::MAX), work) {
            Ok(Ok(supplied)) => supplied,
            Ok(Err(_)) => Err("it panicked".into()),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                call.is_given_up();
                Err(too_late(left.unwrap_or_default()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl<T> Clone for Supplier<T> {
    fn clone(&self) -> Self {
        Self { supply: Arc::clone(&self.supply), late: Arc::clone(&self.late) }
    }
}

fn too_late(limit: Duration) -> Failure {
    format!("it did not return within the {limit:.1?} that the connect timeout leaves").into()
}

/// One call of the function.
struct Call {
    late: Arc<AtomicUsize>,
    state: AtomicU8,
}

const RUNS: u8 = 0;
const GIVEN_UP: u8 = 1;
const RETURNED: u8 = 2;

impl Call {
    /// The caller no longer waits. The call counts as late until it returns.
    fn is_given_up(&self) {
        self.late.fetch_add(1, Ordering::Relaxed); // before the swap, which publishes it
        // AcqRel: the two swaps pair, so the one that is second takes the call off the count.
        if self.state.swap(GIVEN_UP, Ordering::AcqRel) == RETURNED {
            self.late.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn has_returned(&self) {
        // AcqRel: see `is_given_up`.
        if self.state.swap(RETURNED, Ordering::AcqRel) == GIVEN_UP {
            self.late.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;
    use std::sync::{Barrier, Mutex, mpsc};
    use std::thread;

    use super::*;

    fn soon() -> Option<Instant> {
        Instant::now().checked_add(Duration::from_secs(30))
    }

    #[test]
    fn each_call_gets_what_the_function_returns_then() {
        let calls = AtomicUsize::new(0);
        let supplier = Supplier::new(move || Ok(calls.fetch_add(1, Ordering::Relaxed)));
        for number in 0..3 {
            assert_eq!(supplier.call(soon()).unwrap(), number);
        }
        assert_eq!(supplier.call(None).unwrap(), 3);
    }

    #[test]
    fn a_failure_and_a_panic_are_errors() {
        let failing: Supplier<()> = Supplier::new(|| Err("the vault is sealed".into()));
        assert_eq!(failing.call(soon()).unwrap_err().to_string(), "the vault is sealed");
        let panicking: Supplier<()> = Supplier::new(|| resume_unwind(Box::new("as planned")));
        assert_eq!(panicking.call(soon()).unwrap_err().to_string(), "it panicked");
    }

    #[test]
    fn any_number_of_calls_may_run_at_once_while_they_are_in_time() {
        let all = Arc::new(Barrier::new(3 * MAX_LATE));
        let arrives = Arc::clone(&all);
        let supplier = Supplier::new(move || Ok(arrives.wait().is_leader()));
        thread::scope(|scope| {
            for _ in 0..3 * MAX_LATE {
                scope.spawn(|| supplier.call(soon()).unwrap());
            }
        });
    }

    #[test]
    fn a_call_that_returns_late_no_longer_counts() {
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let slow: Supplier<()> = Supplier::new(move || {
            let _ = gate.lock().unwrap().recv();
            Ok(())
        });
        for _ in 0..MAX_LATE {
            slow.call(Some(Instant::now())).unwrap_err();
        }
        drop(open);
        while slow.late.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        slow.call(soon()).unwrap();
    }

    #[test]
    fn a_function_that_hangs_costs_a_few_threads_at_most() {
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let hanging: Supplier<()> = Supplier::new(move || {
            let _ = gate.lock().unwrap().recv(); // returns when the test ends
            Err("too late".into())
        });
        for _ in 0..MAX_LATE {
            let error = hanging.call(Some(Instant::now())).unwrap_err();
            assert!(error.to_string().contains("did not return within"), "{error}");
        }
        let error = hanging.call(soon()).unwrap_err();
        assert!(error.to_string().contains("earlier calls have not returned"), "{error}");
        drop(open);
    }
}
