//! How often an operation speaks with the server.
//!
//! It is counted by a proxy before the server, on contenders built for that, after all is measured: a
//! proxy makes every round trip longer.

use crate::Failure;
use crate::backend::Environment;
use crate::names::ContenderKind;
use crate::workload::AnyWorkload;

/// Operations of each thread before any are counted: they open connections and prepare statements.
const WARM_UP: u64 = 4;
/// Operations of each thread that are counted.
const COUNTED: u64 = 20;

/// The round trips of an operation on average. `None` where there is no server to speak with.
///
/// What a client sends without waiting for an answer counts if it is the first after one, as the
/// farewell of a connection does.
///
/// # Errors
///
/// When there can be no proxy before the server, or the contender fails behind it.
pub(crate) fn per_operation(
    environment: &Environment,
    workload: &dyn AnyWorkload,
    pool: ContenderKind,
) -> Result<Option<f64>, Failure> {
    let Environment::Mysql(server) = environment else { return Ok(None) };
    let (behind, proxy) = server.behind_proxy()?;
    let behind = Environment::Mysql(behind.into());
    let mut runner = workload.runner(&behind, pool)?;
    runner.operations(WARM_UP)?;
    let before = proxy.round_trips();
    runner.operations(COUNTED)?;
    let counted = proxy.round_trips() - before;
    Ok(Some(counted as f64 / (COUNTED * workload.threads() as u64) as f64))
}
