//! Several statements in one transaction.

use threadwise_figures::Backend;

use super::Workload;
use crate::queries::ROWS;
use crate::{Failure, Queries, Rng};

/// A transaction for each borrow: it reads two rows, adds one, changes one and commits. These are
/// five statements. With the beginning they are six round trips to a server.
#[derive(Clone, Copy, Debug)]
pub struct Transaction;

impl Workload for Transaction {
    fn name(&self) -> &'static str {
        "transaction"
    }

    fn about(&self) -> &'static str {
        "how many transactions of five statements per second, one per borrow?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend != Backend::Synthetic
    }

    fn threads(&self) -> usize {
        8
    }

    fn size(&self) -> usize {
        8
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        let ids = [1 + rng.below(ROWS), 1 + rng.below(ROWS)];
        conn.transact(ids, rng.below(1_000))
    }
}
