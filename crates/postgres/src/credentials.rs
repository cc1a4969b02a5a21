//! User and password, which may change while a pool is at work.

use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::error::Own;

/// How many calls of `credentials_from` may run longer than their limit at the same time.
const MAX_LATE: usize = 4;

/// User and password of a login. Neither is ever printed.
///
/// ```
/// use threadwise_postgres::Credentials;
///
/// let credentials = Credentials::new("app", "secret");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
}

impl Credentials {
    /// This user with this password.
    #[must_use]
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: Some(user.into()), password: Some(password.into().into_bytes()) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials { .. }")
    }
}

type Failure = Box<dyn StdError + Send + Sync>;
type Provide = dyn Fn() -> Result<Credentials, Failure> + Send + Sync;

/// Where the credentials of the next login come from.
#[derive(Clone)]
pub(crate) enum Source {
    Fixed(Credentials),
    Called(Provider),
}

/// A function of the manager's user.
#[derive(Clone)]
pub(crate) struct Provider {
    provide: Arc<Provide>,
    /// How many calls have not returned in time.
    late: Arc<AtomicUsize>,
}

impl Source {
    pub(crate) fn called(
        provide: impl Fn() -> Result<Credentials, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self::Called(Provider { provide: Arc::new(provide), late: Arc::default() })
    }

    /// The credentials for a login that must end by `until`.
    pub(crate) fn get(&self, until: Option<Instant>) -> Result<Credentials, Own> {
        match self {
            Self::Fixed(credentials) => Ok(credentials.clone()),
            Self::Called(provider) => provider.call(until).map_err(Own::Credentials),
        }
    }
}

impl Provider {
    /// Calls the function on a thread of its own, because nothing else can end the wait for it.
    fn call(&self, until: Option<Instant>) -> Result<Credentials, Failure> {
        if self.late.load(Ordering::Relaxed) >= MAX_LATE {
            return Err(format!("{MAX_LATE} earlier calls have not returned yet").into());
        }
        let (provide, late) = (Arc::clone(&self.provide), Arc::clone(&self.late));
        late.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(late);
        let work = move || {
            let _counted = counted; // dropped also if there is no thread
            catch_unwind(AssertUnwindSafe(|| provide()))
        };
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match threadwise_core::within(left.unwrap_or(Duration::MAX), work) {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(_)) => Err("it panicked".into()),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                Err(too_late(left.unwrap_or_default()))
            }
            Err(error) => Err(error.into()),
        }
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
    use std::sync::mpsc;

    use super::*;

    fn soon() -> Option<Instant> {
        Instant::now().checked_add(Duration::from_secs(30))
    }

    #[test]
    fn each_login_gets_what_the_function_returns_then() {
        let calls = AtomicUsize::new(0);
        let source = Source::called(move || {
            let number = calls.fetch_add(1, Ordering::Relaxed);
            Ok(Credentials::new("app", number.to_string()))
        });
        for number in 0..3 {
            let credentials = source.get(soon()).unwrap();
            assert_eq!(credentials, Credentials::new("app", number.to_string()));
        }
    }

    #[test]
    fn a_failure_a_panic_and_a_hang_are_errors_of_the_connect() {
        let failing = Source::called(|| Err("the vault is sealed".into()));
        assert!(failing.get(soon()).unwrap_err().to_string().contains("the vault is sealed"));

        let (open, gate) = mpsc::channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let hanging = Source::called(move || {
            let _ = gate.lock().unwrap().recv(); // returns when the test ends
            Err("too late".into())
        });
        for _ in 0..MAX_LATE {
            let error = hanging.get(Some(Instant::now())).unwrap_err();
            assert!(error.to_string().contains("did not return within"), "{error}");
        }
        let error = hanging.get(soon()).unwrap_err();
        assert!(error.to_string().contains("earlier calls have not returned"), "{error}");
        drop(open);
    }
}
