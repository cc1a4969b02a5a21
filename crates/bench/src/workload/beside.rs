//! Readers beside a thread that writes all the time.

use threadwise_figures::{Backend, ContenderKind};

use super::{Workload, select_one};
use crate::{Failure, Queries, Rng};

/// Two readers for each connection, and a writer with its own connection.
///
/// This is the best way to use SQLite: in write-ahead-log mode readers and the one writer do not
/// wait for each other. Operations are the reads. The rows written meanwhile are shown beside them.
#[derive(Clone, Copy, Debug)]
pub struct BesideAWriter;

impl Workload for BesideAWriter {
    fn name(&self) -> &'static str {
        "beside-a-writer"
    }

    fn about(&self) -> &'static str {
        "how many rows per second can be read while a writer adds and commits rows all the time?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Sqlite
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        // `fifo` has no connections from which a thread could read.
        pool != ContenderKind::Fifo && !pool.is_tuned()
    }

    fn threads(&self) -> usize {
        8
    }

    fn size(&self) -> usize {
        4
    }

    fn has_writer(&self) -> bool {
        true
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        select_one(conn, rng)
    }
}
