//! `shared`, `persistent` and `queue`: the pools of this project, through their common trait.

use std::error::Error;
use std::time::Duration;

use threadwise_core::{ManageConnection, Pool};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;

use super::{Contender, Counted, GET_TIMEOUT, Opened, Worker};
use crate::runner::Runner;
use crate::workload::{Order, Workload};
use crate::{Failure, Queries};

/// A [`Pool`] as a contender.
#[derive(Debug)]
pub struct Threadwise<P>(pub P);

impl<P: Pool + 'static> Contender for Threadwise<P> {
    type Connection = <P::Manager as ManageConnection>::Connection;
    type Worker<'c> = &'c Self;

    fn worker(&self) -> Result<&Self, Failure> {
        Ok(self)
    }
}

impl<P: Pool + 'static> Worker for &Threadwise<P> {
    type Connection = <P::Manager as ManageConnection>::Connection;

    #[inline]
    fn with_conn<R>(
        &mut self,
        operation: impl FnOnce(&mut Self::Connection) -> R,
    ) -> Result<R, Failure> {
        match self.0.get() {
            Ok(mut conn) => Ok(operation(&mut conn)),
            Err(error) => Err(Failure::of(error)),
        }
    }
}

/// Builds a shared pool of the workload's size with defaults for the rest, and threads that use it.
///
/// Workloads about the wait queue set its order. There the pool has no timeout, because `fifo` has
/// none either, and the cost of the system's timers for thousands of threads is not the question.
///
/// # Errors
///
/// If the pool cannot be built.
pub fn shared<M, W>(manager: M, workload: W) -> Result<Runner, Failure>
where
    M: ManageConnection<Connection: Queries>,
    W: Workload,
{
    start(manager, workload, |manager| {
        let builder = SharedPool::builder().max_size(workload.size());
        let builder = match workload.order() {
            Order::AsUsersGetIt => builder.get_timeout(Some(GET_TIMEOUT)),
            Order::FairAfter(wait) => builder.fair_after(wait).get_timeout(Some(GET_TIMEOUT)),
            Order::Strict => builder.fair_after(Duration::ZERO).get_timeout(None),
            Order::RunningFirst => builder.fair_after(Duration::MAX).get_timeout(None),
        };
        builder.build(manager).map(Threadwise)
    })
}

/// Builds a persistent pool with defaults for the workload's threads, and the threads.
///
/// Each thread has its own connection, so there are as many connections as threads, whatever the
/// workload's size.
///
/// # Errors
///
/// If the pool cannot be built.
pub fn persistent<M, W>(manager: M, workload: W) -> Result<Runner, Failure>
where
    M: ManageConnection<Connection: Queries>,
    W: Workload,
{
    let others = workload.connections_per_thread() - 1;
    start(manager, workload, |manager| {
        PersistentPool::builder()
            .max_threads(Some(workload.threads()))
            .max_overflow(others * workload.threads())
            .build(manager)
            .map(Threadwise)
    })
}

/// Builds a queue of the workload's size with defaults for the rest, and threads that use it.
///
/// # Errors
///
/// If the pool cannot be built.
pub fn queue<M, W>(manager: M, workload: W) -> Result<Runner, Failure>
where
    M: ManageConnection<Connection: Queries>,
    W: Workload,
{
    start(manager, workload, |manager| {
        QueuePool::builder()
            .size(workload.size())
            .get_timeout(Some(GET_TIMEOUT))
            .build(manager)
            .map(Threadwise)
    })
}

fn start<M, W, C, E>(
    manager: M,
    workload: W,
    build: impl FnOnce(Counted<M>) -> Result<C, E>,
) -> Result<Runner, Failure>
where
    W: Workload,
    C: Contender<Connection: Queries>,
    E: Error,
{
    let opened = Opened::default();
    let contender = build(Counted::new(manager, &opened)).map_err(Failure::of)?;
    Runner::start(contender, workload, opened)
}
