//! Compares the handoff with the model, as far as the handoff can be seen.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::model::ModelWakeup;
use super::runner::{Activity, Checked, Runner, expired, model_wakeup};

impl Runner<'_> {
    /// All that can be seen is as in the model.
    pub(super) fn compare(&self) -> Checked {
        self.compare_slots()?;
        self.compare_state()?;
        self.compare_wakeups()?;
        self.compare_connections()
    }

    fn compare_slots(&self) -> Checked {
        let slots = &self.handoff.slots;
        prop_assert_eq!(slots.iter().count(), self.model.slots.len());
        for (index, (slot, expected)) in slots.iter().zip(&self.model.slots).enumerate() {
            prop_assert_eq!(slot.index(), index);
            prop_assert_eq!(slot.seen(), expected.seen, "slot {}", index);
            prop_assert_eq!(slot.uses(), expected.uses, "uses of slot {}", index);
        }
        prop_assert_eq!(self.handoff.slots.idle(), self.model.idle());
        prop_assert_eq!(slots.any_idle(), self.model.idle() > 0);
        Ok(())
    }

    fn compare_state(&self) -> Checked {
        let state = self.handoff.state.lock();
        prop_assert_eq!(state.waiting(), self.model.queue.len());
        prop_assert_eq!(state.oldest(), self.model.queue.first().map(|waiting| waiting.since));
        prop_assert_eq!(state.is_looking(), self.model.looking.is_some(), "a waiter looks");
        let counted = (state.open, state.connecting(), state.closed);
        prop_assert_eq!(counted, (self.model.open, self.model.dials.len(), self.model.closed));
        let idle = self.handoff.slots.any_idle();
        let is_served = state.waiting() == 0 || state.is_looking() || state.suspended;
        prop_assert!(!idle || is_served, "no waiter looks");
        for (name, thread) in self.waiters.iter().enumerate() {
            let waits = self.model.queue.iter().any(|waiting| waiting.name == name);
            prop_assert_eq!(state.contains(thread.ticket), waits, "waiter {}", name);
        }
        Ok(())
    }

    fn compare_wakeups(&self) -> Checked {
        for (name, thread) in self.waiters.iter().enumerate() {
            let wakeup = thread.waiter.wait(expired());
            let sent = model_wakeup(&wakeup);
            thread.waiter.send(wakeup);
            prop_assert_eq!(sent, self.model.wakeups[name], "wakeup of waiter {}", name);
            let is_ended = !matches!(sent, ModelWakeup::Nothing | ModelWakeup::Look);
            prop_assert!(thread.activity != Activity::GiveUp || !is_ended, "{} gave up", name);
        }
        Ok(())
    }

    /// Each owner has its own connection.
    fn compare_connections(&self) -> Checked {
        let mut ids = BTreeSet::new();
        let filled = self.filled.iter().map(|dialing| &dialing.owned);
        for owned in self.users.iter().chain(filled).chain(&self.reserved) {
            let expected = &self.model.slots[owned.slot().index()];
            prop_assert_eq!(*owned.content(), expected.conn);
            prop_assert_eq!(owned.is_marked_to_close(), expected.is_marked());
            prop_assert!(
                ids.insert(expected.conn),
                "connection {:?} has two owners",
                expected.conn
            );
        }
        prop_assert!(self.dialing.iter().all(|dialing| dialing.owned.content().is_none()));
        let on_the_way = |wakeup: &&ModelWakeup| matches!(wakeup, ModelWakeup::Connection(..));
        let owned = ids.len() + self.model.wakeups.iter().filter(on_the_way).count();
        prop_assert_eq!(owned + self.model.idle(), self.model.open + self.filled.len());
        prop_assert_eq!(
            self.connections(),
            self.model.open + self.filled.len() + self.dialing.len() + self.promised.len()
        );
        Ok(())
    }
}
