//! A thread for each task.

use threadwise_figures::{Backend, ContenderKind};

use crate::workload::Workload;

/// A server that starts a thread for each request: eight requests at a time, each on a thread that
/// makes one operation and exits. An operation is the thread's whole life, from its start to its
/// end, including what the pool does when the thread exits. `channel` keeps nothing for a thread,
/// so it shows what threads cost by themselves.
///
/// A pool with a connection for each thread opens one for each task. `dedicated` is left out,
/// because it would do the same as `connect-per-use`.
pub const THREAD_PER_TASK: Workload = Workload {
    name: "thread-per-task",
    about: "what does a pool cost threads that live for a single use?",
    // PostgreSQL would show nothing that MariaDB does not.
    backends: &[Backend::Synthetic, Backend::Sqlite, Backend::Mysql],
    threads: 8,
    size: 8,
    admits: |_, pool| {
        pool.is_pool_by_default()
            || matches!(pool, ContenderKind::ConnectPerUse | ContenderKind::Channel)
    },
    ..Workload::ONE
};
