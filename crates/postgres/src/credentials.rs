//! User and password, which may change while a pool is at work.

use std::error::Error as StdError;
use std::fmt;
use std::time::Instant;

use threadwise_core::parts::Supplier;

use crate::error::Own;

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

/// Where the credentials of the next login come from.
#[derive(Clone)]
pub(crate) enum Source {
    Fixed(Credentials),
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

    /// The fixed credentials; none if a function supplies them.
    pub(crate) fn fixed(&self) -> Option<&Credentials> {
        match self {
            Self::Fixed(credentials) => Some(credentials),
            Self::Called(_) => None,
        }
    }

    /// The credentials for a login that must end by `until`.
    pub(crate) fn get(&self, until: Option<Instant>) -> Result<Credentials, Own> {
        match self {
            Self::Fixed(credentials) => Ok(credentials.clone()),
            Self::Called(supplier) => supplier.call(until).map_err(Own::Credentials),
        }
    }
}
