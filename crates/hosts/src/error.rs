//! The errors: no host can be used, and the list of hosts is wrong.

use std::fmt;

/// No host can serve. The error names each host, and why it cannot.
///
/// [`OneHost::no_host`](crate::OneHost::no_host) puts it into the manager's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoHost {
    wanted: &'static str,
    causes: Vec<(String, String)>,
}

impl NoHost {
    pub(crate) const fn new(wanted: &'static str, causes: Vec<(String, String)>) -> Self {
        Self { wanted, causes }
    }

    /// Returns the address of each host, and why the host cannot serve.
    #[must_use]
    pub fn causes(&self) -> &[(String, String)] {
        &self.causes
    }

    /// Returns the addresses of all hosts, with commas between them.
    #[must_use]
    pub fn addresses(&self) -> String {
        let addresses: Vec<_> = self.causes.iter().map(|(address, _)| &**address).collect();
        addresses.join(", ")
    }
}

impl fmt::Display for NoHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no host {}", self.wanted)?;
        causes(f, &self.causes)
    }
}

impl std::error::Error for NoHost {}

/// Why [`HostsBuilder`](crate::HostsBuilder) refuses its list of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostsError {
    /// The list is empty.
    Empty,
    /// The list has this many hosts, which is more than 64.
    TooMany(usize),
    /// Two entries of the list have the same address, or lead to the same server.
    Same {
        /// The address of the first.
        first: String,
        /// The address of the second.
        second: String,
        /// The server that both lead to, if their addresses differ.
        server: Option<String>,
    },
    /// Two hosts belong to different clusters.
    Foreign {
        /// The first host and its cluster.
        first: (String, String),
        /// The second host and its cluster.
        second: (String, String),
    },
    /// No host answered. The list has the address and the error of each host.
    AllDown(Vec<(String, String)>),
}

impl fmt::Display for HostsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the list of hosts is empty: name at least one"),
            Self::TooMany(count) => {
                write!(f, "the list has {count} hosts: name at most 64")
            }
            Self::Same { first, second, server: None } => {
                write!(
                    f,
                    "the list of hosts names {first} twice (as {second}): name each host once"
                )
            }
            Self::Same { first, second, server: Some(server) } => write!(
                f,
                "the hosts {first} and {second} lead to the same server ({server}): name each server once"
            ),
            Self::Foreign { first, second } => write!(
                f,
                "the hosts belong to different clusters: {} to {}, and {} to {}: name hosts of one cluster",
                first.0, first.1, second.0, second.1
            ),
            Self::AllDown(list) => {
                f.write_str("none of the hosts answers")?;
                causes(f, list)?;
                f.write_str(
                    "; check the addresses and the servers, or call `build_lazy` to begin without them",
                )
            }
        }
    }
}

impl std::error::Error for HostsError {}

fn causes(f: &mut fmt::Formatter<'_>, causes: &[(String, String)]) -> fmt::Result {
    for (index, (address, cause)) in causes.iter().enumerate() {
        write!(f, "{}{address}: {cause}", if index == 0 { ": " } else { "; " })?;
    }
    Ok(())
}
