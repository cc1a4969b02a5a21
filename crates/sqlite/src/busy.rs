//! How a session waits for another connection's lock.

use std::time::Duration;

use rusqlite::{Connection, Error};

/// The session's own way to wait. The manager sets it again when a connection is returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Busy {
    /// A busy timeout.
    Timeout(Duration),
    /// A busy handler of the program, or no wait at all. SQLite does not tell which, and setting a
    /// timeout loses either.
    Handler,
}

impl Busy {
    /// The present way to wait. With `may_be_handler`, a timeout of zero may mean a busy handler.
    pub(crate) fn now(conn: &Connection, may_be_handler: bool) -> Result<Self, Error> {
        let timeout = timeout(conn)?;
        if timeout.is_zero() && may_be_handler {
            return Ok(Self::Handler);
        }
        Ok(Self::Timeout(timeout))
    }

    /// Sets a timeout again. A handler cannot be set again. Costs about 10 ns: reading the timeout
    /// would take a statement, which costs more.
    pub(crate) fn restore(self, conn: &Connection) -> Result<(), Error> {
        match self {
            Self::Timeout(timeout) => conn.busy_timeout(timeout),
            Self::Handler => Ok(()),
        }
    }
}

/// Whether no timeout is set. This is also the case with a handler.
pub(crate) fn waits_for_nothing(conn: &Connection) -> bool {
    timeout(conn).is_ok_and(|timeout| timeout.is_zero())
}

fn timeout(conn: &Connection) -> Result<Duration, Error> {
    let millis: i32 =
        conn.prepare_cached("PRAGMA busy_timeout")?.query_row((), |row| row.get(0))?;
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}
