//! A transaction that its connection watches.

use std::fmt;
use std::ops::{Deref, DerefMut};

use mysql::prelude::Queryable;
use mysql::{AccessMode, Result, TxOpts};

use crate::Connection;

/// A transaction on a [`Connection`]; rolled back when dropped, unless
/// [committed](Self::commit).
///
/// It dereferences to its connection, which runs the statements: `transaction.query_drop(…)`. Where
/// a function asks for something [`Queryable`], pass `&mut *transaction`. (The driver's own
/// `Transaction` would hide its errors from the connection.)
///
/// Committing or rolling back by a statement's text, or a statement that commits by itself such as
/// `CREATE TABLE`, ends the transaction on the server while this value lives on.
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction<'c> {
    conn: &'c mut Connection,
    open: bool,
}

impl<'c> Transaction<'c> {
    pub(crate) fn start(conn: &'c mut Connection, options: TxOpts) -> Result<Self> {
        if let Some(level) = options.isolation_level() {
            conn.query_drop(format!("SET TRANSACTION ISOLATION LEVEL {level}"))?;
        }
        conn.query_drop(start_statement(options))?;
        Ok(Self { conn, open: true })
    }

    /// Makes the changes permanent.
    ///
    /// # Errors
    ///
    /// As for any statement. If the connection was lost on the way, the server may have committed
    /// or not; otherwise the transaction is rolled back.
    pub fn commit(mut self) -> Result<()> {
        self.conn.query_drop("COMMIT")?;
        self.open = false;
        Ok(())
    }

    /// Takes the changes back. Dropping does the same, but cannot tell of an error.
    ///
    /// # Errors
    ///
    /// As for any statement; the server rolls back what was on a lost connection.
    pub fn rollback(mut self) -> Result<()> {
        self.open = false;
        self.conn.query_drop("ROLLBACK")
    }
}

fn start_statement(options: TxOpts) -> String {
    let snapshot = options.with_consistent_snapshot().then_some("WITH CONSISTENT SNAPSHOT");
    let access = options.access_mode().map(|mode| match mode {
        AccessMode::ReadOnly => "READ ONLY",
        AccessMode::ReadWrite => "READ WRITE",
    });
    let characteristics: Vec<_> = snapshot.into_iter().chain(access).collect();
    format!("START TRANSACTION {}", characteristics.join(", "))
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            // On failure the connection is out of use, or `reset` will find the transaction.
            let _ = self.conn.query_drop("ROLLBACK");
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.conn
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("conn", &self.conn).field("open", &self.open).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_stand_in_the_statement() {
        assert_eq!(start_statement(TxOpts::default()).trim_end(), "START TRANSACTION");
        let options = TxOpts::default()
            .set_with_consistent_snapshot(true)
            .set_access_mode(Some(AccessMode::ReadOnly));
        assert_eq!(
            start_statement(options),
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
        );
    }
}
