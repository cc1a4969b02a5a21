//! The promises, for a manager without a server.

use std::convert::Infallible;

use threadwise_conformance::{ManagerUnderTest, conformance};
use threadwise_core::ManageConnection;

/// A manager without a server: each connection is a session that has a name.
struct Sessions;

#[derive(Default)]
struct Session {
    name: Option<String>,
}

impl ManageConnection for Sessions {
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
        session.name = None;
        Ok(())
    }
}

/// What the suite needs to know about it.
struct InMemory;

impl ManagerUnderTest for InMemory {
    type Manager = Sessions;

    fn start() -> Self {
        Self
    }

    fn manager(&self) -> Sessions {
        Sessions
    }

    fn echo(&self, _: &mut Session, nonce: u64) -> Result<u64, Infallible> {
        Ok(nonce)
    }

    fn soil(&self, session: &mut Session) {
        session.name = Some("alice".into());
    }

    fn is_fresh(&self, session: &mut Session) -> bool {
        session.name.is_none()
    }
}

conformance!(InMemory: session);
