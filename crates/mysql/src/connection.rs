//! A connection that sees every error, and remembers what may have changed its session.

mod check;
mod run;
mod state;

use std::borrow::Cow;
use std::fmt;
use std::io;

use mysql::{Conn, LocalInfileHandler, Result, SessionStateInfo, TxOpts};

use crate::session::effects::SessionEffects;
use crate::transaction::Transaction;

pub(crate) use self::state::{ConnState, Shared};

/// A connection to a MySQL or MariaDB server, as a pool lends it.
///
/// Use it like a [`mysql::Conn`]: it implements all of [`Queryable`](mysql::prelude::Queryable).
/// Unlike a `Conn`, it cannot be used again after an error that may have left it out of step with
/// the server. For example, the server still answers a statement that ran into the read timeout,
/// and a `Conn` takes that answer for the answer to its next statement. Here each statement after
/// such an error fails, and the pool replaces the connection when it comes back.
///
/// ```no_run
/// use mysql::prelude::Queryable;
/// use threadwise_core::ManageConnection;
/// use threadwise_mysql::{MysqlManager, mysql};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let manager = MysqlManager::from_url("mysql://app:secret@db.example/shop")?;
/// let mut conn = manager.connect()?; // a pool does this
/// conn.exec_drop("UPDATE item SET price = ? WHERE id = ?", (250, 7))?;
/// println!("{} rows changed", conn.affected_rows());
/// # Ok(())
/// # }
/// ```
///
/// Differences from `Conn`:
///
/// * `query_drop` and `exec_drop` also return an error of a later statement in the same text, or of a
///   later row. `Conn` drops those.
/// * `query_iter` and `exec_iter` return the driver's rows, and this crate cannot see the errors
///   that occur while a program reads them. After such a query the reset asks the server one more
///   question, to prove that the connection is in step. The other methods need no proof.
/// * [`start_transaction`](Self::start_transaction) returns this crate's [`Transaction`].
/// * There is no `change_user`: all connections of a pool log in as the same user.
///
/// [`as_mut_conn`](Self::as_mut_conn) returns the `Conn` for code that asks for one.
pub struct Connection {
    /// Before the `Conn`, so that it is dropped first and the watchdog forgets the socket before it is
    /// closed.
    pub(crate) state: ConnState,
    pub(crate) conn: Conn,
}

/// Values that the driver knows without a round trip.
impl Connection {
    /// The server's number for this connection, as in `SHOW PROCESSLIST` and `KILL`.
    ///
    /// ```no_run
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// println!("this is connection {}", conn.connection_id());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn connection_id(&self) -> u32 {
        self.conn.connection_id()
    }

    /// The server's version, as its handshake gives it. MariaDB 10 says 5.5.5.
    ///
    /// ```no_run
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// let (major, minor, patch) = conn.server_version();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn server_version(&self) -> (u16, u16, u16) {
        self.conn.server_version()
    }

    /// How many rows the last statement changed.
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// conn.query_drop("DELETE FROM session WHERE expires < NOW()")?;
    /// println!("{} sessions have expired", conn.affected_rows());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn affected_rows(&self) -> u64 {
        self.conn.affected_rows()
    }

    /// The id that the last statement generated, or zero.
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// conn.exec_drop("INSERT INTO customer (name) VALUES (?)", ("Ada",))?;
    /// let id = conn.last_insert_id();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn last_insert_id(&self) -> u64 {
        self.conn.last_insert_id()
    }

    /// How many warnings the last statement gave. `SHOW WARNINGS` returns them.
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// conn.query_drop("INSERT IGNORE INTO item (id) VALUES (7)")?;
    /// if conn.warnings() > 0 {
    ///     println!("item 7 exists already");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn warnings(&self) -> u16 {
        self.conn.warnings()
    }

    /// The server's note about the last statement, as bytes; see [`info_str`](Self::info_str).
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// conn.query_drop("UPDATE item SET price = price + 1")?;
    /// let matched = conn.info_ref().starts_with(b"Rows matched: ");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn info_ref(&self) -> &[u8] {
        self.conn.info_ref()
    }

    /// The server's note about the last statement, such as `Records: 2  Duplicates: 0  Warnings:
    /// 1`.
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// conn.query_drop("INSERT INTO item (id) VALUES (7), (8)")?;
    /// println!("{}", conn.info_str());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn info_str(&self) -> Cow<'_, str> {
        self.conn.info_str()
    }

    /// The changes that the last statement made to the session, if the server was asked to report them.
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> Result<(), Box<dyn std::error::Error>> {
    /// conn.query_drop("SET SESSION session_track_schema = ON")?;
    /// conn.query_drop("USE archive")?;
    /// for change in conn.session_state_changes()? {
    ///     println!("{:?}", change.decode()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the driver cannot read the report.
    pub fn session_state_changes(&self) -> io::Result<Vec<SessionStateInfo<'_>>> {
        self.conn.session_state_changes()
    }

    /// Whether the server reads a backslash in a string as an ordinary character.
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// conn.query_drop("SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')")?;
    /// assert!(conn.no_backslash_escape());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn no_backslash_escape(&self) -> bool {
        self.conn.no_backslash_escape()
    }
}

