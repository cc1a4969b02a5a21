//! What workloads ask of a connection, whatever it leads to.

use crate::Failure;

/// How many rows the table has at the start. Their ids are 1 to this.
pub(crate) const ROWS: u32 = 10_000;

/// The statements that workloads are made of. Each backend's connections implement them the way
/// their users would: with a prepared statement that the connection keeps, if its pool lets it.
pub trait Queries {
    /// Whether a statement takes time. Synthetic connections answer at once, so a workload that is
    /// about connections being held has to hold them itself.
    const REAL: bool;

    /// Reads the row with this id, from 1 to 10 000, by the table's primary key.
    ///
    /// # Errors
    ///
    /// Whatever the driver says, and when there is no such row.
    fn point_select(&mut self, id: u32) -> Result<(), Failure>;

    /// Adds a row and commits it.
    ///
    /// # Errors
    ///
    /// Whatever the driver says.
    fn insert(&mut self, price: u32) -> Result<(), Failure>;

    /// Asks the server for a sign of life: a bare round trip. Nothing where there is no server.
    ///
    /// # Errors
    ///
    /// Whatever the driver says.
    fn ping(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// A transaction of five statements, not counting its beginning: reads both rows, adds one, changes
    /// the price of the first, and commits. If one of them fails it is rolled back.
    ///
    /// # Errors
    ///
    /// Whatever the driver says, and when one of the rows is not there.
    fn transact(&mut self, ids: [u32; 2], price: u32) -> Result<(), Failure>;
}
