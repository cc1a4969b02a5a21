//! How a session waits for a lock that another connection holds.

use std::time::Duration;

use rusqlite::{Connection, Error};

/// What is set again whenever a connection is given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Busy {
    /// It waits for so long.
    Timeout(Duration),
    /// It asks a function of the program's, or does not wait: SQLite does not tell which, and either
    /// is lost once a time-out was set.
    Handler,
}

impl Busy {
    /// What is set now; `may_be_handler` if no time-out of zero would be.
    pub(crate) fn now(conn: &Connection, may_be_handler: bool) -> Result<Self, Error> {
        let timeout = timeout(conn)?;
        if timeout.is_zero() && may_be_handler {
            return Ok(Self::Handler);
        }
        Ok(Self::Timeout(timeout))
    }

    /// Sets it again, as far as that can be done. Costs some 10 ns: SQLite tells the time-out only
    /// by a statement, which costs more.
    pub(crate) fn restore(self, conn: &Connection) -> Result<(), Error> {
        match self {
            Self::Timeout(timeout) => conn.busy_timeout(timeout),
            Self::Handler => Ok(()),
        }
    }
}

/// Whether no time-out is set, as is so where there is a handler.
pub(crate) fn waits_for_nothing(conn: &Connection) -> bool {
    timeout(conn).is_ok_and(|timeout| timeout.is_zero())
}

fn timeout(conn: &Connection) -> Result<Duration, Error> {
    let millis: i32 =
        conn.prepare_cached("PRAGMA busy_timeout")?.query_row((), |row| row.get(0))?;
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}
