//! A thread for each task.

use threadwise_figures::{Backend, ContenderKind};

use super::{Workload, select_one};
use crate::contender::{Contender, Opened};
use crate::runner::{Runner, per_task};
use crate::{Failure, Queries, Rng};

/// A server that starts a thread for each request: eight requests at a time, each on a thread that
/// makes one operation and exits. An operation is the thread's whole life, from its start to its
/// end, including what the pool does when the thread exits. `channel` keeps nothing for a thread,
/// so it shows what threads cost by themselves.
///
/// A pool with a connection for each thread opens one for each task. `dedicated` is left out,
/// because it would do the same as `connect-per-use`.
#[derive(Clone, Copy, Debug)]
pub struct ThreadPerTask;

impl Workload for ThreadPerTask {
    fn name(&self) -> &'static str {
        "thread-per-task"
    }

    fn about(&self) -> &'static str {
        "what does a pool cost threads that live for a single use?"
    }

    fn runs_on(&self, _: Backend) -> bool {
        true
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        pool.is_pool_by_default()
            || matches!(pool, ContenderKind::ConnectPerUse | ContenderKind::Channel)
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
        per_task::start(contender, self, opened)
    }
}
