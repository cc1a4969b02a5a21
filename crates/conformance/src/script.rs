//! The steps of a scripted manager at each call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Gate;

/// The calls of a manager that a script controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `connect` and `connect_within`.
    Connect,
    /// `is_valid` and `is_valid_within`.
    IsValid,
    /// `has_broken`, where `Fail` means `true`.
    HasBroken,
    /// `reset`.
    Reset,
    /// `close`, where `Fail` means the same as `Pass`.
    Close,
}

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    /// The script calls the manager behind it.
    Pass,
    /// The script returns an error that may go away.
    Fail,
    /// The script returns a permanent error.
    FailForGood,
    /// The script panics.
    Panic,
    /// The call waits until the gate opens, and then does the same as `Pass`. If the time that was
    /// given with the call is up first, it returns an error.
    Hang(Arc<Gate>),
}

/// The steps for each call: first the planned ones, each for one call, then the usual one for all
/// later calls.
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
    /// Plans this step for the next such call, after the steps that are planned already.
    pub fn next(&self, call: Call, step: Step) {
        self.lock()[call as usize].next.push_back(step);
    }

    /// Puts a step back that was taken for this call, so that the next call takes it again.
    pub(crate) fn again(&self, call: Call, step: Step) {
        self.lock()[call as usize].next.push_front(step);
    }

    /// Sets the step for calls of this kind that have no planned step.
    pub fn always(&self, call: Call, step: Step) {
        self.lock()[call as usize].usual = Some(step);
    }

    /// Removes all planned and usual steps.
    pub fn clear(&self) {
        for plan in self.lock().iter_mut() {
            plan.next.clear();
            plan.usual = None;
        }
    }

    /// Plans a hang for the next such call, and returns its gate.
    pub fn hang_next(&self, call: Call) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        self.next(call, Step::Hang(Arc::clone(&gate)));
        gate
    }

    /// How often this call was made.
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
