//! What a host says of itself.

use std::borrow::Cow;
use std::fmt;

/// What a server does in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It accepts writes: a single server, a primary, a node of a cluster that writes everywhere.
    Writer,
    /// It is read-only: a replica.
    Reader,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writer => "writer",
            Self::Reader => "reader",
        })
    }
}

/// Why a host refuses work that another host may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is not ready.
    NotReady,
    /// It is read-only. This does not count for a pool of readers.
    ReadOnly,
}

/// A server's answer to the question whether it can be used, and for what. A manager returns it from
/// [`OneHost::condition`](crate::OneHost::condition).
///
/// ```
/// use threadwise_hosts::Condition;
///
/// let primary = Condition::writer().with_server("db1/3306").with_cluster("shop");
/// assert_eq!(primary.to_string(), "writer");
/// let node = Condition::not_ready("it has no quorum");
/// assert_eq!(node.to_string(), "not ready: it has no quorum");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub(crate) use_for: Result<Role, Cow<'static, str>>,
    pub(crate) server: Option<String>,
    pub(crate) cluster: Option<String>,
}

impl Condition {
    /// The server accepts reads and writes.
    #[must_use]
    pub const fn writer() -> Self {
        Self::of(Ok(Role::Writer))
    }

    /// The server accepts reads only.
    #[must_use]
    pub const fn reader() -> Self {
        Self::of(Ok(Role::Reader))
    }

    /// The server answers, but can serve nothing now, for this reason.
    #[must_use]
    pub fn not_ready(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Err(reason.into()))
    }

    const fn of(use_for: Result<Role, Cow<'static, str>>) -> Self {
        Self { use_for, server: None, cluster: None }
    }

    /// Adds what identifies the server. Two hosts with the same server are refused when the hosts are
    /// built.
    #[must_use]
    pub fn with_server(mut self, server: impl Into<String>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// Adds what identifies the cluster. A host of another cluster is never used.
    #[must_use]
    pub fn with_cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = Some(cluster.into());
        self
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.use_for {
            Ok(role) => role.fmt(f),
            Err(reason) => write!(f, "not ready: {reason}"),
        }
    }
}
