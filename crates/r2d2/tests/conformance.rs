//! The promises of every pool, kept with a manager that was written for r2d2.

use std::io::{self, ErrorKind};

use threadwise_r2d2::{Error, FromR2d2};
use threadwise_testkit::conformance::{ManagerUnderTest, conformance};

/// Opens sessions in memory.
struct Memory;

/// A session, what a borrower left in it, and whether its server is gone.
#[derive(Default)]
struct Session {
    left_behind: Option<u64>,
    is_gone: bool,
}

impl Session {
    fn ask(&self, question: u64) -> io::Result<u64> {
        if self.is_gone { Err(ErrorKind::ConnectionReset.into()) } else { Ok(question) }
    }
}

impl r2d2::ManageConnection for Memory {
    type Connection = Session;
    type Error = io::Error;

    fn connect(&self) -> io::Result<Session> {
        Ok(Session::default())
    }

    fn is_valid(&self, session: &mut Session) -> io::Result<()> {
        session.ask(0).map(drop)
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.is_gone
    }
}

struct R2d2;

impl ManagerUnderTest for R2d2 {
    type Manager = FromR2d2<Memory>;

    fn start() -> Self {
        Self
    }

    fn manager(&self) -> FromR2d2<Memory> {
        FromR2d2::new(Memory)
            .has_broken_on_checkout(true)
            .has_changed_with(|session| session.left_behind.is_some())
            .in_transaction_with(|session| session.left_behind.is_some())
            .is_lost_with(|error| error.kind() == ErrorKind::ConnectionReset)
            .reset_with(|session| {
                session.left_behind = None;
                Ok(())
            })
    }

    fn echo(&self, session: &mut Session, nonce: u64) -> Result<u64, Error> {
        session.ask(nonce).map_err(|error| self.manager().error(error))
    }

    fn cut(&self, session: &mut Session) {
        session.is_gone = true;
    }

    fn soil(&self, session: &mut Session) {
        session.left_behind = Some(42);
    }

    fn is_fresh(&self, session: &mut Session) -> bool {
        session.left_behind.is_none()
    }

    /// A session is in a transaction while it has something.
    fn begin(&self, session: &mut Session) {
        self.soil(session);
    }

    fn fail(&self, _: &mut Session) -> Error {
        self.manager().error(ErrorKind::InvalidInput.into())
    }
}

conformance!(R2d2: cut, notice, lost, failure, session, changes, transaction, fork);
