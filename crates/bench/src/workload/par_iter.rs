//! Work that rayon spreads over its threads.

use threadwise_figures::{Backend, ContenderKind};

use super::{Workload, select_one};
use crate::contender::{Contender, Opened};
use crate::runner::{Runner, par_iter};
use crate::{Failure, Queries, Rng};

/// Rayon's `par_iter` on a rayon pool of eight threads. Each item borrows a connection. Rayon's
/// work stealing decides which thread takes which item, so `fair` also says how rayon spread the
/// items.
#[derive(Clone, Copy, Debug)]
pub struct RayonParIter;

impl Workload for RayonParIter {
    fn name(&self) -> &'static str {
        "rayon-par-iter"
    }

    fn about(&self) -> &'static str {
        "how many items per second if each item of rayon's par_iter borrows a connection?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend != Backend::Mysql // a round trip would hide what rayon does
    }

    /// Contenders that an item can use without knowing its thread.
    fn admits(&self, pool: ContenderKind) -> bool {
        pool.is_pool_by_default()
            || matches!(pool, ContenderKind::ThreadLocal | ContenderKind::Channel)
    }

    fn threads(&self) -> usize {
        8
    }

    fn size(&self) -> usize {
        8
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        select_one(conn, rng)
    }

    fn drive<C>(self, contender: C, opened: Opened) -> Result<Runner, Failure>
    where
        C: Contender<Connection: Queries>,
    {
        par_iter::start(contender, self, opened)
    }
}
