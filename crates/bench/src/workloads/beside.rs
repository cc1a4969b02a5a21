//! Readers beside a thread that writes all the time.

use threadwise_figures::{Backend, ContenderKind};

use crate::workload::Workload;

/// Two readers for each connection, and a writer with its own connection.
///
/// This is the best way to use SQLite: in write-ahead-log mode readers and the one writer do not
/// wait for each other. Operations are the reads. The rows written meanwhile are shown beside them.
pub const BESIDE_A_WRITER: Workload = Workload {
    name: "beside-a-writer",
    about: "how many rows per second can be read while a writer adds and commits rows all the time?",
    backends: &[Backend::Sqlite],
    threads: 8,
    size: 4,
    has_writer: true,
    // `fifo` has no connections from which a thread could read.
    admits: |it, pool| pool != ContenderKind::Fifo && it.admits_usual(pool),
    ..Workload::ONE
};
