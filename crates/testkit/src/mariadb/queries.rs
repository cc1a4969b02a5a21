//! Questions to a running server, in SQL, over its own socket.

use std::collections::HashSet;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};

use super::MariaDb;

/// How long an administrator's connection waits for the server before it fails. Long, because a busy
/// disk may hold a server up.
const ADMIN_LIMIT: Duration = Duration::from_secs(60);
/// The server's own default. With it the client need not ask for it on each connection.
const MAX_ALLOWED_PACKET: usize = 16 * 1024 * 1024;
/// The server's answer to a `KILL` of a connection that is not there.
const NO_SUCH_THREAD: u16 = 1094;

impl MariaDb {
    /// The URL of the database `test`, by TCP.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for("test")
    }

    /// The URL of a database, by TCP. It tells the client not to change to the Unix socket, which
    /// the client would otherwise do by itself.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}?prefer_socket=false", self.port())
    }

    /// A connection as root over the Unix socket, without a default database.
    ///
    /// Connecting, reading and writing fail after a minute. This succeeds even if all connections
    /// of the server are taken, unless another administrator has the reserved one.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn admin(&self) -> Conn {
        connect(self.socket()).unwrap_or_else(|error| {
            panic!("no answer from the private MariaDB at {}: {error}", self.socket().display())
        })
    }

    /// Runs statements as root, one after the other.
    ///
    /// # Panics
    ///
    /// If the server does not answer, or refuses a statement.
    pub fn run_all(&self, statements: &[&str]) {
        let mut admin = self.admin();
        for statement in statements {
            admin.query_drop(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }

    /// Creates an empty database and returns its name: `prefix`, an underscore and a number that
    /// no other database of this process has.
    ///
    /// # Panics
    ///
    /// If `prefix` is empty, is longer than 40 characters, or contains a character other than ASCII
    /// letters, digits and underscores. Also if the server does not answer.
    #[must_use]
    pub fn create_database(&self, prefix: &str) -> String {
        static CREATED: AtomicU64 = AtomicU64::new(0);
        assert_name(prefix, 40);
        let name = format!("{prefix}_{}", CREATED.fetch_add(1, Relaxed));
        self.ask(|admin| admin.query_drop(format!("CREATE DATABASE {name}")));
        name
    }

    /// How many client connections the server has: all, or those whose default database is
    /// `database`.
    ///
    /// The connection that asks does not count, nor do those of earlier questions of this kind. One
    /// made by [`admin`](Self::admin) does. The server notices the end of a connection a moment
    /// after the client has closed it, so wait for a number, and do not expect it at once.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn process_count(&self, database: Option<&str>) -> usize {
        self.connection_ids(database).len()
    }

    /// The server's numbers of the connections that [`process_count`](Self::process_count)
    /// counts, in ascending order.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn connection_ids(&self, database: Option<&str>) -> Vec<u64> {
        let (rows, own) = self.ask_as(|admin, own| {
            // Threads of the server itself show up as daemons or as the system user.
            let rows: Vec<(u64, Option<String>)> = admin.query(
                "SELECT id, db FROM information_schema.processlist \
                 WHERE command <> 'Daemon' AND user <> 'system user' ORDER BY id",
            )?;
            let present: HashSet<u64> = rows.iter().map(|(id, _)| *id).collect();
            own.retain(|id| present.contains(id));
            Ok((rows, own.clone()))
        });
        rows.into_iter()
            .filter(|(id, chosen)| {
                !own.contains(id) && (database.is_none() || chosen.as_deref() == database)
            })
            .map(|(id, _)| id)
            .collect()
    }

    /// A number from `SHOW GLOBAL STATUS`, such as `Threads_connected`. Upper and lower case are
    /// the same.
    ///
    /// The question itself counts as one connection and one statement.
    ///
    /// # Panics
    ///
    /// If there is no such variable, if it is not a whole number, or if the server does not answer.
    #[must_use]
    pub fn status(&self, variable: &str) -> u64 {
        assert_name(variable, 64);
        let sql = format!("SHOW GLOBAL STATUS WHERE variable_name = '{variable}'");
        let row: Option<(String, String)> = self.ask(|admin| admin.query_first(sql));
        let (_, value) = row.unwrap_or_else(|| panic!("MariaDB has no status `{variable}`"));
        value.parse().unwrap_or_else(|_| panic!("the status `{variable}` is `{value}`, no number"))
    }

    /// Makes the server close a connection. Nothing happens if it has already ended.
    ///
    /// Returns when the server has the order. The connection ends a moment later.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    pub fn kill_connection(&self, id: u64) {
        self.ask(|admin| match admin.query_drop(format!("KILL CONNECTION {id}")) {
            Err(mysql::Error::MySqlError(error)) if error.code == NO_SUCH_THREAD => Ok(()),
            outcome => outcome,
        });
    }

    fn ask<T>(&self, question: impl FnOnce(&mut Conn) -> mysql::Result<T>) -> T {
        self.ask_as(|admin, _| question(admin))
    }

    /// Asks on its own connection, and adds its number to the set that `question` gets too: the
    /// server may list a connection for a moment after it was closed.
    fn ask_as<T>(
        &self,
        question: impl FnOnce(&mut Conn, &mut HashSet<u64>) -> mysql::Result<T>,
    ) -> T {
        let mut own = self.own_connections.lock().unwrap_or_else(PoisonError::into_inner);
        let mut admin = self.admin();
        own.insert(u64::from(admin.connection_id()));
        question(&mut admin, &mut own)
            .unwrap_or_else(|error| panic!("the private MariaDB refused a question: {error}"))
    }
}

/// A connection as root over the Unix socket that does not wait longer than it should.
pub(super) fn connect(socket: &Path) -> mysql::Result<Conn> {
    let options = OptsBuilder::new()
        .socket(Some(socket.to_string_lossy()))
        .user(Some("root"))
        .max_allowed_packet(Some(MAX_ALLOWED_PACKET))
        .tcp_connect_timeout(Some(ADMIN_LIMIT))
        .read_timeout(Some(ADMIN_LIMIT))
        .write_timeout(Some(ADMIN_LIMIT));
    Conn::new(options)
}

/// Refuses a name that needs quotes in SQL.
fn assert_name(name: &str, longest: usize) {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    assert!(
        plain && (1..=longest).contains(&name.len()),
        "`{name}` is not 1 to {longest} ASCII letters, digits and underscores"
    );
}
