//! What identifies a connection in events.

use std::borrow::Cow;

/// What identifies a connection. A program uses it to tell connections apart in events, and to find
/// a session on the server. A manager returns it from [`info`](crate::ManageConnection::info).
///
/// ```
/// # use threadwise_core::ConnectionInfo;
/// let info = ConnectionInfo::new().with_id(17).with_host("db1:3306");
/// assert_eq!(info.to_string(), "connection 17 of db1:3306");
/// assert_eq!(ConnectionInfo::new().to_string(), "a connection");
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectionInfo<'c> {
    /// The session's number. If the server numbers its sessions, this is the server's number.
    pub id: Option<u64>,
    /// The host that the connection leads to. Never a password.
    pub host: Option<Cow<'c, str>>,
}

impl<'c> ConnectionInfo<'c> {
    /// An info with neither a number nor a host.
    #[must_use]
    pub const fn new() -> Self {
        Self { id: None, host: None }
    }

    /// Adds the session's number.
    #[must_use]
    pub fn with_id(mut self, id: u64) -> Self {
        self.id = Some(id);
        self
    }

    /// Adds the host.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<Cow<'c, str>>) -> Self {
        self.host = Some(host.into());
        self
    }
}

impl std::fmt::Display for ConnectionInfo<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.id, &self.host) {
            (Some(id), Some(host)) => write!(f, "connection {id} of {host}"),
            (Some(id), None) => write!(f, "connection {id}"),
            (None, Some(host)) => write!(f, "a connection of {host}"),
            (None, None) => f.write_str("a connection"),
        }
    }
}
