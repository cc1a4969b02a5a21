//! Shows that each model fails when what it protects is taken away. Builds the crate once for each of the
//! mutations below, in a copy, and runs the model that must fail. Only with `--cfg loom`; `just loom` runs
//! it after the models.
//!
//! It is an error if a mutation no longer fits the source, does not compile or goes unnoticed, or if a
//! model fails for another reason than the one given here.
#![cfg(loom)]

mod mutated;

use mutated::{Change, Copy};

/// One weakening of the product's code.
struct Mutation {
    name: &'static str,
    /// In `src`.
    file: &'static str,
    /// The text to replace, which occurs once.
    from: &'static str,
    /// The text that replaces it.
    to: &'static str,
    /// The model that must fail.
    model: &'static str,
    /// What it must fail with.
    complaint: &'static str,
}

/// Optimizes loom, but not the crate, which then compiles quickly. The recipe in the justfile has
/// the same settings, so loom is compiled only once.
const PROFILE: [&str; 2] = ["profile.dev.package.\"*\".opt-level=3", "profile.dev.debug=false"];

/// A thread is never woken.
const DEADLOCK: &str = "deadlock; threads =";
/// Two accesses to a connection without an order.
const RACE: &str = "Causality violation";

const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "no second look after putting back",
        file: "handoff.rs",
        from: "if self.waiter_count.0.load(Ordering::SeqCst) != 0 {",
        to: "if false {",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the second look comes before putting back",
        file: "handoff.rs",
        from: "        owned.put_back()?;
        model_fence();
        // SeqCst: with the exchange above, pairs with `publish_waiter_count` and the look after it.
        if self.waiter_count.0.load(Ordering::SeqCst) != 0 {",
        to: "        let waiting = self.waiter_count.0.load(Ordering::SeqCst);
        model_fence();
        owned.put_back()?;
        if waiting != 0 {",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "putting back and the second look are not in the common order",
        file: "handoff.rs",
        from: "        owned.put_back()?;
        model_fence();",
        to: "        owned.put_back()?;",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the waiter count is not in the common order",
        file: "handoff.rs",
        from: "        self.waiter_count.0.store(state.waiting(), Ordering::SeqCst);
        model_fence();",
        to: "        self.waiter_count.0.store(state.waiting(), Ordering::SeqCst);",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter counts itself after looking",
        file: "handoff.rs",
        from: "        self.publish_waiter_count(&state);
        // After the publication: if the validation has not ended, its end sees the waiter.
        let stale_too = !self.is_check_pending(checked);
        let Some((owned, stale)) = self.slots.take_any(start, stale_too) else {
            return (Joined::Waiting(ticket), state);
        };",
        to: "        let stale_too = !self.is_check_pending(checked);
        let Some((owned, stale)) = self.slots.take_any(start, stale_too) else {
            self.publish_waiter_count(&state);
            return (Joined::Waiting(ticket), state);
        };",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter asks for its validation before it counts itself",
        file: "handoff.rs",
        from: "        self.publish_waiter_count(&state);
        // After the publication: if the validation has not ended, its end sees the waiter.
        let stale_too = !self.is_check_pending(checked);",
        to: "        let stale_too = !self.is_check_pending(checked);
        self.publish_waiter_count(&state);",
        model: "waiting::a_waiter_whose_validated_connection_is_stale_again_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter does not count itself",
        file: "handoff.rs",
        from: "        self.publish_waiter_count(&state);
        // After the publication: if the validation has not ended, its end sees the waiter.
        let stale_too = !self.is_check_pending(checked);
        let Some((owned, stale)) = self.slots.take_any(start, stale_too) else {
            return (Joined::Waiting(ticket), state);",
        to: "        let stale_too = !self.is_check_pending(checked);
        let Some((owned, stale)) = self.slots.take_any(start, stale_too) else {
            return (Joined::Waiting(ticket), state);",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_reserved_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter is woken before its wakeup is sent",
        file: "handoff.rs",
        from: "        waiter.send(Wakeup::Connection(owned.hand_over(), stale));",
        to: "        waiter.wake();
        waiter.send(Wakeup::Connection(owned.hand_over(), stale));
        let waiter = SharedWaiter::new(crate::waiter::Waiter::new());",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "no waiter is told of a connection that becomes idle under the lock",
        file: "handoff.rs",
        from: "        owned.put_back()?; // no thread can join the queue meanwhile
        self.tell_to_look(state);",
        to: "        owned.put_back()?; // no thread can join the queue meanwhile
        drop(state);",
        model: "waiting::one_connection_serves_two_waiters_in_turn",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "an opened connection becomes idle after the lock",
        file: "handoff.rs",
        from: "        owned.put_back() // under the lock",
        to: "        drop(state);
        owned.put_back() // under the lock",
        model: "waiting::a_waiter_that_joins_while_a_connection_is_opened_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "taking is not an exchange",
        file: "slot.rs",
        from: "        self.word
            .compare_exchange(IDLE, BORROWED, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
            .then(|| self.borrowed())",
        to: "        let is_idle = self.word.load(Ordering::SeqCst) == IDLE;
        is_idle.then(|| {
            self.word.store(BORROWED, Ordering::SeqCst);
            self.borrowed()
        })",
        model: "waiting::an_idle_connection_is_taken_by_one_thread_at_a_time",
        complaint: RACE,
    },
    Mutation {
        name: "taking does not acquire",
        file: "slot.rs",
        from: ".compare_exchange(IDLE, BORROWED, Ordering::SeqCst, Ordering::Relaxed)",
        to: ".compare_exchange(IDLE, BORROWED, Ordering::Relaxed, Ordering::Relaxed)",
        model: "waiting::an_idle_connection_is_taken_by_one_thread_at_a_time",
        complaint: RACE,
    },
    Mutation {
        name: "putting back does not release",
        file: "slot.rs",
        from: "self.slot.word.compare_exchange(BORROWED, IDLE, Ordering::SeqCst, Ordering::Relaxed)",
        to: "self.slot.word.compare_exchange(BORROWED, IDLE, Ordering::Relaxed, Ordering::Relaxed)",
        model: "waiting::an_idle_connection_is_taken_by_one_thread_at_a_time",
        complaint: RACE,
    },
    Mutation {
        name: "a waiter that is served stays in the queue",
        file: "state.rs",
        from: "        let (ticket, entry) = self.waiters.pop()?;
        self.forget_look(ticket);
        Some(entry.waiter)",
        to: "        self.waiters.head().map(|entry| Arc::clone(&entry.waiter))",
        model: "waiting::two_connections_put_back_at_once_serve_one_waiter_once",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "a connection that is handed off is idle in between",
        file: "handoff.rs",
        from: "        if self.is_due(&state, now) {
            self.hand_off(state, owned);
            return Ok(());
        }
        owned.put_back()?;",
        to: "        let slot = owned.slot();
        owned.put_back()?;
        if self.is_due(&state, now)
            && let Some(owned) = slot.take_for_waiter()
        {
            self.hand_off(state, owned);
            return Ok(());
        }",
        model: "waiting::a_connection_for_a_due_waiter_cannot_be_taken_by_a_newcomer",
        complaint: "a newcomer took the waiter's connection",
    },
    Mutation {
        name: "a waiter gives up though it has been served",
        file: "handoff.rs",
        from: "        let left = state.leave(ticket);",
        to: "        let left = state.leave(ticket) || true;",
        model: "waiting::a_connection_is_not_lost_with_a_waiter_that_gives_up",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "a waiter that leaves still counts as looking",
        file: "state.rs",
        from: "        self.forget_look(ticket);
        self.waiters.remove(ticket).is_some()",
        to: "        self.waiters.remove(ticket).is_some()",
        model: "waiting::a_waiter_that_gives_up_passes_its_look_to_the_next",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter that gives up does not pass the look on",
        file: "handoff.rs",
        from: "        let left = state.leave(ticket);
        self.publish_waiter_count(&state);
        let next = self.pass_look_on(&mut state);",
        to: "        let left = state.leave(ticket);
        self.publish_waiter_count(&state);
        let next = None::<SharedWaiter<T, E>>;",
        model: "waiting::a_waiter_that_gives_up_passes_its_look_to_the_next",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter that found nothing still counts as looking",
        file: "handoff.rs",
        from: "        state.forget_look(ticket);
        if !state.contains(ticket) {",
        to: "        if !state.contains(ticket) {",
        model: "waiting::a_waiter_that_found_nothing_is_sent_again",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter that found something does not pass the look on",
        file: "handoff.rs",
        from: "        let Some((owned, stale)) = self.slots.take_any(start, true) else {
            return Looked::Nothing;
        };
        state.leave(ticket);
        self.publish_waiter_count(&state);
        let next = self.pass_look_on(&mut state);",
        to: "        let Some((owned, stale)) = self.slots.take_any(start, true) else {
            return Looked::Nothing;
        };
        state.leave(ticket);
        self.publish_waiter_count(&state);
        let next = None::<SharedWaiter<T, E>>;",
        model: "waiting::two_idle_connections_reach_two_waiters",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter that is served still counts as looking",
        file: "state.rs",
        from: "        let (ticket, entry) = self.waiters.pop()?;
        self.forget_look(ticket);",
        to: "        let (_, entry) = self.waiters.pop()?;",
        model: "waiting::a_waiter_that_is_served_passes_its_look_to_the_next",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a handoff does not pass the look on",
        file: "handoff.rs",
        from: "        // That waiter may have been on its way to look at another connection, which is idle still.
        let next = self.pass_look_on(&mut state);",
        to: "        let next = None::<SharedWaiter<T, E>>;",
        model: "waiting::a_waiter_that_is_served_passes_its_look_to_the_next",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "closing leaves borrowed connections unmarked",
        file: "slot.rs",
        from: "matches!(word & STATE, BORROWED | RESERVED).then_some(word | flag);",
        to: "matches!(word & STATE, BORROWED | RESERVED).then_some(word);",
        model: "retiring::a_closed_pool_has_nothing_idle_while_a_thread_borrows",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "putting back ignores the flag",
        file: "slot.rs",
        from: "self.slot.word.compare_exchange(BORROWED, IDLE, Ordering::SeqCst, Ordering::Relaxed)",
        to: "Ok::<u32, u32>(self.slot.word.swap(IDLE, Ordering::SeqCst))",
        model: "retiring::an_evicted_connection_is_closed_once_while_a_thread_borrows_it",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "a thread joins the queue of a closed pool",
        file: "handoff.rs",
        from: "        if state.closed {
            return (Joined::Closed, state);
        }",
        to: "",
        model: "retiring::no_thread_sleeps_in_a_closed_pool_while_a_connection_is_returned",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "closing tells no waiter",
        file: "handoff.rs",
        from: "        let waiters = state.leave_all();",
        to: "        let waiters = Vec::<SharedWaiter<T, E>>::new();",
        model: "retiring::no_thread_sleeps_in_a_closed_pool_while_a_connection_is_returned",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the second pass of resizing takes only borrowed connections",
        file: "slots.rs",
        from: "                slot.retire_surplus(|owned| retired.push(owned));",
        to: "                slot.mark_surplus();",
        model: "retiring::a_smaller_pool_closes_one_connection_while_a_thread_returns_one",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "a returning thread does not ask whether there are still too many",
        file: "state.rs",
        from: "        } else if self.surplus() > 0 {",
        to: "        } else if !flags.is_evicted() && !flags.has_expired() {",
        model: "retiring::a_smaller_pool_closes_one_connection_while_a_thread_returns_one",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "connections that are being closed count as surplus",
        file: "state.rs",
        from: "        (self.open - self.closing).saturating_sub(self.limits.max_size)",
        to: "        self.open.saturating_sub(self.limits.max_size)",
        model: "retiring::a_smaller_pool_closes_one_connection_while_a_thread_returns_one",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "a waiter gets a connection that is to be closed",
        file: "handoff.rs",
        from: "        if owned.is_marked_to_close() {",
        to: "        if false {",
        model: "retiring::an_evicted_connection_is_not_handed_off",
        complaint: "used before: the evicted one",
    },
    Mutation {
        name: "emptying a slot does not release",
        file: "slot.rs",
        from: "self.slot.word.fetch_and(SLOT_FLAGS, Ordering::Release)",
        to: "self.slot.word.fetch_and(SLOT_FLAGS, Ordering::Relaxed)",
        model: "retiring::a_slot_is_empty_before_the_next_connection_is_opened_in_it",
        complaint: RACE,
    },
    Mutation {
        name: "reserving is not an exchange",
        file: "slot.rs",
        from: "        self.exchange_if(|word| (word & STATE == IDLE).then(|| (word & !STALE) - IDLE + RESERVED))
            .map(|_| self.owned())",
        to: "        let is_idle = matches!(self.seen(), Seen::Idle { .. });
        is_idle.then(|| {
            self.word.store(RESERVED, Ordering::SeqCst);
            self.owned()
        })",
        model: "waiting::a_connection_is_reserved_or_borrowed_but_not_both",
        complaint: RACE,
    },
    Mutation {
        name: "putting back a reserved connection ignores the flag",
        file: "slot.rs",
        from: "(word & CLOSE_FLAGS == 0).then_some((word & !STATE) | IDLE)",
        to: "Some((word & !(STATE | RETIRE)) | IDLE)",
        model: "waiting::a_connection_that_is_evicted_while_reserved_is_closed",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "the search skips stale connections",
        file: "slots.rs",
        from: "matches!(slot.seen(), Seen::Idle { .. }));
        idle.map",
        to: "slot.seen() == Seen::Idle { stale: false });
        idle.map",
        model: "waiting::an_idle_connection_is_found_while_it_is_marked_stale",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a connection that becomes stale between two looks is not taken",
        file: "slot.rs",
        from: "            let is_free = word & (STATE | SUSPENDED) == IDLE;",
        to: "            let is_free = word & (STATE | SUSPENDED | STALE) == IDLE;",
        model: "waiting::an_idle_connection_is_found_while_it_is_marked_stale",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "marking as stale is not an exchange",
        file: "slot.rs",
        from: "        self.exchange_if(|word| (word & (STATE | STALE) == IDLE).then_some(word | STALE)).is_some()",
        to: "        let is_idle = self.word.load(Ordering::SeqCst) == IDLE;
        if is_idle {
            self.word.store(IDLE | STALE, Ordering::SeqCst);
        }
        is_idle",
        model: "waiting::a_connection_is_marked_stale_only_while_it_is_idle",
        complaint: RACE,
    },
    Mutation {
        name: "closing goes through the slots before it changes the state",
        file: "close.rs",
        from: "        let mut state = self.handoff.state.lock();
        state.closed = true;
        self.handoff.end_all_waits(state, || Wakeup::Closed);
        self.sharing.close();
        self.retry.notify_all();
        self.housekeeper.notify_all();
        let close = |owned: OwnedSlot<'_, M>| {
            self.close_in_background(owned, CloseReason::PoolClosed);
        };
        self.handoff.slots.retire_all(close);",
        to: "        let close = |owned: OwnedSlot<'_, M>| {
            self.close_in_background(owned, CloseReason::PoolClosed);
        };
        self.handoff.slots.retire_all(close);
        let mut state = self.handoff.state.lock();
        state.closed = true;
        self.handoff.end_all_waits(state, || Wakeup::Closed);
        self.sharing.close();
        self.retry.notify_all();
        self.housekeeper.notify_all();",
        model: "pool::a_connection_opened_while_the_pool_closes_is_closed",
        complaint: "`left == right` failed: open",
    },
    Mutation {
        name: "a dialer does not ask whether the pool was closed",
        file: "handoff.rs",
        from: "            Verdict::Close(reason) => return Err((owned, Some(reason))),",
        to: "            Verdict::Close(_) => {}",
        model: "pool::a_connection_opened_while_the_pool_closes_is_closed",
        complaint: "`left == right` failed: open",
    },
    Mutation {
        name: "freed capacity opens no other connection",
        file: "close.rs",
        from: "        let (closed, probing) = (state.closed, state.probing);
        self.meet_demand(state);",
        to: "        let (closed, probing) = (state.closed, state.probing);
        drop(state);",
        model: "pool::a_waiter_for_a_broken_connection_gets_another",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the last holder but one returns a shared connection",
        file: "share/table.rs",
        from: "entry.owned.holders() == 0;",
        to: "entry.owned.holders() <= 1;",
        model: "pool::a_shared_connection_is_used_alone_after_its_last_holder_has_left",
        complaint: "another thread still uses the connection",
    },
    Mutation {
        name: "no thread is told that a connection has become shared",
        file: "share/mod.rs",
        from: "        self.sharing.changed.notify_all(); // there is one to join",
        to: "        // there is one to join",
        model: "pool::a_thread_that_waits_to_share_is_told_when_another_one_gets_a_connection",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "no thread is told of the end of a transaction",
        file: "share/guard.rs",
        from: "        sharing.lock().end(self.conn.index());
        sharing.changed.notify_all();",
        to: "        sharing.lock().end(self.conn.index());",
        model: "pool::a_thread_that_waits_to_share_is_told_of_the_end_of_a_transaction",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "closing tells no thread that waits to share",
        file: "close.rs",
        from: "        self.sharing.close();",
        to: "",
        model: "pool::a_thread_that_waits_to_share_is_told_when_the_pool_is_closed",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a return clears the suspended flag",
        file: "slot.rs",
        from: "(word & CLOSE_FLAGS == 0).then_some((word & !STATE) | IDLE)",
        to: "(word & CLOSE_FLAGS == 0).then_some((word & !STATE & !SUSPENDED) | IDLE)",
        model: "liveness::a_suspended_pool_lends_nothing_while_a_thread_returns",
        complaint: "lent while suspended",
    },
    Mutation {
        name: "the slow path takes a suspended connection",
        file: "slot.rs",
        from: "            let is_free = word & (STATE | SUSPENDED) == IDLE;",
        to: "            let is_free = word & STATE == IDLE;",
        model: "liveness::a_suspended_pool_lends_nothing_while_a_thread_borrows",
        complaint: "lent while suspended",
    },
    Mutation {
        name: "resuming serves no waiter",
        file: "handoff.rs",
        from: "        while state.waiting() > 0
            && let",
        to: "        while false
            && let",
        model: "liveness::a_waiter_of_a_suspended_pool_is_served_on_resume",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "putting back ignores the end of the lifetime",
        file: "slot.rs",
        from: "(word & CLOSE_FLAGS == 0).then_some((word & !STATE) | IDLE)",
        to: "(word & CLOSE_FLAGS & !EXPIRED == 0).then_some((word & !STATE & !EXPIRED) | IDLE)",
        model: "liveness::an_expired_connection_is_closed_unless_it_was_idle_before_the_mark",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "postponing clears all flags",
        file: "slot.rs",
        from: "self.slot.word.fetch_and(!flags.bits(), Ordering::AcqRel)",
        to: "self.slot.word.fetch_and(!CLOSE_FLAGS, Ordering::AcqRel)",
        model: "liveness::a_connection_that_is_evicted_while_its_end_is_postponed_is_closed",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "a connection that the pool validates for a borrower stays borrowed",
        file: "slot.rs",
        from: "        let reserve = |word: u32| Some((word & !(STATE | STALE)) | RESERVED);",
        to: "        let reserve = |word: u32| Some((word & !(STATE | STALE)) | BORROWED);",
        model: "waiting::a_connection_that_was_just_validated_is_not_stale",
        complaint: "validated twice",
    },
    Mutation {
        name: "a return clears the stale flag",
        file: "slot.rs",
        from: "(word & CLOSE_FLAGS == 0).then_some((word & !STATE) | IDLE)",
        to: "(word & CLOSE_FLAGS == 0).then_some((word & SLOT_FLAGS) | IDLE)",
        model: "liveness::a_suspected_connection_is_checked_before_its_next_use_while_a_thread_returns_it",
        complaint: "no thread validates it",
    },
    Mutation {
        name: "the handoff does not say that the connection is stale",
        file: "slot.rs",
        from: "        was.is_ok_and(|was| was & STALE != 0)",
        to: "        was.is_ok_and(|_| false)",
        model: "liveness::a_waiter_is_told_that_its_connection_is_stale",
        complaint: "no thread validates it",
    },
    Mutation {
        name: "taking a watched connection is not an exchange",
        file: "slot.rs",
        from: "        self.exchange_if(|word| (word & !WATCHED == IDLE).then(|| word - IDLE + BORROWED))
            .map(|_| self.borrowed())",
        to: "        let word = self.word.load(Ordering::SeqCst);
        (word & !WATCHED == IDLE).then(|| {
            self.word.store(word - IDLE + BORROWED, Ordering::SeqCst);
            self.borrowed()
        })",
        model: "liveness::a_watched_connection_is_taken_by_one_thread_at_a_time",
        complaint: RACE,
    },
    Mutation {
        name: "a connection opened during an eviction is put to use",
        file: "state.rs",
        from: "flags.is_evicted() || origin.generation <= self.evicted",
        to: "flags.is_evicted()",
        model: "pool::a_connection_opened_during_an_eviction_is_not_kept",
        complaint: "an evicted connection is kept",
    },
    Mutation {
        name: "a dial that is called off still counts",
        file: "dialer.rs",
        from: "        } else {
            state.end_dial(ticket);
        }",
        to: "        }",
        model: "pool::a_borrower_that_comes_when_a_dial_is_called_off_is_served",
        complaint: "being opened",
    },
    Mutation {
        name: "replacing a connection clears all flags",
        file: "handoff.rs",
        from: "        owned.mark_as(state.verdict(owned.origin(), CloseFlags::NONE));",
        to: "        drop(state);
        owned.mark_as(Verdict::Keep);",
        model: "retiring::a_connection_that_is_replaced_while_the_pool_closes_is_closed",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "a replaced connection is marked after the lock",
        file: "handoff.rs",
        from: "        owned.mark_as(state.verdict(owned.origin(), CloseFlags::NONE));",
        to: "        let verdict = state.verdict(owned.origin(), CloseFlags::NONE);
        drop(state);
        owned.mark_as(verdict);",
        model: "retiring::a_connection_that_is_replaced_while_the_pool_closes_is_closed",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "the verdict ignores that the pool was closed",
        file: "state.rs",
        from: "        if self.closed {
            Verdict::Close(CloseReason::PoolClosed)
        } else if self.surplus() > 0 {",
        to: "        if self.surplus() > 0 {",
        model: "retiring::a_connection_that_is_replaced_while_the_pool_closes_is_closed",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "the verdict ignores that there are too many",
        file: "state.rs",
        from: "        } else if self.surplus() > 0 {
            Verdict::Close(CloseReason::Surplus)
        } else",
        to: "        } else",
        model: "retiring::a_connection_that_is_replaced_while_the_pool_shrinks_counts_as_surplus",
        complaint: "failed: idle connections",
    },
    Mutation {
        name: "the housekeeper is not told of a dial",
        file: "dialer.rs",
        from: "            self.wake_housekeeper_by(&mut state, overdue);",
        to: "            let _ = overdue;",
        model: "pool::a_hanging_dial_is_noticed_at_any_step_of_the_housekeeper",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the housekeeper is not told of a task",
        file: "background.rs",
        from: "        self.wake_housekeeper_by(&mut self.handoff.state.lock(), until);",
        to: "",
        model: "pool::a_hanging_close_is_noticed_at_any_step_of_the_housekeeper",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the housekeeper forgets what it is told during a round",
        file: "state.rs",
        from: "        self.wake_at = earlier(self.wake_at, due);",
        to: "        self.wake_at = due;",
        model: "pool::a_hanging_dial_is_noticed_at_any_step_of_the_housekeeper",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the housekeeper is told of a task before it is listed",
        file: "background.rs",
        from: "        let number = self.background.begin(right, is_check, until);
        // After it is listed: the housekeeper sees it there, or is told before it sleeps.
        self.wake_housekeeper_by(&mut self.handoff.state.lock(), until);
        number",
        to: "        self.wake_housekeeper_by(&mut self.handoff.state.lock(), until);
        self.background.begin(right, is_check, until)",
        model: "pool::a_hanging_close_is_noticed_at_any_step_of_the_housekeeper",
        complaint: DEADLOCK,
    },
];

#[test]
fn each_mutation_is_noticed() {
    let name_and_test = |mutation: &Mutation| (mutation.name, mutation.model);
    mutated::assert_each_is_noticed("mutated", MUTATIONS, name_and_test, try_out);
}

/// `Err` says why the mutation does not show what it should.
fn try_out(copy: &Copy, mutation: &Mutation) -> Result<(), String> {
    let Mutation { file, from, to, model, complaint, .. } = *mutation;
    let profile = PROFILE.iter().flat_map(|setting| ["--config", setting]);
    let selection: Vec<_> = ["--lib"].into_iter().chain(profile).collect();
    let test = format!("tests::models::{model}");
    let change = Change { file, from, to };
    copy.with(&change, || copy.fails(&selection, &test, "--cfg loom", complaint))
}
