//! Work that rayon spreads over its threads.

use threadwise_figures::{Backend, ContenderKind};

use crate::workload::Workload;

/// Rayon's `par_iter` on a rayon pool of eight threads. Each item borrows a connection. Rayon's
/// work stealing decides which thread takes which item, so `fair` also says how rayon spread the
/// items.
pub const RAYON_PAR_ITER: Workload = Workload {
    name: "rayon-par-iter",
    about: "how many items per second if each item of rayon's par_iter borrows a connection?",
    // On MariaDB a round trip would hide what rayon does.
    backends: &[Backend::Synthetic, Backend::Sqlite],
    threads: 8,
    size: 8,
    // Contenders that an item can use without knowing its thread.
    admits: |_, pool| {
        pool.is_pool_by_default()
            || matches!(pool, ContenderKind::ThreadLocal | ContenderKind::Channel)
    },
    ..Workload::ONE
};
