//! How threads come to their operations.

use super::threads::Runner;
use crate::contender::Contender;
use crate::opened::Opened;
use crate::workload::Workload;
use crate::{Failure, Queries};

/// A workload and what its threads do with a connection.
#[derive(Clone, Debug)]
pub struct Job<O> {
    /// The numbers.
    pub workload: Workload,
    /// What a thread does between borrowing and returning.
    pub operation: O,
}

/// A way in which threads come to their operations.
pub trait Drive: Copy + Send + Sync + 'static {
    /// Starts the threads of a job on a contender. They wait for the first round. The contender
    /// counts its connections in `opened`.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started, or its connection cannot be opened.
    fn start<C, O>(self, contender: C, job: Job<O>, opened: Opened) -> Result<Runner, Failure>
    where
        C: Contender<Connection: Queries>,
        O: crate::operation::Operate;
}
