//! The backend without a database.

use std::convert::Infallible;

use threadwise_conformance::ManagerUnderTest;

use crate::{FakeConnection, FakeManager};

/// No database: connections are values in memory.
#[derive(Debug)]
pub struct Fake;

impl ManagerUnderTest for Fake {
    type Manager = FakeManager;

    fn start() -> Self {
        Self
    }

    fn manager(&self) -> FakeManager {
        FakeManager
    }

    fn echo(&self, _: &mut FakeConnection, nonce: u64) -> Result<u64, Infallible> {
        Ok(nonce)
    }

    fn soil(&self, conn: &mut FakeConnection) {
        conn.left_behind = Some("a secret".into());
    }

    fn is_fresh(&self, conn: &mut FakeConnection) -> bool {
        conn.left_behind.is_none()
    }

    /// A fake session is in a transaction while it has something.
    fn begin(&self, conn: &mut FakeConnection) {
        self.soil(conn);
    }
}
