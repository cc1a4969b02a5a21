//! The statements that workloads send, on any backend.

use std::thread;
use std::time::Duration;

use crate::failure::Result;

/// The number of rows in the table at the start. Their ids are 1 to this number.
pub(crate) const ROWS: u32 = 10_000;

/// The statements of workloads. Each backend's connections implement them as their users would:
/// with a prepared statement that the connection keeps, unless its pool resets it.
pub trait Queries {
    /// Whether a statement takes time. Synthetic connections answer at once, so a workload about
    /// holds has to hold them by itself.
    const REAL: bool;

    /// Reads the row with this id, from 1 to 10 000, by the table's primary key.
    ///
    /// # Errors
    ///
    /// The driver's error, or an error if the row does not exist.
    fn point_select(&mut self, id: u32) -> Result<()>;

    /// Adds a row and commits it. If there is no server and no file, all statements are the same.
    ///
    /// # Errors
    ///
    /// The driver's error.
    fn insert(&mut self, price: u32) -> Result<()> {
        self.point_select(price)
    }

    /// Pings the server: a bare round trip. Does nothing if there is no server.
    ///
    /// # Errors
    ///
    /// The driver's error.
    fn ping(&mut self) -> Result<()> {
        Ok(())
    }

    /// Runs a transaction of five statements, not counting its beginning: reads both rows, adds
    /// one, changes the price of the first, and commits. If a statement fails, it rolls back.
    ///
    /// # Errors
    ///
    /// The driver's error, or an error if one of the rows does not exist.
    fn transact(&mut self, ids: [u32; 2], price: u32) -> Result<()> {
        for id in ids {
            self.point_select(id)?;
        }
        self.insert(price)
    }

    /// Changes the session in a way that a reset undoes. Does nothing if there is no server.
    ///
    /// # Errors
    ///
    /// The driver's error.
    fn change_session(&mut self) -> Result<()> {
        Ok(())
    }

    /// Runs a query that takes this long at the server.
    ///
    /// # Errors
    ///
    /// The driver's error.
    fn sleep(&mut self, time: Duration) -> Result<()> {
        thread::sleep(time);
        Ok(())
    }

    /// Runs any statement as a program would, fetches all rows and returns their number. Does
    /// nothing if there is no server.
    ///
    /// # Errors
    ///
    /// The server's error.
    fn ask(&mut self, statement: &str) -> Result<u64> {
        let _ = statement;
        Ok(0)
    }
}
