//! The user's database: its address, its limits, and connections to it that can only read.
//!
//! On MySQL and MariaDB each session runs `SET SESSION TRANSACTION READ ONLY` when it is opened and
//! again after each reset, and `Database::explore` checks that this works. The query is
//! sent as a prepared statement, which can hold only one statement. On SQLite the file is opened
//! read-only.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use rusqlite::OpenFlags;
use threadwise_core::{ManageConnection, chain};
use threadwise_mysql::MysqlManager;
use threadwise_sqlite::SqliteManager;

use super::reads::{self, Calls, Quoting};
use crate::Failure;

const READ_ONLY: &str = "SET SESSION TRANSACTION READ ONLY";
const FORMS: &str = "write mysql://user:password@host/database, sqlite:path or sqlite:///path";
/// How often, and for how long, the query runs alone at most.
const TRIES: u32 = 20;
const TRYING: Duration = Duration::from_secs(1);

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
    allow_writes: bool,
}

#[derive(Clone)]
enum Address {
    /// May hold a password.
    Mysql(String),
    Sqlite(PathBuf),
}

/// What is known about the database before the measurement.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Product, version and place, for people. No password.
    pub(crate) about: String,
    /// How many connections there may be; `None` if nothing limits them.
    pub(crate) limits: Option<Limits>,
    /// Whether it runs on this machine, and competes with the threads for the processors.
    pub(crate) on_this_machine: bool,
    /// How many rows the query returned.
    pub(crate) rows: u64,
    /// How long the query took alone: the median of a few runs.
    pub(crate) alone: Duration,
    /// Whether it is a SQLite file in write-ahead log mode.
    pub(crate) is_wal: bool,
    /// What else the reader of the settings must know.
    pub(crate) remarks: Vec<String>,
}

/// How many connections the server accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `max_connections`.
    pub(crate) server: u64,
    /// The account's own limit, if it has one.
    pub(crate) account: Option<u64>,
    /// Connections of other clients at that moment.
    pub(crate) others: u64,
}

