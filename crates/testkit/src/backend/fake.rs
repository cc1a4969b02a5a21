//! The backend without a database.

use super::Backend;
use crate::{FakeConnection, FakeManager};

/// No database: connections are values in memory.
#[derive(Debug)]
pub struct Fake;

impl Backend for Fake {
    type Manager = FakeManager;

    fn start() -> Self {
        Self
    }

    fn manager(&self) -> FakeManager {
        FakeManager
    }

    fn hopeless_manager(&self) -> Option<FakeManager> {
        None
    }

    fn echo(_: &mut FakeConnection, nonce: u64) -> u64 {
        nonce
    }

    fn soil(conn: &mut FakeConnection) {
        conn.left_behind = Some("a secret".into());
    }

    fn is_fresh(conn: &mut FakeConnection) -> bool {
        conn.left_behind.is_none()
    }

    fn cut(&self, conn: &mut FakeConnection) -> bool {
        conn.broken = true;
        true
    }
}
