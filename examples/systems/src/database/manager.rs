//! A manager for both databases. Each method calls the inner manager.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::{Duration, Instant};

use threadwise::mysql::MysqlManager;
use threadwise::sqlite::SqliteManager;
use threadwise::{ConnectionInfo, ManageConnection, Moment, Outcome};

use super::{Connection, Error};

/// Opens, checks and resets connections to SQLite or to a server.
pub enum Database {
    /// A SQLite file.
    Sqlite(SqliteManager),
    /// A MySQL or MariaDB server.
    Mysql(MysqlManager),
}

impl Database {
    /// Sets the program's name in a server's list of connection attributes.
    #[must_use]
    pub fn program_name(self, name: &str) -> Self {
        match self {
            Self::Sqlite(manager) => Self::Sqlite(manager), // it keeps no such list
            Self::Mysql(manager) => Self::Mysql(manager.program_name(name)),
        }
    }
}

/// Calls the same method on either manager. A manager never gets a connection of the other
/// database.
macro_rules! each {
    ($manager:expr, $conn:expr, |$m:ident, $c:ident| $ask:expr) => {
        match ($manager, $conn) {
            (Database::Sqlite($m), Connection::Sqlite($c)) => $ask,
            (Database::Mysql($m), Connection::Mysql($c)) => $ask,
            _ => unreachable!("a connection goes back to the manager that opened it"),
        }
    };
}

