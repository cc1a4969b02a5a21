//! The prepared statements of a connection: which connection and session they belong to, and when
//! they must be closed.

use std::borrow::Cow;

use mysql::{Result, Statement};

use crate::error;

/// The statements that were prepared on a connection.
pub(crate) struct PreparedStatements {
    /// The driver caches statements up to some number, and closes the others.
    are_cached: bool,
    /// The highest number of a statement so far.
    highest: u32,
    /// The highest number at the last reset. The server has closed all statements up to it.
    highest_at_reset: u32,
    /// How many uncached statements the user prepared and did not close.
    left_open: u32,
    /// Uncached statements to close before the next command.
    to_close: Vec<Statement>,
}

impl PreparedStatements {
    pub(crate) fn new(are_cached: bool) -> Self {
        Self { are_cached, highest: 0, highest_at_reset: 0, left_open: 0, to_close: Vec::new() }
    }

    /// Records a statement that the server prepared, or that the driver had in its cache.
    pub(crate) fn add(&mut self, statement: &Statement) {
        if statement.id() <= self.highest_at_reset {
            // This server numbers statements from the start again after a reset, so a number does
            // not show the age.
            self.highest_at_reset = 0;
        }
        self.highest = self.highest.max(statement.id());
        if !self.are_cached {
            self.left_open += 1;
        }
    }

    /// Records that a statement is not needed any more, if it was prepared for one call by its
    /// text.
    pub(crate) fn release(&mut self, statement: Cow<'_, Statement>) {
        if let (Cow::Owned(statement), false) = (statement, self.are_cached) {
            self.left_open = self.left_open.saturating_sub(1);
            self.to_close.push(statement);
        }
    }

    /// Records that the user closes a statement.
    pub(crate) fn closed_by_user(&mut self) {
        self.left_open = self.left_open.saturating_sub(1);
    }

    pub(crate) fn take_to_close(&mut self) -> Option<Statement> {
        self.to_close.pop()
    }

    /// Whether the user left a statement open that no cache will close.
    pub(crate) fn has_left_open(&self) -> bool {
        self.left_open > 0
    }

    /// Statements that are open now belong to every session: a hook prepared them and keeps them.
    pub(crate) fn begin_session(&mut self) {
        self.left_open = 0;
    }

    /// Records a reset: the server has closed all statements.
    pub(crate) fn reset(&mut self) {
        self.highest_at_reset = self.highest;
        self.left_open = 0;
        self.to_close.clear();
    }

    /// Checks that a statement belongs to this connection, and was prepared after its last reset.
    ///
    /// The server knows a statement by a number that starts at 1 on each connection. With a wrong
    /// number it would run another statement.
    pub(crate) fn check(&self, statement: &Statement, connection: u32) -> Result<()> {
        let (number, owner) = (statement.id(), statement.connection_id());
        let text = if owner != connection {
            format!(
                "prepared statement {number} belongs to connection {owner} and cannot run on connection \
                 {connection}: prepare it on each connection that uses it, or pass its text instead; \
                 the connection then prepares it once and caches it"
            )
        } else if number <= self.highest_at_reset {
            format!(
                "prepared statement {number} of connection {connection} is from before the session's \
                 reset, which closed it: prepare it again after each `get`, or pass its text instead"
            )
        } else {
            return Ok(());
        };
        Err(error::wrong_statement(text))
    }
}
