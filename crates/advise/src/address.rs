//! The address of the user's database, and connections to it that can only read.
//!
//! On MySQL and MariaDB each session runs `SET SESSION TRANSACTION READ ONLY` when it is opened and
//! again after each reset. On SQLite the file is opened read-only.

use std::fmt;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rusqlite::OpenFlags;
use threadwise_bench::{Failure, Result};
use threadwise_core::chain;
use threadwise_mysql::MysqlManager;
use threadwise_sqlite::SqliteManager;
use url::Url;

const READ_ONLY: &str = "SET SESSION TRANSACTION READ ONLY";
const FORMS: &str = "write mysql://user:password@host/database, sqlite:path or sqlite:///path";
const MYSQL_PORT: u16 = 3306;

/// What kind of database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// MySQL or MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

/// A database, and whether the query may write to it.
#[derive(Clone)]
pub struct Database {
    address: Address,
    pub(crate) allow_writes: bool,
}

#[derive(Clone)]
enum Address {
    /// May hold a password.
    Mysql(Url),
    Sqlite(PathBuf),
}

/// A manager of the database's connections.
pub(crate) enum Manager {
    Mysql(MysqlManager),
    Sqlite(SqliteManager),
}

impl Database {
    /// Parses the value of `--db`. Opens nothing.
    ///
    /// # Errors
    ///
    /// If the text is neither a MySQL URL nor a SQLite path. The error shows no password.
    pub fn parse(text: &str, allow_writes: bool) -> Result<Self> {
        let address = match text.split_once(':') {
            Some(("sqlite", path)) => Address::Sqlite(sqlite_path(path)?),
            // The manager recognises common mistakes and says what to write instead.
            Some((scheme, _)) if is_of_mysql(scheme) => {
                MysqlManager::from_url(text)
                    .map_err(|error| Failure::new(format_args!("--db: {}", chain(&error))))?;
                Address::Mysql(Url::parse(text.trim()).map_err(|error| {
                    Failure::new(format_args!("--db: the URL is malformed: {error}; {FORMS}"))
                })?)
            }
            Some((scheme, _)) if scheme.bytes().all(|it| it.is_ascii_alphanumeric()) => {
                let problem = format!("--db: the scheme `{scheme}:` is not supported: {FORMS}");
                return Err(Failure::new(problem));
            }
            _ => return Err(Failure::new(format_args!("--db: the URL has no scheme: {FORMS}"))),
        };
        Ok(Self { address, allow_writes })
    }

    /// The kind of database.
    pub fn kind(&self) -> Kind {
        match self.address {
            Address::Mysql(_) => Kind::Mysql,
            Address::Sqlite(_) => Kind::Sqlite,
        }
    }

    /// The manager for the measurement.
    ///
    /// For a SQLite file it uses the same journal mode as the printed code. If statements may
    /// write, the manager switches the file to the write-ahead log, and so does the printed code.
    /// Otherwise the mode stays as it is, because to change it is a write, and the printed code also
    /// keeps it.
    pub(crate) fn manager(&self) -> Manager {
        match &self.address {
            Address::Mysql(url) if self.allow_writes => Manager::Mysql(mysql_manager(url)),
            Address::Mysql(url) => Manager::Mysql(mysql_manager(&with_init(url, READ_ONLY))),
            Address::Sqlite(path) => {
                let access = if self.allow_writes {
                    OpenFlags::SQLITE_OPEN_READ_WRITE
                } else {
                    OpenFlags::SQLITE_OPEN_READ_ONLY
                };
                let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let manager = SqliteManager::file(path).with_flags(flags).wal(self.allow_writes);
                Manager::Sqlite(manager)
            }
        }
    }

    /// The database's place without user and password: a path, or host, port and name.
    pub(crate) fn place(&self) -> String {
        let url = match &self.address {
            Address::Mysql(url) => url,
            Address::Sqlite(path) => return path.display().to_string(),
        };
        let place = match socket(url) {
            Some(path) => path,
            None => format!("{}:{}", host(url), port(url)),
        };
        match url.path().trim_start_matches('/') {
            "" => place,
            database => format!("{place}, {database}"),
        }
    }

    /// Whether the server with this name runs on this machine.
    pub(crate) fn is_here(&self, server_name: &str) -> bool {
        let Address::Mysql(url) = &self.address else { return true };
        let host = host(url).trim_matches(['[', ']']);
        let is_loopback = || match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => (host, port(url))
                .to_socket_addrs()
                .is_ok_and(|mut all| all.any(|it| it.ip().is_loopback())),
        };
        let named = || {
            nix::unistd::gethostname()
                .is_ok_and(|name| name.eq_ignore_ascii_case(server_name) && !name.is_empty())
        };
        socket(url).is_some() || is_loopback() || named()
    }
}

