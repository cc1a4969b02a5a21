//! Two connections at the same time.

use threadwise_figures::{Backend, ContenderKind};

use crate::workload::Workload;

/// Each thread borrows a second connection while it holds one. This happens if a function with a
/// connection calls another one that borrows its own. There are two connections for each thread.
/// Without at least one more connection than threads, all threads could hold their first connection
/// and wait for a second one forever.
///
/// The wait is that for both connections. `persistent` has `max_overflow` set, and opens the second
/// connection for each use. Its default is to refuse, because a second borrow is usually a mistake.
/// Some contenders are left out. `thread-local` cannot lend a connection twice. `dedicated`,
/// `floor` and `fifo` do not look for a connection. `connect-per-use` would show twice its other
/// figures.
pub const NESTED: Workload = Workload {
    name: "nested",
    about: "what does it cost to borrow a second connection while holding one?",
    // SQLite would show nothing that MariaDB does not.
    backends: &[Backend::Synthetic, Backend::Mysql],
    threads: 8,
    size: 16,
    connections_per_thread: 2,
    admits: |_, pool| pool.is_pool_by_default() || pool == ContenderKind::Channel,
    ..Workload::ONE
};
