//! A thread for each task.

use super::{Workload, select_one};
use crate::backend::Backend;
use crate::contender::{Contender, Opened};
use crate::names::ContenderKind;
use crate::runner::{Runner, per_task};
use crate::{Failure, Queries, Rng};

/// Servers that start a thread for each request: eight requests at a time, each by a thread that makes
/// one operation and ends. What is measured is the thread's life, from its start to its end, what it leaves
/// behind at the pool included; what a thread alone costs shows in `channel`, which keeps nothing of it.
///
/// Who keeps a connection for each thread opens one for each task. `dedicated` would do just what
/// `connect-per-use` does, so it is left out.
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
