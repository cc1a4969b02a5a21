//! Uses that change their session.

use threadwise_figures::Backend;

use crate::operation::Operate;
use crate::workload::Workload;
use crate::{Queries, Result, Rng};

/// Each use changes a setting of its session. A pool that gives the next borrower a session like a new
/// one has to reset it, each time. `r2d2…` and `mutex` never do: they show what the rest costs.
pub const RESET: Workload = Workload {
    name: "reset",
    about: "what does a use cost that changes its session, so that the pool resets it?",
    backends: &[Backend::Mysql, Backend::Postgres],
    threads: 8,
    size: 8,
    admits: |_, pool| pool.is_pool_by_default(),
    ..Workload::ONE
};

/// Changes a setting of the session.
#[derive(Clone, Copy, Debug)]
pub struct ChangeSession;

impl Operate for ChangeSession {
    fn operate<C: Queries>(&self, conn: &mut C, _: &mut Rng) -> Result<()> {
        conn.change_session()
    }
}
