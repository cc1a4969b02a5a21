//! What can be seen of an exchange, against the model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::model::Letter;
use super::runner::{Checked, Does, Play, expired, letter};

impl Play<'_> {
    /// All that can be seen is what the model says.
    pub(super) fn compare(&self) -> Checked {
        self.compare_slots()?;
        self.compare_line()?;
        self.compare_mail()?;
        self.compare_connections()
    }

    fn compare_slots(&self) -> Checked {
        let slots = &self.exchange.slots;
        prop_assert_eq!(slots.iter().count(), self.model.slots.len());
        for (index, (slot, place)) in slots.iter().zip(&self.model.slots).enumerate() {
            prop_assert_eq!(slot.index(), index);
            prop_assert_eq!(slot.seen(), place.seen, "slot {}", index);
            prop_assert_eq!(slot.uses(), place.uses, "uses of slot {}", index);
        }
        prop_assert_eq!(self.exchange.idle(), self.model.idle());
        prop_assert_eq!(slots.any_idle(), self.model.idle() > 0);
        Ok(())
    }

    fn compare_line(&self) -> Checked {
        let line = self.exchange.line.lock();
        prop_assert_eq!(line.waiting(), self.model.line.len());
        prop_assert_eq!(line.oldest(), self.model.line.first().map(|waiting| waiting.since));
        prop_assert_eq!(line.is_looking(), self.model.told.is_some(), "somebody looks");
        let counted = (line.open, line.connecting(), line.closed);
        prop_assert_eq!(counted, (self.model.open, self.model.dials.len(), self.model.closed));
        let idle = self.exchange.slots.any_idle();
        let is_served = line.waiting() == 0 || line.is_looking() || line.suspended;
        prop_assert!(!idle || is_served, "nobody goes to look");
        for (name, thread) in self.waiters.iter().enumerate() {
            let waits = self.model.line.iter().any(|waiting| waiting.name == name);
            prop_assert_eq!(line.contains(thread.ticket), waits, "waiter {}", name);
        }
        Ok(())
    }

    fn compare_mail(&self) -> Checked {
        for (name, thread) in self.waiters.iter().enumerate() {
            let mail = thread.waiter.wait(expired());
            let letter = letter(&mail);
            thread.waiter.post(mail);
            prop_assert_eq!(letter, self.model.mail[name], "mail of waiter {}", name);
            let is_ended = !matches!(letter, Letter::Nothing | Letter::Look);
            prop_assert!(thread.does != Does::GiveUp || !is_ended, "{} gave up", name);
        }
        Ok(())
    }

    /// Each owner has its own connection.
    fn compare_connections(&self) -> Checked {
        let mut ids = BTreeSet::new();
        let filled = self.filled.iter().map(|dialing| &dialing.owned);
        for owned in self.users.iter().chain(filled).chain(&self.reserved) {
            let place = &self.model.slots[owned.slot().index()];
            prop_assert_eq!(*owned.content(), place.conn);
            prop_assert_eq!(owned.is_retired(), place.is_marked());
            prop_assert!(ids.insert(place.conn), "connection {:?} has two owners", place.conn);
        }
        prop_assert!(self.dialing.iter().all(|dialing| dialing.owned.content().is_none()));
        let on_the_way = |letter: &&Letter| matches!(letter, Letter::Connection(..));
        let owned = ids.len() + self.model.mail.iter().filter(on_the_way).count();
        prop_assert_eq!(owned + self.model.idle(), self.model.open + self.filled.len());
        prop_assert_eq!(
            self.connections(),
            self.model.open + self.filled.len() + self.dialing.len() + self.promised.len()
        );
        Ok(())
    }
}
