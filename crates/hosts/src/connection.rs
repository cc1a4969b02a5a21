//! A connection that knows its host.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::OneHost;
use crate::host::{Host, Stamp};

/// A connection to one of several hosts. It dereferences to the connection of the host's own manager.
pub struct HostConnection<M: OneHost> {
    pub(crate) conn: M::Connection,
    pub(crate) place: Place<M>,
    pub(crate) stamp: Stamp,
    /// The host's watcher knows that this connection is lost.
    pub(crate) is_reported: bool,
    /// The host has refused work that another host may do.
    pub(crate) is_refused: bool,
}

/// Counts a connection as open at its host, until this value is dropped.
pub(crate) struct Place<M: OneHost> {
    host: Arc<Host<M>>,
    /// The host's number of forks when the connection was counted.
    forks: u64,
}

impl<M: OneHost> Place<M> {
    pub(crate) fn new(host: &Arc<Host<M>>) -> Self {
        Self { forks: host.add_connection(), host: Arc::clone(host) }
    }
}

impl<M: OneHost> Drop for Place<M> {
    fn drop(&mut self) {
        self.host.remove_connection(self.forks);
    }
}

impl<M: OneHost> Deref for Place<M> {
    type Target = Host<M>;

    fn deref(&self) -> &Host<M> {
        &self.host
    }
}

impl<M: OneHost> HostConnection<M> {
    pub(crate) const fn new(conn: M::Connection, place: Place<M>, stamp: Stamp) -> Self {
        Self { conn, place, stamp, is_reported: false, is_refused: false }
    }

    /// Wakes the watcher to ask the host at once, because this connection is unusable. Only the first call
    /// does so.
    pub(crate) fn report(&mut self) {
        if !self.is_reported {
            self.is_reported = true;
            self.place.doubt();
        }
    }

    /// Returns the address of the host that the connection leads to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.place.address
    }
}

impl<M: OneHost> Deref for HostConnection<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.conn
    }
}

impl<M: OneHost> DerefMut for HostConnection<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.conn
    }
}

impl<M: OneHost> fmt::Debug for HostConnection<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConnection").field("host", &self.host()).finish_non_exhaustive()
    }
}
