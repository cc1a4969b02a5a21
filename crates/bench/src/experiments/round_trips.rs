//! Counts the round trips of an operation.
//!
//! A proxy before the server counts them, because it sees what each contender really sends. The
//! contenders are built again for this after all measurements, because a proxy makes every round
//! trip longer.

use std::time::Duration;

use threadwise_figures::ContenderKind;

use crate::Result;
use crate::assemble::Case;
use crate::backend::Environment;

/// How long the threads work before the count begins. They open connections and prepare statements.
const WARM_UP: Duration = Duration::from_millis(100);
/// The operations of each thread during the count.
const COUNTED: u64 = 20;

/// Returns the average round trips of an operation. `None` if there is no server.
///
/// A message for which the client does not wait, like the one that closes a connection, counts if
/// it is the first after an answer.
///
/// # Errors
///
/// If the proxy cannot be started, or the contender fails behind it.
pub(crate) fn per_operation(
    environment: &Environment,
    case: &Case,
    pool: ContenderKind,
) -> Result<Option<f64>> {
    let Some((mut behind, proxy)) = environment.behind_proxy()? else { return Ok(None) };
    behind.managers_learn_first();
    let mut runner = case.start(&behind, pool)?;
    runner.window(WARM_UP);
    let before = proxy.round_trips();
    runner.operations(COUNTED)?;
    let counted = proxy.round_trips() - before;
    Ok(Some(counted as f64 / (COUNTED * case.workload.threads as u64) as f64))
}
