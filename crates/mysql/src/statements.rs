//! Whose a prepared statement is, and when it has to be closed.

use std::borrow::Cow;
use std::io::{self, ErrorKind};

use mysql::{Result, Statement};

/// What is known of the statements that were prepared on a connection.
pub(crate) struct Statements {
    /// The driver keeps those that it prepares for the next call, up to some number, and closes the rest.
    are_kept: bool,
    /// The highest number that the server has given out.
    highest: u32,
    /// The highest one when the session was reset: the server has forgotten all up to this.
    forgotten: u32,
    /// How many the user prepared, and has not closed, that the driver does not keep.
    loose: u32,
    /// To be closed before anything else is asked of the server.
    unkept: Vec<Statement>,
}

impl Statements {
    pub(crate) fn new(are_kept: bool) -> Self {
        Self { are_kept, highest: 0, forgotten: 0, loose: 0, unkept: Vec::new() }
    }

    /// The server has prepared one, or the driver had it already.
    pub(crate) fn prepares(&mut self, statement: &Statement) {
        if statement.id() <= self.forgotten {
            // This server begins to count anew, then: numbers say nothing about age.
            self.forgotten = 0;
        }
        self.highest = self.highest.max(statement.id());
        if !self.are_kept {
            self.loose += 1;
        }
    }

    /// Whoever prepared one by its text has no more use for it.
    pub(crate) fn is_done_with(&mut self, statement: Cow<'_, Statement>) {
        if let (Cow::Owned(statement), false) = (statement, self.are_kept) {
            self.loose = self.loose.saturating_sub(1);
            self.unkept.push(statement);
        }
    }

    /// The user closes one.
    pub(crate) fn closes(&mut self) {
        self.loose = self.loose.saturating_sub(1);
    }

    pub(crate) fn take_unkept(&mut self) -> Option<Statement> {
        self.unkept.pop()
    }

    /// Whether the server keeps some that no cache will close.
    pub(crate) fn is_any_loose(&self) -> bool {
        self.loose > 0
    }

    /// The statements that are prepared now belong to every session: a hook prepared and keeps them.
    pub(crate) fn begin_session(&mut self) {
        self.loose = 0;
    }

    /// The server has forgotten them all.
    pub(crate) fn forget(&mut self) {
        self.forgotten = self.highest;
        self.loose = 0;
        self.unkept.clear();
    }

    /// Fails if a statement is not of this connection, or was prepared before its session was reset. The
    /// server knows statements by numbers, which begin with 1 on each connection: it would run another
    /// statement.
    pub(crate) fn check(&self, statement: &Statement, connection: u32) -> Result<()> {
        let (number, owner) = (statement.id(), statement.connection_id());
        let text = if owner != connection {
            format!(
                "prepared statement {number} belongs to connection {owner} and cannot be used on \
                 connection {connection}: prepare it on each connection that it runs on, or give its \
                 text instead, which the connection prepares once and keeps"
            )
        } else if number <= self.forgotten {
            format!(
                "prepared statement {number} of connection {connection} is from before the session's \
                 reset, which closed it: prepare it again each time that the connection is borrowed, or \
                 give its text instead"
            )
        } else {
            return Ok(());
        };
        Err(io::Error::new(ErrorKind::InvalidInput, Misplaced(text)).into())
    }
}

/// Tells this error apart from the system's of the same kind: the connection is fine.
#[derive(Debug)]
pub(crate) struct Misplaced(String);

impl std::fmt::Display for Misplaced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misplaced {}
