//! How threads come to their operations.

use super::threads::Runner;
use crate::Result;
use crate::contender::Queried;
use crate::opened::Opened;
use crate::operation::Operate;
use crate::workload::Workload;

/// A workload and what its threads do with a connection.
#[derive(Clone, Debug)]
pub struct Job<O> {
    /// The numbers.
    pub workload: Workload,
    /// What a thread does between borrowing and returning.
    pub operation: O,
    /// Counts the contender's connections.
    pub opened: Opened,
}

/// A way in which threads come to their operations.
pub trait Drive: Copy + Send + Sync + 'static {
    /// Starts the threads of a job on a contender. They wait for the first round.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started, or its connection cannot be opened.
    fn start<C: Queried, O: Operate>(self, contender: C, job: Job<O>) -> Result<Runner>;
}