// Not derived: the URL may hold a password.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("kind", &self.kind())
            .field("allow_writes", &self.allow_writes)
            .finish_non_exhaustive()
    }
}

/// Tries this often at most, with a pause after each failure.
///
/// # Errors
///
/// That of the last attempt.
pub(crate) fn again<T>(
    attempts: u32,
    pause: Duration,
    attempt: impl Fn() -> Result<T>,
) -> Result<T> {
    for _ in 1..attempts {
        if let Ok(done) = attempt() {
            return Ok(done);
        }
        thread::sleep(pause);
    }
    attempt()
}

fn is_of_mysql(scheme: &str) -> bool {
    ["mysql", "mariadb", "jdbc"].iter().any(|it| scheme.starts_with(it))
}

fn sqlite_path(rest: &str) -> Result<PathBuf> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(Failure::new(format_args!("--db: {FORMS}"))),
        None => rest,
    };
    if path.is_empty() || path == ":memory:" {
        let problem = "--db: a database in memory is empty: name a file, sqlite:path";
        return Err(Failure::new(problem));
    }
    Ok(path.into())
}

fn mysql_manager(url: &Url) -> MysqlManager {
    let manager = MysqlManager::from_url(url.as_str()).expect("the URL was read before");
    manager.program_name("threadwise-advise")
}

/// The URL with one more statement for each new session, after the user's own `init`.
fn with_init(url: &Url, statement: &str) -> Url {
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let (own, others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name == "init");
    let init = match own.first() {
        // On a line of its own, because the user's statement may end in a comment.
        Some((_, own)) => format!("{}\n;{statement}", own.trim().trim_end_matches(';')),
        None => statement.to_owned(),
    };
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair("init", &init);
    url
}

fn host(url: &Url) -> &str {
    url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost")
}

fn port(url: &Url) -> u16 {
    url.port().unwrap_or(MYSQL_PORT)
}

fn socket(url: &Url) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == "socket").map(|(_, path)| path.into_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parsed(text: &str) -> Result<Database, String> {
        Database::parse(text, false).map_err(|failure| failure.to_string())
    }

    #[test]
    fn both_forms_of_a_sqlite_path_are_accepted() {
        for (text, expected) in
            [("sqlite:shop.db", "shop.db"), ("sqlite:///tmp/shop.db", "/tmp/shop.db")]
        {
            let Address::Sqlite(path) = parsed(text).unwrap().address else { panic!("{text}") };
            assert_eq!(path, Path::new(expected));
        }
    }

    #[test]
    fn an_unknown_database_is_refused_with_the_known_forms_and_without_the_password() {
        for text in [
            "postgres://me:tell-nobody@db/test",
            "tell-nobody",
            "sqlite://host/path",
            "mysql://me:tell-nobody@h:port/test",
            "mysql://me:tell-nobody/@h/test",
            "sqlite:",
            "sqlite::memory:",
        ] {
            let problem = parsed(text).expect_err(text);
            assert!(problem.starts_with("--db: "), "{problem}");
            assert!(!problem.contains("tell-nobody"), "{problem}");
            assert!(problem.contains("sqlite:path") || problem.contains("URL"), "{problem}");
        }
    }

    #[test]
    fn a_statement_for_new_sessions_runs_after_the_user_s_own() {
        let with_init = |url: &str, statement| -> String {
            with_init(&Url::parse(url).unwrap(), statement).into()
        };
        assert_eq!(with_init("mysql://h/d", "SET x"), "mysql://h/d?init=SET+x");
        let url = with_init("mysql://h/d?compress=fast&init=SET+a%3D1%3B&read_timeout_ms=5", "S");
        let expected = "mysql://h/d?compress=fast&read_timeout_ms=5&init=SET+a%3D1%0A%3BS";
        assert_eq!(url, expected);
    }

    #[test]
    fn the_address_is_shown_without_the_password() {
        let database = parsed("mysql://me:tell-nobody@db.example:3307/shop").unwrap();
        assert_eq!(database.place(), "db.example:3307, shop");
        assert!(!format!("{database:?}").contains("tell-nobody"));
        let database = parsed("mysql://me@localhost/shop?socket=%2Ftmp%2Fs.sock").unwrap();
        assert_eq!(database.place(), "/tmp/s.sock, shop");
        assert!(database.is_here("elsewhere"));
        let database = parsed("mysql://me@[::1]/").unwrap();
        assert_eq!(database.place(), "[::1]:3306");
        assert!(database.is_here("elsewhere"));
    }
}
