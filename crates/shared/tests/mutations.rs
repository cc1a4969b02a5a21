//! Shows that each model notices when what it protects is taken away: builds the crate once for
//! each of the mutations below, in a copy, and runs the model that is to fail. Only with
//! `--cfg loom`; `just loom` runs it after the models.
//!
//! A mutation that does not fit the source any more, does not compile, or goes unnoticed is an
//! error, as is a model that fails for another reason than the one given here.
#![cfg(loom)]

mod mutated;

use mutated::{Change, Copy};

/// One weakening of the product's code.
struct Mutation {
    name: &'static str,
    /// In `src`.
    file: &'static str,
    /// What is there, once.
    from: &'static str,
    /// What is put in its place.
    to: &'static str,
    /// The model that is to fail.
    model: &'static str,
    /// What it is to fail with.
    complaint: &'static str,
}

/// Loom fast, the crate quick to compile; as in the recipe, so that loom is compiled once.
const PROFILE: [&str; 2] = ["profile.dev.package.\"*\".opt-level=3", "profile.dev.debug=false"];

/// Somebody is never woken.
const DEADLOCK: &str = "deadlock; threads =";
/// Two accesses to a connection that nothing puts in order.
const RACE: &str = "Causality violation";

const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "no second look after putting back",
        file: "handoff.rs",
        from: "if self.announced.waiting.load(Ordering::SeqCst) != 0 {",
        to: "if false {",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the second look comes before putting back",
        file: "handoff.rs",
        from: "        owned.put_back()?;
        model_fence();
        // SeqCst: with the exchange above, pairs with `announce` and the look that follows it.
        if self.announced.waiting.load(Ordering::SeqCst) != 0 {",
        to: "        let waiting = self.announced.waiting.load(Ordering::SeqCst);
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
        name: "the announcement is not in the common order",
        file: "handoff.rs",
        from: "        self.announced.waiting.store(line.waiting(), Ordering::SeqCst);
        model_fence();",
        to: "        self.announced.waiting.store(line.waiting(), Ordering::SeqCst);",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter announces itself after looking",
        file: "handoff.rs",
        from: "        self.announce(&line);
        let Some((owned, stale)) = self.slots.take_any(home, stale_too) else {
            return (Joined::Waiting(ticket), line);
        };",
        to: "        let Some((owned, stale)) = self.slots.take_any(home, stale_too) else {
            self.announce(&line);
            return (Joined::Waiting(ticket), line);
        };",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter does not announce itself",
        file: "handoff.rs",
        from: "        self.announce(&line);
        let Some((owned, stale)) = self.slots.take_any(home, stale_too) else {
            return (Joined::Waiting(ticket), line);",
        to: "        let Some((owned, stale)) = self.slots.take_any(home, stale_too) else {
            return (Joined::Waiting(ticket), line);",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_reserved_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter is woken before its message is posted",
        file: "handoff.rs",
        from: "        waiter.post(Mail::Connection(owned.hand_over(), stale));",
        to: "        waiter.wake();
        waiter.post(Mail::Connection(owned.hand_over(), stale));
        let waiter = SharedWaiter::new(crate::waiter::Waiter::new());",
        model: "waiting::a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "nobody is told of what becomes idle under the lock",
        file: "handoff.rs",
        from: "        owned.put_back()?; // nobody can join the line meanwhile
        self.tell_to_look(line);",
        to: "        owned.put_back()?; // nobody can join the line meanwhile
        drop(line);",
        model: "waiting::one_connection_serves_two_waiters_after_each_other",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "an opened connection becomes idle after the lock",
        file: "handoff.rs",
        from: "        owned.put_back() // under the lock",
        to: "        drop(line);
        owned.put_back() // under the lock",
        model: "waiting::a_waiter_that_joins_while_a_connection_is_opened_gets_it",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "taking is no exchange",
        file: "slot.rs",
        from: "        self.state
            .compare_exchange(IDLE, BORROWED, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
            .then(|| self.lent())",
        to: "        let is_idle = self.state.load(Ordering::SeqCst) == IDLE;
        is_idle.then(|| {
            self.state.store(BORROWED, Ordering::SeqCst);
            self.lent()
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
        from: "self.slot.state.compare_exchange(BORROWED, IDLE, Ordering::SeqCst, Ordering::Relaxed)",
        to: "self.slot.state.compare_exchange(BORROWED, IDLE, Ordering::Relaxed, Ordering::Relaxed)",
        model: "waiting::an_idle_connection_is_taken_by_one_thread_at_a_time",
        complaint: RACE,
    },
    Mutation {
        name: "a waiter that is served stays in the line",
        file: "state.rs",
        from: "        let (ticket, entry) = self.waiters.pop()?;
        self.forget_look(ticket);
        Some(entry.waiter)",
        to: "        self.waiters.head().map(|entry| Arc::clone(&entry.waiter))",
        model: "waiting::two_connections_put_back_at_once_reach_one_waiter_once",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "what is handed over is idle in between",
        file: "handoff.rs",
        from: "        if self.is_due(&line, now) {
            self.hand(line, owned);
            return Ok(());
        }
        owned.put_back()?;",
        to: "        let slot = owned.slot();
        owned.put_back()?;
        if self.is_due(&line, now)
            && let Some(owned) = slot.take_for_waiter()
        {
            self.hand(line, owned);
            return Ok(());
        }",
        model: "waiting::what_a_waiter_is_due_cannot_be_taken_by_who_comes_by",
        complaint: "taken from under the waiter",
    },
    Mutation {
        name: "a waiter gives up though it has been served",
        file: "handoff.rs",
        from: "        let left = line.leave(ticket);",
        to: "        let left = line.leave(ticket) || true;",
        model: "waiting::a_connection_is_not_lost_with_a_waiter_that_gives_up",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "a waiter that leaves stays the one on the way to look",
        file: "state.rs",
        from: "        self.forget_look(ticket);
        self.waiters.remove(ticket).is_some()",
        to: "        self.waiters.remove(ticket).is_some()",
        model: "waiting::what_a_waiter_gives_up_on_goes_to_the_next",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter that gives up does not pass the look on",
        file: "handoff.rs",
        from: "        let left = line.leave(ticket);
        self.announce(&line);
        let next = self.pass_look_on(&mut line);",
        to: "        let left = line.leave(ticket);
        self.announce(&line);
        let next = None::<SharedWaiter<T, E>>;",
        model: "waiting::what_a_waiter_gives_up_on_goes_to_the_next",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter that looked in vain stays on the way",
        file: "handoff.rs",
        from: "        line.forget_look(ticket);
        if !line.contains(ticket) {",
        to: "        if !line.contains(ticket) {",
        model: "waiting::a_waiter_that_looked_in_vain_is_sent_again",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter that found something does not pass the look on",
        file: "handoff.rs",
        from: "        let Some((owned, stale)) = self.slots.take_any(home, true) else {
            return Looked::Nothing;
        };
        line.leave(ticket);
        self.announce(&line);
        let next = self.pass_look_on(&mut line);",
        to: "        let Some((owned, stale)) = self.slots.take_any(home, true) else {
            return Looked::Nothing;
        };
        line.leave(ticket);
        self.announce(&line);
        let next = None::<SharedWaiter<T, E>>;",
        model: "waiting::two_idle_connections_reach_two_waiters",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a waiter that is served stays the one on the way to look",
        file: "state.rs",
        from: "        let (ticket, entry) = self.waiters.pop()?;
        self.forget_look(ticket);",
        to: "        let (_, entry) = self.waiters.pop()?;",
        model: "waiting::what_a_waiter_need_not_look_at_any_more_goes_to_the_next",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a hand-over does not pass the look on",
        file: "handoff.rs",
        from: "        // It may have been on the way to look at something that is idle still.
        let next = self.pass_look_on(&mut line);",
        to: "        let next = None::<SharedWaiter<T, E>>;",
        model: "waiting::what_a_waiter_need_not_look_at_any_more_goes_to_the_next",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "closing leaves what is borrowed unmarked",
        file: "slot.rs",
        from: "matches!(state & STATE, BORROWED | RESERVED).then_some(state | mark);",
        to: "matches!(state & STATE, BORROWED | RESERVED).then_some(state);",
        model: "retiring::a_closed_pool_has_nothing_idle_whoever_borrows_meanwhile",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "putting back overlooks the mark",
        file: "slot.rs",
        from: "self.slot.state.compare_exchange(BORROWED, IDLE, Ordering::SeqCst, Ordering::Relaxed)",
        to: "Ok::<u32, u32>(self.slot.state.swap(IDLE, Ordering::SeqCst))",
        model: "retiring::an_evicted_connection_is_closed_once_whoever_borrows_it_meanwhile",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "a thread joins the line of a closed pool",
        file: "handoff.rs",
        from: "        if line.closed {
            return (Joined::Closed, line);
        }",
        to: "",
        model: "retiring::nobody_sleeps_in_a_closed_pool_whatever_comes_back_meanwhile",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "closing tells nobody",
        file: "handoff.rs",
        from: "        let waiters = line.leave_all();",
        to: "        let waiters = Vec::<SharedWaiter<T, E>>::new();",
        model: "retiring::nobody_sleeps_in_a_closed_pool_whatever_comes_back_meanwhile",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "resizing looks for borrowed ones only, the second time",
        file: "slots.rs",
        from: "                slot.retire_surplus(|owned| retired.push(owned));",
        to: "                slot.mark_surplus();",
        model: "retiring::a_smaller_pool_loses_one_connection_whoever_returns_one_meanwhile",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "who comes back is not asked whether there are still too many",
        file: "state.rs",
        from: "        } else if self.surplus() > 0 {",
        to: "        } else if !marks.is_evicted() && !marks.has_expired() {",
        model: "retiring::a_smaller_pool_loses_one_connection_whoever_returns_one_meanwhile",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "what is being closed counts among what is too many",
        file: "state.rs",
        from: "        (self.open - self.closing).saturating_sub(self.limits.max_size)",
        to: "        self.open.saturating_sub(self.limits.max_size)",
        model: "retiring::a_smaller_pool_loses_one_connection_whoever_returns_one_meanwhile",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "a waiter is handed what was to be closed",
        file: "handoff.rs",
        from: "        if owned.is_retired() {",
        to: "        if false {",
        model: "retiring::an_evicted_connection_is_not_handed_on",
        complaint: "used before: the evicted one",
    },
    Mutation {
        name: "emptying a slot does not release",
        file: "slot.rs",
        from: "self.slot.state.fetch_and(OF_SLOT, Ordering::Release)",
        to: "self.slot.state.fetch_and(OF_SLOT, Ordering::Relaxed)",
        model: "retiring::a_slot_is_empty_before_the_next_connection_is_opened_in_it",
        complaint: RACE,
    },
    Mutation {
        name: "reserving is no exchange",
        file: "slot.rs",
        from: "        self.exchange_if(|state| {
            (state & STATE == IDLE).then(|| (state & !STALE) - IDLE + RESERVED)
        })
        .map(|_| self.owned())",
        to: "        let is_idle = matches!(self.seen(), Seen::Idle { .. });
        is_idle.then(|| {
            self.state.store(RESERVED, Ordering::SeqCst);
            self.owned()
        })",
        model: "waiting::a_connection_is_reserved_or_borrowed_but_not_both",
        complaint: RACE,
    },
    Mutation {
        name: "putting back what was reserved overlooks the mark",
        file: "slot.rs",
        from: "(state & UNWANTED == 0).then_some((state & !STATE) | IDLE)",
        to: "Some((state & !(STATE | RETIRE)) | IDLE)",
        model: "waiting::a_connection_that_is_evicted_while_reserved_is_closed",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "stale ones are not looked at",
        file: "slots.rs",
        from: "matches!(slot.seen(), Seen::Idle { .. }));
        idle.map",
        to: "slot.seen() == Seen::Idle { stale: false });
        idle.map",
        model: "waiting::an_idle_connection_is_not_overlooked_while_it_is_marked_stale",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "one that is marked stale between two looks is not taken",
        file: "slot.rs",
        from: "            let is_free = state & (STATE | SUSPENDED) == IDLE;",
        to: "            let is_free = state & (STATE | SUSPENDED | STALE) == IDLE;",
        model: "waiting::an_idle_connection_is_not_overlooked_while_it_is_marked_stale",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the stale mark is no exchange",
        file: "slot.rs",
        from: "        self.exchange_if(|state| (state & (STATE | STALE) == IDLE).then_some(state | STALE))
            .is_some()",
        to: "        let is_idle = self.state.load(Ordering::SeqCst) == IDLE;
        if is_idle {
            self.state.store(IDLE | STALE, Ordering::SeqCst);
        }
        is_idle",
        model: "waiting::a_connection_is_marked_stale_while_it_is_idle_only",
        complaint: RACE,
    },
    Mutation {
        name: "closing sweeps the slots before it closes the line",
        file: "close.rs",
        from: "        let mut line = self.exchange.line.lock();
        line.closed = true;
        self.exchange.dismiss_all(line, || Mail::Closed);
        self.sharing.close();
        self.retry.notify_all();
        self.chore.notify_all();
        let close = |owned: OwnedSlot<'_, M>| self.give_up(owned, CloseReason::PoolClosed);
        self.exchange.slots.retire_all(close);",
        to: "        let close = |owned: OwnedSlot<'_, M>| self.give_up(owned, CloseReason::PoolClosed);
        self.exchange.slots.retire_all(close);
        let mut line = self.exchange.line.lock();
        line.closed = true;
        self.exchange.dismiss_all(line, || Mail::Closed);
        self.sharing.close();
        self.retry.notify_all();
        self.chore.notify_all();",
        model: "pool::what_is_opened_while_the_pool_closes_is_closed",
        complaint: "`left == right` failed: open",
    },
    Mutation {
        name: "a dialler does not ask whether the pool was closed",
        file: "handoff.rs",
        from: "            Verdict::Close(reason) => return Err((owned, Some(reason))),",
        to: "            Verdict::Close(_) => {}",
        model: "pool::what_is_opened_while_the_pool_closes_is_closed",
        complaint: "`left == right` failed: open",
    },
    Mutation {
        name: "a connection less is no reason to open another",
        file: "pool.rs",
        from: "        let (closed, probing) = (line.closed, line.probing);
        self.meet_demand(line);",
        to: "        let (closed, probing) = (line.closed, line.probing);
        drop(line);",
        model: "pool::who_waits_for_a_connection_that_is_broken_gets_another",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a shared connection is given back by the last but one",
        file: "share/table.rs",
        from: "entry.lent.holders() == 0;",
        to: "entry.lent.holders() <= 1;",
        model: "pool::what_several_share_is_used_alone_when_the_last_has_left",
        complaint: "somebody still uses the connection",
    },
    Mutation {
        name: "nobody is told that a connection is shared now",
        file: "share/mod.rs",
        from: "        self.sharing.changed.notify_all(); // there is one to join",
        to: "        // there is one to join",
        model: "pool::who_wants_to_share_is_told_when_another_has_got_a_connection",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "nobody is told of the end of a transaction",
        file: "share/mod.rs",
        from: "        sharing.lock().end(self.conn.share().index());
        sharing.changed.notify_all();",
        to: "        sharing.lock().end(self.conn.share().index());",
        model: "pool::who_waits_to_share_is_told_of_the_end_of_a_transaction",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "closing tells nobody who waits to share",
        file: "close.rs",
        from: "        self.sharing.close();",
        to: "",
        model: "pool::who_waits_to_share_is_told_when_the_pool_is_closed",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "a return takes the mark of suspension away",
        file: "slot.rs",
        from: "(state & UNWANTED == 0).then_some((state & !STATE) | IDLE)",
        to: "(state & UNWANTED == 0).then_some((state & !STATE & !SUSPENDED) | IDLE)",
        model: "liveness::a_suspended_pool_lends_nothing_whoever_returns_meanwhile",
        complaint: "lent while suspended",
    },
    Mutation {
        name: "what is suspended is taken on the slow path",
        file: "slot.rs",
        from: "            let is_free = state & (STATE | SUSPENDED) == IDLE;",
        to: "            let is_free = state & STATE == IDLE;",
        model: "liveness::a_suspended_pool_lends_nothing_whoever_borrows_meanwhile",
        complaint: "lent while suspended",
    },
    Mutation {
        name: "going on serves nobody",
        file: "handoff.rs",
        from: "        while line.waiting() > 0
            && let",
        to: "        while false
            && let",
        model: "liveness::who_joins_a_suspended_pool_is_served_when_it_goes_on",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "putting back overlooks that time is up",
        file: "slot.rs",
        from: "(state & UNWANTED == 0).then_some((state & !STATE) | IDLE)",
        to: "(state & UNWANTED & !EXPIRED == 0).then_some((state & !STATE & !EXPIRED) | IDLE)",
        model: "liveness::a_connection_whose_time_is_up_is_closed_or_was_idle_before",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "putting off takes all marks",
        file: "slot.rs",
        from: "self.slot.state.fetch_and(!marks.0, Ordering::AcqRel)",
        to: "self.slot.state.fetch_and(!UNWANTED, Ordering::AcqRel)",
        model: "liveness::a_connection_that_is_evicted_while_its_end_is_put_off_is_closed",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "a return takes the suspicion away",
        file: "slot.rs",
        from: "(state & UNWANTED == 0).then_some((state & !STATE) | IDLE)",
        to: "(state & UNWANTED == 0).then_some((state & OF_SLOT) | IDLE)",
        model: "liveness::a_suspected_connection_is_checked_before_its_next_use_whoever_returns_it_meanwhile",
        complaint: "nobody asks the server",
    },
    Mutation {
        name: "who hands over does not say that it is stale",
        file: "slot.rs",
        from: "        was.is_ok_and(|was| was & STALE != 0)",
        to: "        was.is_ok_and(|_| false)",
        model: "liveness::a_waiter_is_told_that_what_it_is_handed_is_stale",
        complaint: "nobody asks the server",
    },
    Mutation {
        name: "taking what is watched is no exchange",
        file: "slot.rs",
        from: "        self.exchange_if(|state| (state & !WATCHED == IDLE).then(|| state - IDLE + BORROWED))
            .map(|_| self.lent())",
        to: "        let state = self.state.load(Ordering::SeqCst);
        (state & !WATCHED == IDLE).then(|| {
            self.state.store(state - IDLE + BORROWED, Ordering::SeqCst);
            self.lent()
        })",
        model: "liveness::a_watched_connection_is_taken_by_one_thread_at_a_time",
        complaint: RACE,
    },
    Mutation {
        name: "a dial that was under way at an eviction is put to use",
        file: "state.rs",
        from: "marks.is_evicted() || generation <= self.evicted",
        to: "marks.is_evicted()",
        model: "pool::what_was_being_opened_while_the_pool_was_evicted_is_not_kept",
        complaint: "an evicted connection is kept",
    },
    Mutation {
        name: "a dial that is called off counts still",
        file: "dialer.rs",
        from: "        } else {
            line.end_dial(ticket);
        }",
        to: "        }",
        model: "pool::who_comes_when_a_dial_is_called_off_is_served",
        complaint: "being opened",
    },
    Mutation {
        name: "replacing a connection takes all marks away",
        file: "handoff.rs",
        from: "        owned.mark_as(line.verdict(owned.generation(), Marks::NONE));",
        to: "        drop(line);
        owned.mark_as(Verdict::Keep);",
        model: "retiring::a_connection_that_is_replaced_while_the_pool_closes_is_closed",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "a replaced connection is marked after the lock",
        file: "handoff.rs",
        from: "        owned.mark_as(line.verdict(owned.generation(), Marks::NONE));",
        to: "        let verdict = line.verdict(owned.generation(), Marks::NONE);
        drop(line);
        owned.mark_as(verdict);",
        model: "retiring::a_connection_that_is_replaced_while_the_pool_closes_is_closed",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "the verdict overlooks that the pool was closed",
        file: "state.rs",
        from: "        if self.closed {
            Verdict::Close(CloseReason::PoolClosed)
        } else if self.surplus() > 0 {",
        to: "        if self.surplus() > 0 {",
        model: "retiring::a_connection_that_is_replaced_while_the_pool_closes_is_closed",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "the verdict overlooks that there are too many",
        file: "state.rs",
        from: "        } else if self.surplus() > 0 {
            Verdict::Close(CloseReason::Surplus)
        } else",
        to: "        } else",
        model: "retiring::a_connection_that_is_replaced_while_the_pool_shrinks_is_one_of_those_too_many",
        complaint: "connections that anybody may take",
    },
    Mutation {
        name: "the housekeeper is not told of a dial",
        file: "dialer.rs",
        from: "            self.tell_housekeeper(&mut line, overdue);",
        to: "            let _ = overdue;",
        model: "pool::a_dial_that_hangs_is_noticed_whatever_the_housekeeper_is_doing_when_it_begins",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the housekeeper is not told of a job",
        file: "background.rs",
        from: "        self.tell_housekeeper(&mut self.exchange.line.lock(), until);",
        to: "",
        model: "pool::a_close_that_hangs_is_noticed_whatever_the_housekeeper_is_doing_when_it_begins",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the housekeeper forgets what it is told while it looks",
        file: "state.rs",
        from: "        self.wake_at = earlier(self.wake_at, due);",
        to: "        self.wake_at = due;",
        model: "pool::a_dial_that_hangs_is_noticed_whatever_the_housekeeper_is_doing_when_it_begins",
        complaint: DEADLOCK,
    },
    Mutation {
        name: "the housekeeper is told of a job before that is listed",
        file: "background.rs",
        from: "        let number = self.workshop.begin(right, is_check, until);
        // After it is listed: the housekeeper sees it there, or hears of it before it sleeps.
        self.tell_housekeeper(&mut self.exchange.line.lock(), until);
        number",
        to: "        self.tell_housekeeper(&mut self.exchange.line.lock(), until);
        self.workshop.begin(right, is_check, until)",
        model: "pool::a_close_that_hangs_is_noticed_whatever_the_housekeeper_is_doing_when_it_begins",
        complaint: DEADLOCK,
    },
];

#[test]
fn each_mutation_is_noticed() {
    let name_and_test = |mutation: &Mutation| (mutation.name, mutation.model);
    mutated::assert_each_is_noticed("mutated", MUTATIONS, name_and_test, try_out);
}

/// `Err` says why the mutation does not show what it is to show.
fn try_out(copy: &Copy, mutation: &Mutation) -> Result<(), String> {
    let Mutation { file, from, to, model, complaint, .. } = *mutation;
    let profile = PROFILE.iter().flat_map(|setting| ["--config", setting]);
    let selection: Vec<_> = ["--lib"].into_iter().chain(profile).collect();
    let test = format!("tests::models::{model}");
    let change = Change { file, from, to };
    copy.with(&change, || copy.fails(&selection, &test, "--cfg loom", complaint))
}
