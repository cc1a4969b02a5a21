//! The protocol under loom: small models for two or three threads, run through every interleaving
//! of their accesses and every value that a weakly ordered processor may read. `just loom` runs
//! them, and then shows that each model fails if the code that it checks is broken:
//! `tests/mutations.rs` has these mutations, each with the model that notices it.
//!
//! | models | of |
//! |---|---|
//! | `waiting` | the handoff: wakeups, handing off, timeouts, looking, reserving, stale flags |
//! | `retiring` | the handoff: close, resize, evict |
//! | `liveness` | the handoff: suspending, ageing, suspicion; watched slots |
//! | `sharing` | the handoff and the table of shared connections |
//! | `pool` | the whole pool with its own methods and dialers |
//!
//! All but the last know nothing of dialing and of the program's code, so that they can run with more
//! preemptions; `model_pool` repeats the pool's methods for them. If a thread is never woken, loom
//! reports a deadlock. If a connection has two users at once, loom reports two accesses to its slot's
//! cell without an order. The models assert the rest.
//!
//! What loom does not show: it takes `SeqCst` accesses for `AcqRel` ones. `model_fence` stands for
//! their common order, so no model can tell whether the real build asks for that order. It does, by
//! `SeqCst` on four accesses, two on each side: `put_back` and the load after it in `put`; the store in
//! `publish_waiter_count` and the loads of `seen`. Loom also does not look at interleavings with more
//! than [`PREEMPTIONS`] preemptions: two are enough to notice all the mutations, one is not.

mod liveness;
mod model_pool;
mod pool;
mod retiring;
mod sharing;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model_pool::ModelPool;

/// How often loom preempts threads at most, unless `LOOM_MAX_PREEMPTIONS` says otherwise. One more
/// takes three to eight times as long.
const PREEMPTIONS: usize = 4;
/// The same for models of the whole pool, which has more places to preempt a thread at.
const PREEMPTIONS_OF_WHOLE_POOL: usize = 3;
/// The same for models in which the housekeeper runs again and again.
const PREEMPTIONS_OF_HANGS: usize = 2;

/// A `fair_after` with which each waiter is served next, in order.
const AT_ONCE: Duration = Duration::ZERO;
/// A `fair_after` with which no waiter is ever due, so that all are sent to look.
const NEVER: Duration = Duration::MAX;

/// Runs a model through all its interleavings.
fn explore(act: impl Fn() + Send + Sync + 'static) {
    explore_up_to(PREEMPTIONS, act);
}

fn explore_up_to(preemptions: usize, act: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(preemptions));
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    model.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        act();
    });
    println!("{} interleavings", runs.load(Ordering::Relaxed));
}

/// Runs a model twice: with connections handed off to waiters, and with waiters sent to look.
fn explore_both_ways(slots: usize, act: fn(Arc<ModelPool>)) {
    for fair_after in [AT_ONCE, NEVER] {
        explore(move || act(ModelPool::new(slots, fair_after)));
    }
}
