//! The protocol under loom: small plays for two or three threads, run through every interleaving
//! of their accesses, and every value that a weakly ordered processor may read. `just loom` runs
//! them, and then shows that each fails when what it protects is taken away: the mutations are in
//! `tests/mutations.rs`, and each names the play that notices it.
//!
//! | plays | of what |
//! |---|---|
//! | `waiting` | the exchange: wake-up, hand-over, time-out, looking, reserving, stale marks |
//! | `retiring` | the exchange: close, resize, evict |
//! | `liveness` | the exchange: suspending, ageing, suspicion; watched slots |
//! | `sharing` | the exchange and the table of shared connections |
//! | `pool` | the whole pool with its own verbs and diallers |
//!
//! All but the last know nothing of dialling and user code, so that they can be run through with
//! more interruptions; `play` tells the pool's verbs again for them. A thread that is never woken
//! is a deadlock, which loom reports; a connection with two users at once is two accesses to its
//! slot's cell without an order, which loom reports, too; the rest is asserted.
//!
//! What loom does not show: it takes `SeqCst` accesses for `AcqRel` ones, so that `model_fence`
//! stands for their common order, and no play can tell whether that order is asked for in the real
//! build. It is, by `SeqCst` on four accesses, two for each side: `put_back` and the load after it
//! in `put`; the store in `announce` and the loads of `seen`. Nor does it look at interleavings
//! with more than [`PREEMPTIONS`] interruptions: two are enough to notice all the mutations, one is
//! not.

mod liveness;
mod model_pool;
mod pool;
mod retiring;
mod sharing;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model_pool::Play;

/// How often threads are interrupted where they need not stop, at most, unless
/// `LOOM_MAX_PREEMPTIONS` says otherwise. One more takes three to eight times as long.
const PREEMPTIONS: usize = 4;
/// The same for plays of the whole pool, which has more places to be interrupted in.
const PREEMPTIONS_OF_ALL: usize = 3;
/// The same for plays in which the housekeeper looks again and again.
const PREEMPTIONS_OF_HANGS: usize = 2;

/// Whoever waits is served next, in order.
const AT_ONCE: Duration = Duration::ZERO;
/// Nobody has ever waited for long: waiters are sent to look.
const NEVER: Duration = Duration::MAX;

/// Runs a play through all its interleavings.
fn explore(play: impl Fn() + Send + Sync + 'static) {
    explore_up_to(PREEMPTIONS, play);
}

fn explore_up_to(preemptions: usize, play: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(preemptions));
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    model.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        play();
    });
    println!("{} interleavings", runs.load(Ordering::Relaxed));
}

/// Runs a play with connections handed to who waits, and with waiters sent to look.
fn explore_both_ways(slots: usize, play: fn(Arc<Play>)) {
    for fair_after in [AT_ONCE, NEVER] {
        explore(move || play(Play::new(slots, fair_after)));
    }
}
