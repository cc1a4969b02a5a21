//! User and password, which may change while a pool is at work.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql::Error;
use threadwise_core::parts::sync::Mutex;
use threadwise_core::parts::{Supplier, fork};

use crate::error;
use crate::session::schema::Schema;

/// User and password of a login. Neither is ever printed.
///
/// ```
/// use threadwise_mysql::Credentials;
///
/// let credentials = Credentials::new("app", "secret");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl Credentials {
    /// This user with this password.
    #[must_use]
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: Some(user.into()), password: Some(password.into()) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials { .. }")
    }
}

/// Where the credentials of the next login come from.
#[derive(Clone)]
pub(crate) enum Source {
    Fixed(Arc<Credentials>),
    Called(Supplier<Credentials>),
}

impl Source {
    pub(crate) fn called(
        provide: impl Fn() -> Result<Credentials, Box<dyn StdError + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self::Called(Supplier::new(provide))
    }
}

/// The credentials of a login.
pub(crate) struct Login {
    pub(crate) credentials: Arc<Credentials>,
    /// Each change of the user has the next number: another user may see other names.
    pub(crate) number: u64,
    /// How long the program's function took; zero if there is none.
    pub(crate) took: Duration,
}

/// The source of credentials, for the manager and for its thread that asks about names.
pub(crate) struct Logins {
    /// Locked for a moment only, and `fork` waits meanwhile, so a forked child never finds it locked.
    state: Mutex<State>,
    schema: Arc<Schema>,
}

struct State {
    source: Source,
    number: u64,
    /// The user of the last login.
    user: Option<String>,
}

impl Logins {
    pub(crate) fn new(credentials: Credentials, schema: Arc<Schema>) -> Self {
        let user = credentials.user.clone();
        let source = Source::Fixed(Arc::new(credentials));
        Self { state: Mutex::new(State { source, number: 0, user }), schema }
    }

    /// Takes the credentials from here from now on.
    pub(crate) fn replace(&self, source: Source) {
        let (number, before) = self.with(|state| {
            state.number += 1;
            if let Source::Fixed(credentials) = &source {
                state.user.clone_from(&credentials.user);
            }
            (state.number, std::mem::replace(&mut state.source, source))
        });
        drop(before); // outside of the lock
        self.schema.use_login(number);
    }

    /// The credentials for a login that must end by `until`.
    ///
    /// # Errors
    ///
    /// If the program's function supplies none in time.
    pub(crate) fn get(&self, until: Option<Instant>) -> Result<Login, Error> {
        let (source, number) = self.with(|state| (state.source.clone(), state.number));
        match source {
            Source::Fixed(credentials) => Ok(Login { credentials, number, took: Duration::ZERO }),
            Source::Called(supplier) => {
                let start = Instant::now();
                let credentials = supplier.call(until).map_err(error::no_credentials)?;
                let number = self.number_of(credentials.user.as_deref());
                Ok(Login { credentials: Arc::new(credentials), number, took: start.elapsed() })
            }
        }
    }

    /// The number of a login that is about to begin. If its user is another one than that of the
    /// last login, it gets the next number.
    fn number_of(&self, user: Option<&str>) -> u64 {
        let (number, is_new) = self.with(|state| {
            let is_new = state.user.as_deref() != user;
            if is_new {
                state.number += 1;
                state.user = user.map(str::to_owned);
            }
            (state.number, is_new)
        });
        if is_new {
            self.schema.use_login(number);
        }
        number
    }

    /// Changes the fixed credentials. Those of a function are given up.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Credentials)) {
        let mut credentials = self.with(|state| match &state.source {
            Source::Fixed(credentials) => (**credentials).clone(),
            Source::Called(_) => Credentials::default(),
        });
        change(&mut credentials);
        self.replace(Source::Fixed(Arc::new(credentials)));
    }

    /// User and password as texts that show no secret.
    pub(crate) fn shown(&self) -> (String, String) {
        self.with(|state| match &state.source {
            Source::Fixed(credentials) => {
                let password = if credentials.password.is_some() { "set" } else { "none" };
                let user = credentials.user.as_deref().unwrap_or("none");
                (user.to_owned(), password.to_owned())
            }
            Source::Called(_) => ("from a function".to_owned(), "from a function".to_owned()),
        })
    }

    /// The user of the last login, or of the next one if that is known.
    pub(crate) fn user(&self) -> Option<String> {
        self.with(|state| state.user.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        fork::hold_off(|| act(&mut self.state.lock()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_login_has_the_next_number_if_its_user_is_another_one() {
        let logins = Logins::new(Credentials::new("app", "old"), Arc::default());
        let number = || logins.get(None).unwrap().number;
        assert_eq!(number(), 0);
        logins.replace(Source::Fixed(Arc::new(Credentials::new("app", "new"))));
        assert_eq!(number(), 1);

        let calls = AtomicU32::new(0);
        logins.replace(Source::called(move || {
            let user =
                ["app", "app", "admin", "app"][calls.fetch_add(1, Ordering::Relaxed) as usize];
            Ok(Credentials::new(user, "token"))
        }));
        assert_eq!([number(), number(), number(), number()], [2, 2, 3, 4]);
        assert_eq!(logins.user().as_deref(), Some("app"));
    }
}
