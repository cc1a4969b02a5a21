//! What the server does to the pool meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use threadwise_testkit::stress::Rng;
use threadwise_testkit::{Call, Gate, Script, Step};

const CALLS: [Call; 5] = [Call::Connect, Call::IsValid, Call::HasBroken, Call::Reset, Call::Close];

/// Makes trouble until `stop`, and none afterwards.
pub(crate) fn make(script: &Script, stop: &AtomicBool, mut rng: Rng) {
    while !stop.load(Ordering::Relaxed) {
        let is_down = rng.one_in(100);
        let gates = if is_down {
            script.always(Call::Connect, Step::Fail);
            Vec::new()
        } else {
            plan(script, &mut rng)
        };
        let longest = if is_down { 30_000 } else { 2_000 };
        thread::sleep(Duration::from_micros(rng.below(longest)));
        script.clear();
        gates.iter().for_each(|gate| gate.open());
        thread::sleep(Duration::from_micros(rng.below(2_000)));
    }
}

/// Plans a few calls that fail or hang. Returns the gates at which some of them hang.
fn plan(script: &Script, rng: &mut Rng) -> Vec<Arc<Gate>> {
    let mut gates = Vec::new();
    for _ in 0..=rng.below(3) {
        let call = rng.one_of(&CALLS);
        match rng.below(8) {
            0 if call == Call::Connect => script.next(call, Step::FailForGood),
            0..3 => script.next(call, Step::Fail),
            3..6 => script.next(call, Step::Panic),
            _ => gates.push(script.hang_next(call)),
        }
    }
    gates
}
