//! `synthetic`: connections that do nothing, so that only the pool takes time.

use std::convert::Infallible;
use std::hint::black_box;

use threadwise_core::ManageConnection;
use threadwise_figures::{Backend, ContenderKind};

use crate::contender::{
    BuildYourOwn, Channel, Counted, Dedicated, Dial, Fifo, Floor, MutexPool, Opened, PerThread,
    R2d2, persistent, queue, shared,
};
use crate::runner::Runner;
use crate::workload::Workload;
use crate::{Failure, Queries};

/// A connection without a server. It counts its queries, so that a use touches its memory, as with
/// a real connection. A connection that another processor used last is slower, and choosing such a
/// connection is a property of the pool.
#[derive(Debug, Default)]
pub struct SyntheticConnection {
    queries: u64,
}

impl Queries for SyntheticConnection {
    const REAL: bool = false;

    #[inline]
    fn point_select(&mut self, _: u32) -> Result<(), Failure> {
        self.queries = black_box(self.queries) + 1;
        Ok(())
    }

    #[inline]
    fn insert(&mut self, _: u32) -> Result<(), Failure> {
        self.queries = black_box(self.queries) + 1;
        Ok(())
    }

    fn transact(&mut self, _: [u32; 2], _: u32) -> Result<(), Failure> {
        self.queries = black_box(self.queries) + 5;
        Ok(())
    }
}

/// Opens synthetic connections. They always work, and checks and resets cost nothing.
#[derive(Clone, Copy, Debug)]
pub struct SyntheticManager;

impl ManageConnection for SyntheticManager {
    type Connection = SyntheticConnection;
    type Error = Infallible;

    fn connect(&self) -> Result<SyntheticConnection, Infallible> {
        Ok(SyntheticConnection::default())
    }

    #[inline]
    fn is_valid(&self, _: &mut SyntheticConnection) -> Result<(), Infallible> {
        Ok(())
    }

    #[inline]
    fn has_broken(&self, _: &mut SyntheticConnection) -> bool {
        false
    }
}

impl r2d2::ManageConnection for SyntheticManager {
    type Connection = SyntheticConnection;
    type Error = Infallible;

    fn connect(&self) -> Result<SyntheticConnection, Infallible> {
        Ok(SyntheticConnection::default())
    }

    #[inline]
    fn is_valid(&self, _: &mut SyntheticConnection) -> Result<(), Infallible> {
        Ok(())
    }

    #[inline]
    fn has_broken(&self, _: &mut SyntheticConnection) -> bool {
        false
    }
}

impl Dial for SyntheticManager {
    type Connection = SyntheticConnection;

    #[inline]
    fn dial(&self) -> Result<SyntheticConnection, Failure> {
        Ok(SyntheticConnection::default())
    }
}

/// Builds a contender, and threads that are ready to run the workload on it.
///
/// # Errors
///
/// If the contender cannot be built, or does not run on this backend.
pub fn runner<W: Workload>(pool: ContenderKind, workload: W) -> Result<Runner, Failure> {
    let opened = Opened::default();
    let dial = Counted::new(SyntheticManager, &opened);
    match pool {
        ContenderKind::Shared => shared(SyntheticManager, workload),
        ContenderKind::Persistent => persistent(SyntheticManager, workload),
        ContenderKind::Queue => queue(SyntheticManager, workload),
        ContenderKind::R2d2 => {
            let pool = R2d2::new(SyntheticManager, workload.size(), &opened)?;
            Runner::start(pool, workload, opened)
        }
        ContenderKind::R2d2Tuned => {
            let pool = R2d2::tuned(SyntheticManager, workload.size(), &opened)?;
            Runner::start(pool, workload, opened)
        }
        ContenderKind::Mutex => {
            Runner::start(MutexPool::new(&dial, workload.size())?, workload, opened)
        }
        ContenderKind::Dedicated => Runner::start(Dedicated(dial), workload, opened),
        ContenderKind::Floor => Runner::start(Floor::new(workload.threads()), workload, opened),
        ContenderKind::Channel => Runner::start(Channel::new(workload.size()), workload, opened),
        ContenderKind::ThreadLocal => Runner::start(PerThread::default(), workload, opened),
        ContenderKind::Fifo => Runner::start(Fifo::new(workload.size()), workload, opened),
        ContenderKind::BuildYourOwn => {
            let pool = BuildYourOwn::new(Counted::new(SyntheticManager, &opened), workload.size());
            Runner::start(pool, workload, opened)
        }
        ContenderKind::MysqlPool
        | ContenderKind::MysqlPoolTuned
        | ContenderKind::R2d2Mysql
        | ContenderKind::R2d2MysqlTuned
        | ContenderKind::ConnectPerUse
        | ContenderKind::ManagerPerUse => Err(Failure::not_on(pool, Backend::Synthetic)),
    }
}
