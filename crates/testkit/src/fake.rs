//! A manager without a server: its connections are values in memory.

use std::convert::Infallible;

use threadwise_core::ManageConnection;

/// Opens [`FakeConnection`]s. Never fails: put [`Scripted`](crate::Scripted) in front of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeManager;

/// A session that remembers what a borrower left in it.
#[derive(Debug, Default)]
pub struct FakeConnection {
    /// What a borrower left behind.
    pub left_behind: Option<String>,
    /// Whether the server is gone, as the free check sees it.
    pub broken: bool,
}

impl ManageConnection for FakeManager {
    type Connection = FakeConnection;
    type Error = Infallible;

    fn connect(&self) -> Result<FakeConnection, Infallible> {
        Ok(FakeConnection::default())
    }

    fn is_valid(&self, _: &mut FakeConnection) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, conn: &mut FakeConnection) -> bool {
        conn.broken
    }

    fn reset(&self, conn: &mut FakeConnection) -> Result<(), Infallible> {
        conn.left_behind = None;
        Ok(())
    }

    fn has_changed(&self, conn: &mut FakeConnection) -> bool {
        conn.left_behind.is_some()
    }

    fn in_transaction(&self, conn: &mut FakeConnection) -> bool {
        conn.left_behind.is_some()
    }
}
