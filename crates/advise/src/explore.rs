//! What is known about the user's database before the measurement: that the query only reads, how
//! long it takes alone, and how many connections there may be.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use threadwise_bench::queries::Queries;
use threadwise_bench::{Failure, Result};
use threadwise_core::{ManageConnection, chain};
use threadwise_mysql::MysqlManager;
use threadwise_sqlite::SqliteManager;

use crate::address::{Database, Kind, Manager, again};
use crate::advice::Room;
use crate::reads::{self, Calls, Quoting};

/// The most times that the query runs alone, and the longest time that this may take.
const TRIES: u32 = 20;
const TRYING: Duration = Duration::from_secs(1);
/// If the database fails: how often the program asks whether it is gone, how long each attempt may
/// take, and the pause between two attempts.
const ASKS: u32 = 3;
const ASKING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// What is known about the database before the measurement.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Product, version and place, for people. No password.
    pub(crate) about: String,
    /// How many connections there may be; `None` if nothing limits them.
    pub(crate) room: Option<Room>,
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

/// Connects, checks the query, runs it, and reads the server's limits.
///
/// # Errors
///
/// If the database cannot be reached, if the query may do more than read and writes are not
/// allowed, or if the query fails.
pub(crate) fn explore(database: &Database, query: &str) -> Result<Facts> {
    match database.manager() {
        Manager::Mysql(manager) => explore_mysql(database, &manager, query),
        Manager::Sqlite(manager) => explore_sqlite(database, &manager, query),
    }
}

/// Whether the database still answers, after a measurement has failed.
///
/// # Errors
///
/// The error of the last of a few attempts.
pub(crate) fn answers(database: &Database) -> Result<()> {
    again(ASKS, PAUSE, || match database.manager() {
        Manager::Mysql(manager) => reach(&manager),
        Manager::Sqlite(manager) => reach(&manager),
    })
}

fn reach<M: ManageConnection>(manager: &M) -> Result<()> {
    let mut conn = manager.connect_within(ASKING).map_err(unreachable)?;
    manager.is_valid_within(&mut conn, ASKING).map_err(unreachable)
}

fn explore_mysql(database: &Database, manager: &MysqlManager, query: &str) -> Result<Facts> {
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
    if !database.allow_writes {
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
    let server = number("max_connections");
    let account = Some(number("max_user_connections")).filter(|&limit| limit > 0);
    let others = connected.map_or(0, |(_, all)| all.saturating_sub(1));
    let (rows, alone) = try_alone(manager, &mut conn, query)?;
    let version = value("version");
    let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
    let version = version.split('-').next().unwrap_or(version);
    let place = database.place();
    Ok(Facts {
        about: format!("{product} {version} at {place}"),
        room: (server > 0).then(|| Room::of(server, account, others)),
        on_this_machine: database.is_here(value("hostname")),
        rows,
        alone,
        is_wal: false,
        remarks: Vec::new(),
    })
}

fn explore_sqlite(database: &Database, manager: &SqliteManager, query: &str) -> Result<Facts> {
    if !database.allow_writes {
        reads::only(query, Kind::Sqlite, Quoting::SQLITE).map_err(refusal)?;
    }
    let mut conn = manager.connect().map_err(unreachable)?;
    if !database.allow_writes {
        let statement = conn.prepare(query).map_err(|error| failed(chain(&error)))?;
        if !statement.readonly() {
            return Err(refusal("writes".into()));
        }
    }
    let mode: String =
        conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(unreachable)?;
    let (rows, alone) = try_alone(manager, &mut conn, query)?;
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
        about: format!("SQLite {} in {}", rusqlite::version(), database.place()),
        room: None,
        on_this_machine: true,
        rows,
        alone,
        is_wal,
        remarks,
    })
}

/// The query's number of rows, and its time alone: the median of a few runs, without the first.
fn try_alone<M: ManageConnection<Connection: Queries>>(
    manager: &M,
    conn: &mut M::Connection,
    query: &str,
) -> Result<(u64, Duration)> {
    let begun = Instant::now();
    let rows = conn.ask(query).map_err(failed)?;
    let mut times = vec![begun.elapsed()];
    while begun.elapsed() < TRYING && times.len() <= TRIES as usize {
        let asked = Instant::now();
        conn.ask(query).map_err(failed)?;
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
fn refuse_functions(conn: &mut threadwise_mysql::Connection, calls: &Calls) -> Result<()> {
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

fn failed(error: impl fmt::Display) -> Failure {
    Failure::new(one_line(&format!("--query: {error}")))
}

fn unreachable(error: impl Error) -> Failure {
    Failure::new(one_line(&format!("--db: {}", chain(&error))))
}

/// Databases quote the query in their errors, with its line breaks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
