//! `shared`, `persistent` and `queue`: the pools of this project, through their common trait.

use std::time::Duration;

use threadwise_core::{ManageConnection, Pool};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;

use crate::contender::{GET_TIMEOUT, Lend};
use crate::workload::{Order, Workload};
use crate::{Failure, Result};

/// A [`Pool`] as a contender.
pub struct Threadwise<P>(pub P);

impl<P: Pool + 'static> Lend for Threadwise<P> {
    type Connection = <P::Manager as ManageConnection>::Connection;

    #[inline]
    fn lend<R>(&self, operation: impl FnOnce(&mut Self::Connection) -> R) -> Result<R> {
        match self.0.get() {
            Ok(mut conn) => Ok(operation(&mut conn)),
            Err(error) => Err(Failure::of(error)),
        }
    }
}

/// Builds a shared pool of the workload's size with defaults for the rest.
///
/// Workloads about the wait queue set its order. There the pool has no timeout, because `fifo` has
/// none either, and the cost of the system's timers for thousands of threads is not the question.
///
/// # Errors
///
/// If the pool cannot be built.
pub fn shared<M: ManageConnection>(
    manager: M,
    workload: &Workload,
) -> Result<Threadwise<SharedPool<M>>> {
    let builder = SharedPool::builder().max_size(workload.size);
    let builder = match workload.order {
        Order::AsUsersGetIt => builder.get_timeout(Some(GET_TIMEOUT)),
        Order::FairAfter(wait) => builder.fair_after(wait).get_timeout(Some(GET_TIMEOUT)),
        Order::Strict => builder.fair_after(Duration::ZERO).get_timeout(None),
        Order::RunningFirst => builder.fair_after(Duration::MAX).get_timeout(None),
    };
    builder.build(manager).map(Threadwise).map_err(Failure::of)
}

/// Builds a persistent pool with defaults for the workload's threads.
///
/// Each thread has its own connection, so there are as many connections as threads, whatever the
/// workload's size.
///
/// # Errors
///
/// If the pool cannot be built.
pub fn persistent<M: ManageConnection>(
    manager: M,
    workload: &Workload,
) -> Result<Threadwise<PersistentPool<M>>> {
    let others = workload.connections_per_thread - 1;
    PersistentPool::builder()
        .max_threads(Some(workload.threads))
        .max_overflow(others * workload.threads)
        .build(manager)
        .map(Threadwise)
        .map_err(Failure::of)
}

/// Builds a queue of the workload's size with defaults for the rest.
///
/// # Errors
///
/// If the pool cannot be built.
pub fn queue<M: ManageConnection>(
    manager: M,
    workload: &Workload,
) -> Result<Threadwise<QueuePool<M>>> {
    let builder = QueuePool::builder().size(workload.size).get_timeout(Some(GET_TIMEOUT));
    builder.build(manager).map(Threadwise).map_err(Failure::of)
}
