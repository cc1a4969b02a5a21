//! What a thread does with a connection.

use crate::hold::Hold;
use crate::queries::{Queries, ROWS};
use crate::{Result, Rng};

/// What a thread does between borrowing a connection and returning it. The loop that is measured is
/// compiled for each type of operation.
pub trait Operate: Clone + Send + Sync + 'static {
    /// Uses a connection.
    ///
    /// # Errors
    ///
    /// The driver's error.
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<()>;
}

/// Reads a row by its primary key.
#[derive(Clone, Copy, Debug)]
pub struct Select;

impl Operate for Select {
    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<()> {
        // A synthetic connection has no rows, and a random number would cost as much as the borrow.
        let id = if C::REAL { 1 + rng.u32(..ROWS) } else { 1 };
        conn.point_select(id)
    }
}

/// Reads a row by its primary key, and holds a synthetic connection for a while before.
#[derive(Clone, Copy, Debug)]
pub struct Held(pub Hold);

impl Operate for Held {
    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<()> {
        if !C::REAL {
            self.0.spend();
        }
        Select.operate(conn, rng)
    }
}

/// Adds a row, in its own transaction.
#[derive(Clone, Copy, Debug)]
pub struct Insert;

impl Operate for Insert {
    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<()> {
        conn.insert(rng.u32(..1_000))
    }
}

/// Does nothing, so only the borrow and the return are measured.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Operate for Nothing {
    fn operate<C: Queries>(&self, _: &mut C, _: &mut Rng) -> Result<()> {
        Ok(())
    }
}
