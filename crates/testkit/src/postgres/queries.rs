//! Questions to a running server, in SQL, over its own socket.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use postgres::{Client, Config, NoTls};

use super::Postgres;

/// How long an administrator's connection waits for a connect before it fails.
const ADMIN_LIMIT: Duration = Duration::from_secs(60);

impl Postgres {
    /// The URL of the database `postgres` as the superuser, by TCP.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for("postgres")
    }

    /// The URL of a database as the superuser, by TCP.
    #[must_use]
    pub fn url_for(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port())
    }

    /// The URL of a database as the superuser, by the Unix socket.
    #[must_use]
    pub fn socket_url_for(&self, database: &str) -> String {
        let directory = self.directory().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{directory}:{}/{database}", self.port())
    }

    /// A connection as the superuser over the Unix socket, to the database `postgres`.
    ///
    /// It finds a place even on a server whose other connections are all taken.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.admin_of("postgres")
    }

    /// The same for another database.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn admin_of(&self, database: &str) -> Client {
        connect(self.directory(), self.port(), database).unwrap_or_else(|error| {
            panic!("no answer from the private PostgreSQL on port {}: {error}", self.port())
        })
    }

    /// Runs statements in `database` as the superuser, one after the other.
    ///
    /// # Panics
    ///
    /// If the server does not answer, or refuses a statement.
    pub fn run_all(&self, database: &str, statements: &[&str]) {
        let mut admin = self.admin_of(database);
        for statement in statements {
            admin.batch_execute(statement).unwrap_or_else(|error| {
                panic!("{statement}: {}", error.as_db_error().map_or("no answer", |e| e.message()))
            });
        }
    }

    /// Creates an empty database and returns its name: `prefix`, an underscore and a number that no
    /// other database of this process has.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn create_database(&self, prefix: &str) -> String {
        static CREATED: AtomicU64 = AtomicU64::new(0);
        let name = format!("{prefix}_{}", CREATED.fetch_add(1, Relaxed));
        self.run_all("postgres", &[&format!("CREATE DATABASE {name}")]);
        name
    }

    /// The process ids of the sessions in a database, in ascending order, without those of
    /// administrators.
    ///
    /// The server notices the end of a connection a moment after the client has closed it, so wait for
    /// a number, and do not expect it at once.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn session_ids(&self, database: &str) -> Vec<i32> {
        let rows = self.admin().query(
            "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name <> $2 \
             AND backend_type = 'client backend' ORDER BY pid",
            &[&database, &ADMIN_NAME],
        );
        rows.expect("an answer").iter().map(|row| row.get(0)).collect()
    }

    /// Makes the server end a session, and returns when it is gone from the server's list.
    ///
    /// # Panics
    ///
    /// If the server does not answer, or the session does not end within a minute.
    pub fn kill_session(&self, id: i32) {
        let mut admin = self.admin();
        let ended = admin.query_one("SELECT pg_terminate_backend($1, 60000)", &[&id]);
        let ended: bool = ended.expect("an answer").get(0);
        assert!(ended, "the session {id} did not end");
    }
}

/// The name by which administrators' connections introduce themselves to the server.
const ADMIN_NAME: &str = "threadwise-testkit";

/// A connection as the superuser over the Unix socket.
pub(super) fn connect(
    directory: &Path,
    port: u16,
    database: &str,
) -> Result<Client, postgres::Error> {
    Config::new()
        .host_path(directory)
        .port(port)
        .user("postgres")
        .dbname(database)
        .application_name(ADMIN_NAME)
        .connect_timeout(ADMIN_LIMIT)
        .connect(NoTls)
}
