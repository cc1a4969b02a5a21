//! The manager for the line server.

// ANCHOR: required
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use threadwise_core::ManageConnection;

use super::driver::Connection;

/// How long a connect or an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Opens connections to the line server.
pub struct LineManager {
    pub address: SocketAddr,
    pub password: String,
}

impl ManageConnection for LineManager {
    type Connection = Connection;
    type Error = io::Error;

    fn connect(&self) -> io::Result<Connection> {
        self.connect_within(TIMEOUT)
    }

    fn connect_within(&self, limit: Duration) -> io::Result<Connection> {
        let mut conn = Connection::open(self.address, limit)?;
        conn.ask(&format!("login {}", self.password)).map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => io::Error::new(ErrorKind::PermissionDenied, error),
            _ => error,
        })?;
        conn.set_timeout(TIMEOUT)?;
        conn.has_changed = false; // the login belongs to every session
        Ok(conn)
    }

    fn is_valid(&self, conn: &mut Connection) -> io::Result<()> {
        conn.ask("echo").map(drop)
    }

    fn has_broken(&self, conn: &mut Connection) -> bool {
        conn.is_broken || conn.has_hung_up()
    }
    // ANCHOR_END: required

    // ANCHOR: limits
    fn is_valid_within(&self, conn: &mut Connection, limit: Duration) -> io::Result<()> {
        conn.set_timeout(limit)?;
        self.is_valid(conn)?; // after an error the pool closes the connection
        conn.set_timeout(TIMEOUT)
    }
    // ANCHOR_END: limits

    // ANCHOR: session
    fn reset(&self, conn: &mut Connection) -> io::Result<()> {
        conn.ask("reset")?;
        (conn.has_changed, conn.in_transaction) = (false, false);
        Ok(())
    }

    fn reset_within(&self, conn: &mut Connection, limit: Duration) -> io::Result<()> {
        conn.set_timeout(limit)?;
        self.reset(conn)?;
        conn.set_timeout(TIMEOUT)
    }

    fn has_changed(&self, conn: &mut Connection) -> bool {
        conn.has_changed
    }

    fn in_transaction(&self, conn: &mut Connection) -> bool {
        conn.in_transaction
    }
    // ANCHOR_END: session

    // ANCHOR: errors
    fn is_lost(&self, error: &io::Error) -> bool {
        error.kind() != ErrorKind::InvalidInput // which the server has answered
    }

    fn is_permanent(&self, error: &io::Error) -> bool {
        error.kind() == ErrorKind::PermissionDenied
    }
}
// ANCHOR_END: errors
