//! What a scripted manager does at each call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Gate;

/// The calls of a manager that a script speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `connect` and `connect_within`.
    Connect,
    /// `is_valid` and `is_valid_within`.
    IsValid,
    /// `has_broken`; here `Fail` is to say yes.
    HasBroken,
    /// `reset`.
    Reset,
    /// `close`; here `Fail` is as `Pass`.
    Close,
}

/// What happens at a call.
#[derive(Clone, Debug)]
pub enum Step {
    /// What the manager behind the script does.
    Pass,
    /// An error that trying again may mend.
    Fail,
    /// An error that trying again does not mend.
    FailForGood,
    /// A panic.
    Panic,
    /// Nothing until the gate opens or the time given with the call is up (an error); then as
    /// `Pass`.
    Hang(Arc<Gate>),
}

/// Steps for each call: first the planned ones, each for one call, then the usual one for ever.
#[derive(Debug, Default)]
pub struct Script {
    calls: Mutex<[Plan; 5]>,
}

#[derive(Debug, Default)]
struct Plan {
    next: VecDeque<Step>,
    usual: Option<Step>,
    made: u64,
}

impl Script {
    /// The next such call does this, after those planned already.
    pub fn next(&self, call: Call, step: Step) {
        self.lock()[call as usize].next.push_back(step);
    }

    /// The step that was taken for this call is taken again by the next one.
    pub(crate) fn again(&self, call: Call, step: Step) {
        self.lock()[call as usize].next.push_front(step);
    }

    /// Such calls do this from now on, when nothing is planned.
    pub fn always(&self, call: Call, step: Step) {
        self.lock()[call as usize].usual = Some(step);
    }

    /// Nothing is planned any more, and nothing usual.
    pub fn clear(&self) {
        for plan in self.lock().iter_mut() {
            plan.next.clear();
            plan.usual = None;
        }
    }

    /// The next such call hangs at the gate that is returned.
    pub fn hang_next(&self, call: Call) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        self.next(call, Step::Hang(Arc::clone(&gate)));
        gate
    }

    /// How often this was called.
    pub fn made(&self, call: Call) -> u64 {
        self.lock()[call as usize].made
    }

    pub(crate) fn take(&self, call: Call) -> Step {
        let plan = &mut self.lock()[call as usize];
        plan.made += 1;
        plan.next.pop_front().or_else(|| plan.usual.clone()).unwrap_or(Step::Pass)
    }

    fn lock(&self) -> MutexGuard<'_, [Plan; 5]> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