// A method that is not here would have the trait's default, which promises less than the inner
// managers do. The lint names missing ones.
#[deny(clippy::missing_trait_methods)]
impl ManageConnection for Database {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        match self {
            Self::Sqlite(manager) => Ok(Connection::Sqlite(manager.connect()?)),
            Self::Mysql(manager) => Ok(Connection::Mysql(Box::new(manager.connect()?))),
        }
    }

    fn connect_within(&self, limit: Duration) -> Result<Connection, Error> {
        match self {
            Self::Sqlite(manager) => Ok(Connection::Sqlite(manager.connect_within(limit)?)),
            Self::Mysql(manager) => Ok(Connection::Mysql(Box::new(manager.connect_within(limit)?))),
        }
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        each!(self, conn, |manager, conn| Ok(manager.is_valid(conn)?))
    }

    fn is_valid_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        each!(self, conn, |manager, conn| Ok(manager.is_valid_within(conn, limit)?))
    }

    fn is_valid_patient(
        &self,
        conn: &mut Connection,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Error>> {
        each!(self, conn, |manager, conn| {
            let answer = manager.is_valid_patient(conn, patience, limit)?;
            Some(answer.map_err(Error::from))
        })
    }

    fn last_answer(&self, conn: &Connection) -> Option<Instant> {
        each!(self, conn, |manager, conn| manager.last_answer(conn))
    }

    fn has_broken(&self, conn: &mut Connection) -> bool {
        each!(self, conn, |manager, conn| manager.has_broken(conn))
    }

    fn reset(&self, conn: &mut Connection) -> Result<(), Error> {
        each!(self, conn, |manager, conn| Ok(manager.reset(conn)?))
    }

    fn reset_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        each!(self, conn, |manager, conn| Ok(manager.reset_within(conn, limit)?))
    }

    fn begin_session(&self, conn: &mut Connection) {
        each!(self, conn, |manager, conn| manager.begin_session(conn));
    }

    fn has_changed(&self, conn: &mut Connection) -> bool {
        each!(self, conn, |manager, conn| manager.has_changed(conn))
    }

    fn has_broken_at(&self, conn: &mut Connection, moment: Moment) -> bool {
        each!(self, conn, |manager, conn| manager.has_broken_at(conn, moment))
    }

    fn quick_check(&self, conn: &mut Connection) -> Result<(), Error> {
        each!(self, conn, |manager, conn| Ok(manager.quick_check(conn)?))
    }

    fn quick_check_after(&self) -> Option<Duration> {
        match self {
            Self::Sqlite(manager) => manager.quick_check_after(),
            Self::Mysql(manager) => manager.quick_check_after(),
        }
    }

    fn in_transaction(&self, conn: &mut Connection) -> bool {
        each!(self, conn, |manager, conn| manager.in_transaction(conn))
    }

    fn in_transaction_shared(&self, conn: &Connection) -> bool {
        each!(self, conn, |manager, conn| manager.in_transaction_shared(conn))
    }

    fn should_retire(&self, conn: &mut Connection) -> bool {
        each!(self, conn, |manager, conn| manager.should_retire(conn))
    }

    fn group(&self, conn: &Connection) -> u64 {
        each!(self, conn, |manager, conn| manager.group(conn))
    }

    fn info<'c>(&'c self, conn: &'c Connection) -> ConnectionInfo<'c> {
        each!(self, conn, |manager, conn| manager.info(conn))
    }

    fn on_error(&self, conn: &mut Connection, error: &Error) -> Outcome {
        match (self, conn, error) {
            (Self::Sqlite(manager), Connection::Sqlite(conn), Error::Sqlite(error)) => {
                manager.on_error(conn, error)
            }
            (Self::Mysql(manager), Connection::Mysql(conn), Error::Mysql(error)) => {
                manager.on_error(conn, error)
            }
            _ => Outcome::Failed,
        }
    }

    fn pool_closed(&self) {
        match self {
            Self::Sqlite(manager) => manager.pool_closed(),
            Self::Mysql(manager) => manager.pool_closed(),
        }
    }

    fn forked(&self) {
        match self {
            Self::Sqlite(manager) => manager.forked(),
            Self::Mysql(manager) => manager.forked(),
        }
    }

    fn is_lost(&self, error: &Error) -> bool {
        match (self, error) {
            (Self::Sqlite(manager), Error::Sqlite(error)) => manager.is_lost(error),
            (Self::Mysql(manager), Error::Mysql(error)) => manager.is_lost(error),
            _ => false,
        }
    }

    fn is_permanent(&self, error: &Error) -> bool {
        match (self, error) {
            (Self::Sqlite(manager), Error::Sqlite(error)) => manager.is_permanent(error),
            (Self::Mysql(manager), Error::Mysql(error)) => manager.is_permanent(error),
            _ => false,
        }
    }

    fn is_shortage(&self, error: &Error) -> bool {
        match (self, error) {
            (Self::Sqlite(manager), Error::Sqlite(error)) => manager.is_shortage(error),
            (Self::Mysql(manager), Error::Mysql(error)) => manager.is_shortage(error),
            _ => false,
        }
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn StdError + 'static)) -> Error {
        match (self, error) {
            (Self::Sqlite(manager), Error::Sqlite(error)) => {
                Error::Sqlite(manager.not_reconnected(error, cause))
            }
            (Self::Mysql(manager), Error::Mysql(error)) => {
                Error::Mysql(manager.not_reconnected(error, cause))
            }
            (_, error) => error,
        }
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sqlite(manager) => manager.address(),
            Self::Mysql(manager) => manager.address(),
        }
    }

    fn forget_in_child(&self, conn: Connection) {
        match (self, conn) {
            (Self::Sqlite(manager), Connection::Sqlite(conn)) => manager.forget_in_child(conn),
            (Self::Mysql(manager), Connection::Mysql(conn)) => manager.forget_in_child(*conn),
            _ => unreachable!("a connection goes back to the manager that opened it"),
        }
    }

    fn set_pool_name(&mut self, name: &str) {
        match self {
            Self::Sqlite(manager) => manager.set_pool_name(name),
            Self::Mysql(manager) => manager.set_pool_name(name),
        }
    }

    fn close(&self, conn: Connection) {
        match (self, conn) {
            (Self::Sqlite(manager), Connection::Sqlite(conn)) => manager.close(conn),
            (Self::Mysql(manager), Connection::Mysql(conn)) => manager.close(*conn),
            _ => unreachable!("a connection goes back to the manager that opened it"),
        }
    }
}