impl Database {
    /// Parses the value of `--db`. Opens nothing.
    ///
    /// # Errors
    ///
    /// If the text is neither a MySQL URL nor a SQLite path. The error shows no password.
    pub fn parse(text: &str, allow_writes: bool) -> Result<Self, Failure> {
        let address = match text.split_once(':') {
            Some(("sqlite", path)) => Address::Sqlite(sqlite_path(path)?),
            // The manager recognises common mistakes and says what to write instead.
            Some((scheme, _)) if is_of_mysql(scheme) => {
                MysqlManager::from_url(text).map_err(unreachable)?;
                Address::Mysql(text.to_owned())
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
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.address {
            Address::Mysql(_) => Kind::Mysql,
            Address::Sqlite(_) => Kind::Sqlite,
        }
    }

    /// Whether the query may write.
    #[must_use]
    pub fn allow_writes(&self) -> bool {
        self.allow_writes
    }

    /// Connects, checks the query, runs it, and reads the server's limits.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, if the query may do more than read and writes are not
    /// allowed, or if the query fails.
    pub(crate) fn explore(&self, query: &str) -> Result<Facts, Failure> {
        match &self.address {
            Address::Mysql(_) => self.explore_mysql(query),
            Address::Sqlite(path) => self.explore_sqlite(path, query),
        }
    }

    /// The manager for the measurement; `None` for a SQLite file.
    pub(crate) fn mysql_manager(&self) -> Option<MysqlManager> {
        let Address::Mysql(url) = &self.address else { return None };
        let url = if self.allow_writes { url.clone() } else { with_init(url, READ_ONLY) };
        let manager = MysqlManager::from_url(&url).expect("the URL was read before");
        Some(manager.program_name("threadwise-bench"))
    }

    /// The manager for the measurement; `None` for a server. It uses the same journal mode as the
    /// printed code. If statements may write, the manager switches the file to the write-ahead log,
    /// and so does the printed code. Otherwise the mode stays as it is, because to change it is a
    /// write, and the printed code also keeps it.
    pub(crate) fn sqlite_manager(&self) -> Option<SqliteManager> {
        let Address::Sqlite(path) = &self.address else { return None };
        let access = if self.allow_writes {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        } else {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        };
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Some(SqliteManager::file(path).with_flags(flags).wal(self.allow_writes))
    }

    fn explore_mysql(&self, query: &str) -> Result<Facts, Failure> {
        let manager = self.mysql_manager().expect("it is MySQL");
        let mut conn = manager.connect().map_err(unreachable)?;
        let settings: Vec<(String, String)> = conn
            .query(
                "SHOW SESSION VARIABLES WHERE Variable_name IN ('max_connections', \
                 'max_user_connections', 'version', 'hostname', 'sql_mode', 'tx_read_only', \
                 'transaction_read_only')",
            )
            .map_err(unreachable)?;
        let value = |name: &str| {
            let setting = settings.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
            setting.map_or("", |(_, value)| value)
        };
        if !self.allow_writes {
            let is_on = |name| value(name).eq_ignore_ascii_case("on") || value(name) == "1";
            if !is_on("tx_read_only") && !is_on("transaction_read_only") {
                let problem = "--db: the server did not make the session read-only: give \
                               --allow-writes if the query may write";
                return Err(Failure::new(problem));
            }
            let calls = reads::only(query, Kind::Mysql, Quoting::of(value("sql_mode")));
            let calls = calls.map_err(refusal)?;
            refuse_functions(&mut conn, &calls)?;
        }
        let number = |name| value(name).parse::<u64>().unwrap_or(0);
        let connected = conn
            .query_first::<(String, u64), _>("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
            .map_err(unreachable)?;
        let limits = Limits {
            server: number("max_connections"),
            account: Some(number("max_user_connections")).filter(|&limit| limit > 0),
            others: connected.map_or(0, |(_, all)| all.saturating_sub(1)),
        };
        let (rows, alone) = try_alone(&manager, &mut conn, query)?;
        let version = value("version");
        let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
        let version = version.split('-').next().unwrap_or(version);
        let place = self.place();
        Ok(Facts {
            about: format!("{product} {version} at {place}"),
            limits: (limits.server > 0).then_some(limits),
            on_this_machine: self.is_here(value("hostname")),
            rows,
            alone,
            is_wal: false,
            remarks: Vec::new(),
        })
    }

    fn explore_sqlite(&self, path: &Path, query: &str) -> Result<Facts, Failure> {
        if !self.allow_writes {
            reads::only(query, Kind::Sqlite, Quoting::SQLITE).map_err(refusal)?;
        }
        let manager = self.sqlite_manager().expect("it is SQLite");
        let mut conn = manager.connect().map_err(unreachable)?;
        if !self.allow_writes {
            let statement = conn.prepare(query).map_err(failed)?;
            if !statement.readonly() {
                return Err(refusal("writes".into()));
            }
        }
        let mode: String =
            conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(unreachable)?;
        let (rows, alone) = try_alone(&manager, &mut conn, query)?;
        let mut remarks = Vec::new();
        let is_wal = mode == "wal";
        if !is_wal {
            remarks.push(format!(
                "The file is in journal mode `{mode}`. advise measured it in this mode, and the \
                 code keeps it (`.wal(false)`). In mode `wal`, readers and a writer do not wait \
                 for each other: run `PRAGMA journal_mode = wal` on the file once, and measure \
                 again"
            ));
        }
        Ok(Facts {
            about: format!("SQLite {} in {}", rusqlite::version(), path.display()),
            limits: None,
            on_this_machine: true,
            rows,
            alone,
            is_wal,
            remarks,
        })
    }

    /// The server's address without user and password.
    fn place(&self) -> String {
        let Address::Mysql(url) = &self.address else { return String::new() };
        let opts = driver_opts(url);
        let database = opts.get_db_name().map_or_else(String::new, |name| format!(", {name}"));
        match opts.get_socket() {
            Some(path) => format!("{path}{database}"),
            None => format!("{}:{}{database}", opts.get_ip_or_hostname(), opts.get_tcp_port()),
        }
    }

    fn is_here(&self, server_name: &str) -> bool {
        let Address::Mysql(url) = &self.address else { return true };
        let opts = driver_opts(url);
        let host = opts.get_ip_or_hostname();
        let is_loopback = || match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => (&*host, opts.get_tcp_port())
                .to_socket_addrs()
                .is_ok_and(|mut all| all.any(|it| it.ip().is_loopback())),
        };
        let named = || own_name().is_some_and(|name| name.eq_ignore_ascii_case(server_name));
        opts.get_socket().is_some() || is_loopback() || named()
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

/// A manager whose connections can run the query.
pub(crate) trait Ask: ManageConnection {
    /// Runs a statement as a program would, and fetches all rows. Returns their number.
    fn ask(conn: &mut Self::Connection, query: &str) -> Result<u64, Failure>;
}

impl Ask for MysqlManager {
    fn ask(conn: &mut Self::Connection, query: &str) -> Result<u64, Failure> {
        let rows = conn.exec::<mysql::Row, _, _>(query, ()).map_err(refused)?;
        Ok(rows.len() as u64)
    }
}

impl Ask for SqliteManager {
    fn ask(conn: &mut Self::Connection, query: &str) -> Result<u64, Failure> {
        let mut statement = conn.prepare_cached(query).map_err(failed)?;
        let columns = statement.column_count();
        let mut rows = statement.query(()).map_err(failed)?;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            for column in 0..columns {
                row.get_ref(column).map_err(failed)?;
            }
            count += 1;
        }
        Ok(count)
    }
}

/// The query's number of rows, and its time alone: the median of a few runs, without the first.
fn try_alone<M: Ask>(
    manager: &M,
    conn: &mut M::Connection,
    query: &str,
) -> Result<(u64, Duration), Failure> {
    let begun = Instant::now();
    let rows = M::ask(conn, query)?;
    let mut times = vec![begun.elapsed()];
    while begun.elapsed() < TRYING && times.len() <= TRIES as usize {
        let asked = Instant::now();
        M::ask(conn, query)?;
        times.push(asked.elapsed());
    }
    if manager.has_broken(conn) {
        return Err(Failure::new("--db: the connection broke after the query"));
    }
    if times.len() > 1 {
        times.remove(0);
    }
    times.sort_unstable();
    Ok((rows, times[times.len() / 2]))
}

/// Refuses calls of stored and loaded functions, because their effects are unknown.
fn refuse_functions(conn: &mut threadwise_mysql::Connection, calls: &Calls) -> Result<(), Failure> {
    let stored = "SELECT LOWER(ROUTINE_NAME) FROM information_schema.ROUTINES \
                  WHERE ROUTINE_TYPE = 'FUNCTION'";
    let stored: Vec<String> = conn.query(stored).map_err(unreachable)?;
    // The account may have no right to read this table.
    let loaded: Vec<String> = conn.query("SELECT LOWER(name) FROM mysql.func").unwrap_or_default();
    match stored.iter().chain(&loaded).find(|name| calls.contains(*name)) {
        None => Ok(()),
        Some(name) => Err(refusal(format!("calls the function `{name}`, which may do anything"))),
    }
}

fn refusal(problem: String) -> Failure {
    Failure::new(format_args!("--query: the query {problem} (--allow-writes lets it run)"))
}

fn failed(error: impl Error) -> Failure {
    Failure::new(one_line(&format!("--query: {}", chain(&error))))
}

/// The server's own message, without the driver's text around it.
fn refused(error: mysql::Error) -> Failure {
    match error {
        mysql::Error::MySqlError(answer) => failed(answer),
        error => failed(error),
    }
}

fn unreachable(error: impl Error) -> Failure {
    Failure::new(one_line(&format!("--db: {}", chain(&error))))
}

/// Databases quote the query in their errors, with its line breaks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_of_mysql(scheme: &str) -> bool {
    ["mysql", "mariadb", "jdbc"].iter().any(|it| scheme.starts_with(it))
}

fn sqlite_path(rest: &str) -> Result<PathBuf, Failure> {
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

/// The URL with one more statement for each new session, after the user's own `init`.
fn with_init(url: &str, statement: &str) -> String {
    let (address, query) = url.trim().split_once('?').unwrap_or((url.trim(), ""));
    let is_init = |pair: &str| pair.split('=').next() == Some("init");
    let users = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "init");
    let init = match users {
        // On a line of its own, because the user's statement may end in a comment.
        Some((_, own)) => format!("{}\n;{statement}", own.trim().trim_end_matches(';')),
        None => statement.to_owned(),
    };
    let others = query.split('&').filter(|pair| !pair.is_empty() && !is_init(pair));
    let init: String = form_urlencoded::byte_serialize(init.as_bytes()).collect();
    let pairs: Vec<_> = others.map(str::to_owned).chain([format!("init={init}")]).collect();
    format!("{address}?{}", pairs.join("&"))
}

/// The server's address, from the parts of the URL that the driver knows.
fn driver_opts(url: &str) -> mysql::Opts {
    let address = url.trim().split_once('?').map_or(url.trim(), |(address, _)| address);
    let query = url.trim().split_once('?').map_or("", |(_, query)| query);
    let socket = query.split('&').find(|pair| pair.starts_with("socket="));
    let url = socket.map_or_else(|| address.to_owned(), |socket| format!("{address}?{socket}"));
    let url = url.strip_prefix("mariadb:").map_or(url.clone(), |rest| format!("mysql:{rest}"));
    mysql::Opts::from_url(&url).unwrap_or_default()
}

fn own_name() -> Option<String> {
    let output = std::process::Command::new("uname").arg("-n").output().ok()?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
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
    }
}
