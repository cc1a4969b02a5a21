//! A manager whose sessions may be in a transaction, and may carry a mark until they are reset.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};

use threadwise_core::ManageConnection;

/// Opens [`Session`]s, and never fails. It does not know which sessions have changed, so it says
/// that all have, like a manager without that knowledge.
#[derive(Debug, Default)]
pub struct Driver {
    knows_changes: bool,
}

/// What a [`Driver`] opens. A test sets its fields.
#[derive(Debug, Default)]
pub struct Session {
    /// Whether the session is in a transaction. Atomic, so that threads that share the connection
    /// can set it.
    pub in_transaction: AtomicBool,
    /// What a borrower left behind.
    pub mark: Option<&'static str>,
}

impl Driver {
    /// A driver that knows which sessions have changed: those that are not as they were opened.
    #[must_use]
    pub fn that_knows_changes() -> Self {
        Self { knows_changes: true }
    }
}

impl ManageConnection for Driver {
    type Connection = Session;
    type Error = Infallible;

    fn connect(&self) -> Result<Session, Infallible> {
        Ok(Session::default())
    }

    fn is_valid(&self, _: &mut Session) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Session) -> bool {
        false
    }

    fn reset(&self, session: &mut Session) -> Result<(), Infallible> {
        *session = Session::default();
        Ok(())
    }

    fn has_changed(&self, session: &mut Session) -> bool {
        !self.knows_changes || session.mark.is_some() || *session.in_transaction.get_mut()
    }

    fn in_transaction(&self, session: &mut Session) -> bool {
        *session.in_transaction.get_mut()
    }

    fn in_transaction_shared(&self, session: &Session) -> bool {
        session.in_transaction.load(Ordering::SeqCst)
    }
}
