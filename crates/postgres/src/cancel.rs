//! Cancelling the statement that runs on a connection.

use std::fmt;

use postgres::{Client, Error};

use crate::error::from_io;
use crate::session::history::History;
use crate::wire::connector::{Connector, Route};
use crate::wire::{Wire, WireState};

/// Cancels the statement that runs on a connection; made by
/// [`Connection::cancel_token`](crate::Connection::cancel_token).
#[derive(Clone)]
pub struct CancelToken {
    driver: postgres::CancelToken,
    route: Route,
    key: Option<(i32, i32)>,
}

impl CancelToken {
    pub(crate) fn new(client: &Client, wire: &Wire, route: &Route) -> Self {
        Self { driver: client.cancel_token(), route: route.clone(), key: wire.lock().key() }
    }

    /// Asks the server to cancel the statement. Costs a connect, with TLS if the connection has it.
    ///
    /// The server does not say whether there was a statement to cancel. If the connection has gone on
    /// to another one meanwhile, the request hits that.
    ///
    /// ```no_run
    /// # fn example(token: &threadwise_postgres::CancelToken) -> Result<(), postgres::Error> {
    /// token.cancel_query()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn cancel_query(&self) -> Result<(), Error> {
        match &self.route {
            Route::Driver(_) => {
                let wire = WireState::new(History::detached(), None);
                self.driver.cancel_query(Connector { wire, route: self.route.clone() })
            }
            #[cfg(unix)]
            Route::UnixSocket(path) => self.cancel_over(path).map_err(from_io),
        }
    }

    /// Sends the request over a Unix socket: to the driver, the connection leads elsewhere.
    #[cfg(unix)]
    fn cancel_over(&self, path: &std::path::Path) -> std::io::Result<()> {
        use std::io::{Read, Write};
        use std::os::unix::net::UnixStream;

        /// The length of this message, and the number that stands in place of a version.
        const CANCEL_REQUEST: [u8; 8] = [0, 0, 0, 16, 4, 210, 22, 46];
        let Some((id, secret)) = self.key else {
            return Err(std::io::Error::other("the server gave no key to cancel statements"));
        };
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
        let request = [&CANCEL_REQUEST[..], &id.to_be_bytes(), &secret.to_be_bytes()].concat();
        stream.write_all(&request)?;
        // The server hangs up when it has done its part.
        stream.read(&mut [0]).map(drop)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.key.map(|(id, _)| id);
        f.debug_struct("CancelToken").field("process_id", &id).finish_non_exhaustive()
    }
}