/// Methods that change the session or ask the server.
impl Connection {
    /// Begins a transaction. It is rolled back unless it is committed. Costs one round trip, and one
    /// more for an isolation level.
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// use mysql::TxOpts;
    ///
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// let mut transaction = conn.start_transaction(TxOpts::default())?;
    /// transaction.query_drop("UPDATE account SET balance = balance - 10 WHERE id = 1")?;
    /// transaction.query_drop("UPDATE account SET balance = balance + 10 WHERE id = 2")?;
    /// transaction.commit()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as any statement.
    pub fn start_transaction(&mut self, options: TxOpts) -> Result<Transaction<'_>> {
        Transaction::start(self, options)
    }

    /// Makes `database` the default database until the connection is returned. The pool's reset
    /// restores the configured one, which costs one round trip.
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// conn.select_db("archive")?;
    /// let orders: Option<u64> = conn.query_first("SELECT COUNT(*) FROM orders")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the database does not exist, and any error that a statement can return.
    pub fn select_db(&mut self, database: &str) -> Result<()> {
        self.state.history.mark_changed(SessionEffects::DATABASE);
        self.run(|conn| (conn.select_db(database), Ok(())))
    }

    /// Asks the server for an answer. Costs one round trip.
    ///
    /// A pool does this by itself where its `validation` says so.
    ///
    /// ```no_run
    /// # use threadwise_mysql::{Connection, mysql};
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// conn.ping()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If an earlier error has made the connection unusable, or the server does not answer in time.
    pub fn ping(&mut self) -> Result<()> {
        self.send_ping_and_wait()
    }

    /// Sets the handler that provides the files for `LOAD DATA LOCAL INFILE` until the connection is
    /// returned. `None` restores the handler from the options, if there is one.
    ///
    /// If the handler panics or returns an error, the connection cannot be used again.
    ///
    /// ```no_run
    /// # use mysql::prelude::Queryable;
    /// # use threadwise_mysql::{Connection, mysql};
    /// use std::io::Write;
    ///
    /// use mysql::LocalInfileHandler;
    ///
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// conn.set_local_infile_handler(Some(LocalInfileHandler::new(|_name, file| {
    ///     file.write_all(b"first line\nsecond line\n")
    /// })));
    /// conn.query_drop("LOAD DATA LOCAL INFILE 'any name' INTO TABLE line")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_local_infile_handler(&mut self, handler: Option<LocalInfileHandler>) {
        self.state.history.mark_changed(SessionEffects::NONE);
        self.conn.set_local_infile_handler(handler);
    }

    /// The driver's connection, for code that asks for one.
    ///
    /// ```no_run
    /// # use threadwise_mysql::{Connection, mysql};
    /// use mysql::prelude::*;
    ///
    /// # fn example(conn: &mut Connection) -> mysql::Result<()> {
    /// let sum: Option<u32> = "SELECT ? + 1".with((41,)).first(conn.as_mut_conn())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// This crate does not see the errors that the driver's connection meets. So the session counts as
    /// changed in every respect, and the connection must prove at its reset that it is in step. Both
    /// cost up to three round trips more. It is also not known what the server was committing, so
    /// each loss of the connection there has an unknown outcome
    /// ([`Outcome::Unknown`](threadwise_core::Outcome::Unknown)). If a statement fails there by
    /// anything but an answer of the server, return the connection and get another one. Never call
    /// `change_user`: no reset can undo it.
    pub fn as_mut_conn(&mut self) -> &mut Conn {
        self.state.history.runs_unseen();
        self.state.use_goes_unseen();
        &mut self.conn
    }
}

// By hand: the `Debug` of `Conn` prints the password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.connection_id())
            .field("usable", &self.state.is_usable())
            .field("changed", &self.state.history.has_changed())
            .finish_non_exhaustive()
    }
}
