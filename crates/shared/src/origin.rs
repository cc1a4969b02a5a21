//! Where a connection comes from.

/// When a connection was opened, compared with the pool's decisions about all connections, and where it
/// leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// A connection belongs to the generation in which its dial began. An eviction or a suspicion ends
    /// the present generation.
    pub(crate) generation: u64,
    /// The manager's number of its group.
    pub(crate) group: u64,
}
