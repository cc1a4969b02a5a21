//! What a host answers about itself.

use std::borrow::Cow;
use std::fmt;

/// What a server does in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It accepts writes: a single server, a primary, or a node of a cluster in which every node does.
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
    /// It is read-only. A pool of readers ignores this refusal.
    ReadOnly,
}

/// A server's answer to the question whether it is ready, and which role it has. A manager returns it
/// from [`OneHost::condition`](crate::OneHost::condition).
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

    /// The server answers, but cannot serve now, for this reason.
    #[must_use]
    pub fn not_ready(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Err(reason.into()))
    }

    const fn of(use_for: Result<Role, Cow<'static, str>>) -> Self {
        Self { use_for, server: None, cluster: None }
    }

    /// Adds a text that identifies the server. [`HostsBuilder::build`](crate::HostsBuilder::build) refuses
    /// two hosts with the same text. Without it,
    /// [`log_in_every`](crate::HostsBuilder::log_in_every) cannot notice another server.
    #[must_use]
    pub fn with_server(mut self, server: impl Into<String>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// Adds a text that identifies the cluster. The pools never use a host of another cluster.
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
