//! What the manager of several hosts asks of a server: whether it accepts writes.

use std::io::{self, ErrorKind};
use std::time::Duration;

use postgres::error::SqlState;
use postgres::{Error, SimpleQueryMessage};
use threadwise_hosts::{Condition, NoHost, OneHost, Refusal};

use crate::error::from_io;
use crate::{Connection, PostgresManager};

const QUESTION: &str =
    "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean";

impl OneHost for PostgresManager {
    /// Asks whether the server is a standby, or read-only by its settings: one round trip. It is a reader
    /// then, and otherwise a writer. A server that is starting or stopping refuses the login.
    fn condition(&self, conn: &mut Connection, limit: Duration) -> Result<Condition, Error> {
        let rows = conn.within(Some(limit), |conn| conn.ask_itself(QUESTION))?;
        let is_read_only = rows
            .iter()
            .any(|row| matches!(row, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
        Ok(if is_read_only { Condition::reader() } else { Condition::writer() })
    }

    /// A host that has become read-only (25006), if its user did not ask for that.
    fn refusal(&self, conn: &mut Connection, error: &Error) -> Option<Refusal> {
        let is_read_only = error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
        (is_read_only && conn.refuses_writes()).then_some(Refusal::ReadOnly)
    }

    fn no_host(problem: NoHost) -> Error {
        from_io(io::Error::new(ErrorKind::NotConnected, problem))
    }
}
