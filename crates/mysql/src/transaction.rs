//! A transaction whose errors its connection sees.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{AccessMode, Result, TxOpts};

use crate::Connection;

/// How long a dropped transaction waits for its rollback. The pools wait as long for a reset.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(5);

/// A transaction on a [`Connection`]. It is rolled back when it is dropped, unless it is
/// [committed](Self::commit).
///
/// It dereferences to its connection, which runs the statements: `transaction.query_drop(…)`. Where
/// a function asks for something [`Queryable`], pass `&mut *transaction`. (The driver's own
/// `Transaction` would hide its errors from the connection.)
///
/// ```no_run
/// # use mysql::prelude::Queryable;
/// # use threadwise_mysql::{Connection, mysql};
/// use mysql::TxOpts;
///
/// # fn example(conn: &mut Connection) -> mysql::Result<()> {
/// let mut transaction = conn.start_transaction(TxOpts::default())?;
/// let stock: Option<u32> =
///     transaction.query_first("SELECT stock FROM item WHERE id = 7 FOR UPDATE")?;
/// if stock.is_some_and(|stock| stock > 0) {
///     transaction.query_drop("UPDATE item SET stock = stock - 1 WHERE id = 7")?;
///     transaction.commit()?;
/// } else {
///     transaction.rollback()?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// A `COMMIT` or `ROLLBACK` as text ends the transaction on the server while this value still
/// exists, and so does a statement that commits by itself, such as `CREATE TABLE`.
#[must_use = "a dropped transaction is rolled back"]
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

    /// Makes the changes permanent. Costs one round trip.
    ///
    /// ```no_run
    /// # use mysql::TxOpts;
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// let mut transaction = conn.start_transaction(TxOpts::default())?;
    /// transaction.query_drop("UPDATE item SET stock = stock - 1 WHERE id = 7")?;
    /// transaction.commit()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as any statement. If the error has the class
    /// [`Unknown`](crate::ErrorClass::Unknown), the server may have committed or not: the connection
    /// was lost, or the commit was interrupted. After any other error the transaction is rolled back.
    pub fn commit(mut self) -> Result<()> {
        self.conn.query_drop("COMMIT")?;
        self.open = false;
        Ok(())
    }

    /// Undoes the changes. Costs one round trip. Dropping the value does the same, but cannot
    /// return an error, and waits for 5 seconds at most (or the read timeout, if that is shorter).
    /// After that the connection cannot be used again, and the server rolls back on its own.
    ///
    /// ```no_run
    /// # use mysql::TxOpts;
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// let mut transaction = conn.start_transaction(TxOpts::default())?;
    /// transaction.query_drop("DELETE FROM item WHERE stock = 0")?;
    /// if transaction.affected_rows() > 100 {
    ///     transaction.rollback()?; // more than expected
    /// } else {
    ///     transaction.commit()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as any statement. The server rolls back a transaction whose connection is lost.
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
            // If this fails, the connection is out of use, or `reset` finds the transaction.
            let _ = self.conn.within(ROLLBACK_LIMIT, |conn| conn.query_drop("ROLLBACK"));
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
    fn the_statement_contains_the_options() {
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
