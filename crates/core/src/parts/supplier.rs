//! A function of the program that supplies a value at each connect, called within a limit.

use std::error::Error;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::within;

/// How many calls may run longer than their limit at the same time.
const MAX_LATE: usize = 4;

type Failure = Box<dyn Error + Send + Sync>;
type Supply<T> = dyn Fn() -> Result<T, Failure> + Send + Sync;

/// A function of the program that supplies a value, such as the credentials of a login. Clones share
/// the function.
pub struct Supplier<T> {
    supply: Arc<Supply<T>>,
    /// How many calls run.
    running: Arc<AtomicUsize>,
}

impl<T: Send + 'static> Supplier<T> {
    /// Keeps the function.
    pub fn new(supply: impl Fn() -> Result<T, Failure> + Send + Sync + 'static) -> Self {
        Self { supply: Arc::new(supply), running: Arc::default() }
    }

    /// Calls the function on a thread of its own ([`within`]), because nothing else can end the wait
    /// for it. Without `until` the wait has no limit.
    ///
    /// # Errors
    ///
    /// The function's own error, or one that says that it panicked, has not returned in time, or has
    /// not returned from too many earlier calls. A late result is dropped.
    pub fn call(&self, until: Option<Instant>) -> Result<T, Failure> {
        if self.running.load(Ordering::Relaxed) >= MAX_LATE {
            return Err(format!("{MAX_LATE} earlier calls have not returned yet").into());
        }
        let (supply, running) = (Arc::clone(&self.supply), Arc::clone(&self.running));
        running.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(running);
        let work = move || {
            let _counted = counted; // dropped also if there is no thread
            catch_unwind(AssertUnwindSafe(|| supply()))
        };
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match within(left.unwrap_or(Duration::MAX), work) {
            Ok(Ok(supplied)) => supplied,
            Ok(Err(_)) => Err("it panicked".into()),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                Err(too_late(left.unwrap_or_default()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl<T> Clone for Supplier<T> {
    fn clone(&self) -> Self {
        Self { supply: Arc::clone(&self.supply), running: Arc::clone(&self.running) }
    }
}

fn too_late(limit: Duration) -> Failure {
    format!("it did not return within the {limit:.1?} that the connect timeout leaves").into()
}

/// A call that runs.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;
    use std::sync::{Mutex, mpsc};

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
