//! A contender for the tests of the runner.

use super::alike::Alike;
use super::drive::{Drive, Job};
use super::threads::Runner;
use crate::Result;
use crate::backend::synthetic::SyntheticConnection;
use crate::contender::Lend;
use crate::opened::Opened;
use crate::operation::Select;
use crate::workload::Workload;

/// Calls the closure before each use.
pub(super) struct Scripted<F>(pub(super) F);

impl<F: Fn() -> Result<()> + Send + Sync + 'static> Lend for Scripted<F> {
    type Connection = SyntheticConnection;

    fn lend<R>(&self, operation: impl FnOnce(&mut SyntheticConnection) -> R) -> Result<R> {
        (self.0)()?;
        Ok(operation(&mut SyntheticConnection::default()))
    }
}

/// Starts a workload's threads on a scripted contender. They do not hold connections.
pub(super) fn start<D: Drive>(
    drive: D,
    workload: Workload,
    act: impl Fn() -> Result<()> + Send + Sync + 'static,
) -> Runner {
    drive.start(Scripted(act), job(workload)).unwrap()
}

pub(super) fn alike(
    workload: Workload,
    act: impl Fn() -> Result<()> + Send + Sync + 'static,
) -> Runner {
    start(Alike, workload, act)
}

pub(super) fn job(workload: Workload) -> Job<Select> {
    Job { workload, operation: Select, opened: Opened::default() }
}
