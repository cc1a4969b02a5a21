//! What the pool's one lock protects: who waits, in which order, and how many connections there
//! are. Plain data, pure methods, no I/O, no clock.
//!
//! Always holds: `open + connecting() <= max_size`, or as much more as a lowered limit has still to
//! get rid of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_core::{CloseReason, ConnectError};

use crate::slot::Marks;
use crate::waiter::Waiter;

/// The limits that decide whether to open a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_size: usize,
    pub(crate) min_idle: usize,
    pub(crate) max_waiters: Option<usize>,
    pub(crate) connect_concurrency: usize,
}

pub(crate) struct Line<T, E> {
    pub(crate) limits: Limits,
    waiters: Queue<Entry<T, E>>,
    /// The waiter that was told to go and see, and has not come back: one at a time, so that a
    /// connection that is taken and put back often does not wake a crowd in vain.
    looking: Option<Ticket>,
    /// Connections that exist, wherever they are.
    pub(crate) open: usize,
    /// Those of them that are being closed, or about to be.
    pub(crate) closing: usize,
    /// Connections that a dialer has the right to open, and is opening or about to.
    dials: Vec<Dial>,
    dials_begun: u64,
    /// How many dials may be under way at once: one after a failure, then twice as many after each
    /// success, so that a server that has just come back is not run down.
    ramp: usize,
    /// Threads of the pool that are alive.
    pub(crate) threads: usize,
    /// The last attempt failed, and one dialer waits for the time to try again: no other tries.
    pub(crate) probing: bool,
    /// Why the last attempt failed, if the latest one did. Changed by
    /// [`replace_error`](Self::replace_error) only.
    last_error: Option<ConnectError<E>>,
    /// That will not change by itself: nothing is opened in advance until the housekeeper says so.
    pub(crate) is_hopeless: bool,
    /// The generation of the connections that are opened now.
    pub(crate) generation: u64,
    /// Connections of this generation and earlier ones are not wanted any more.
    pub(crate) evicted: u64,
    /// Of this generation and earlier ones, a connection was found dead.
    pub(crate) suspected: u64,
    /// When the housekeeper looks again: what it sleeps until, or, while it looks, what it was told
    /// of meanwhile.
    wake_at: Option<Instant>,
    pub(crate) suspended: bool,
    pub(crate) closed: bool,
}

/// What the pool wants of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be lent.
    Keep,
    /// It may be lent once the server has answered.
    Ask,
    Close(CloseReason),
}

/// The right to open a connection.
struct Dial {
    number: u64,
    /// When it began; `None` until then.
    since: Option<Instant>,
    /// It takes so long that others need not wait for it.
    overdue: bool,
    /// It is for a thread that went without, and not only for those that wait.
    unasked: bool,
}

/// What a dialer holds that has the right to open a connection; it has to be given back to
/// [`Line::end_dial`].
#[derive(Clone, Copy, Debug)]
#[must_use = "the right to open a connection has to be given back"]
pub(crate) struct DialTicket {
    pub(crate) number: u64,
}

/// A place in the line.
struct Entry<T, E> {
    waiter: Arc<Waiter<T, E>>,
    since: Instant,
}

pub(crate) type SharedWaiter<T, E> = Arc<Waiter<T, E>>;

/// Where a thread joins the line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has waited already, and what it was given turned out to be dead.
    Front,
    Back,
}

impl<T, E> Line<T, E> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            waiters: Queue::new(),
            looking: None,
            open: 0,
            closing: 0,
            dials: Vec::new(),
            dials_begun: 0,
            ramp: usize::MAX,
            threads: 0,
            probing: false,
            last_error: None,
            is_hopeless: false,
            generation: 1,
            evicted: 0,
            suspected: 0,
            wake_at: None,
            suspended: false,
            closed: false,
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len
    }

    /// Whether one more thread may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.limits.max_waiters.is_none_or(|max| self.waiters.len < max)
    }

    pub(crate) fn join(
        &mut self,
        waiter: &SharedWaiter<T, E>,
        since: Instant,
        place: Place,
    ) -> Ticket {
        self.waiters.insert(Entry { waiter: Arc::clone(waiter), since }, place)
    }

    /// Since when the one has waited who has waited longest.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.waiters.head().map(|entry| entry.since)
    }

    /// Takes out of the line who has waited longest.
    pub(crate) fn pop(&mut self) -> Option<SharedWaiter<T, E>> {
        let (ticket, entry) = self.waiters.pop()?;
        self.forget_look(ticket);
        Some(entry.waiter)
    }

    /// Takes a waiter that gives up, or has found something, out of the line; `false` if somebody
    /// else has done so, and has left it a message.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> bool {
        self.forget_look(ticket);
        self.waiters.remove(ticket).is_some()
    }

    pub(crate) fn contains(&self, ticket: Ticket) -> bool {
        self.waiters.contains(ticket)
    }

    /// Empties the line.
    pub(crate) fn leave_all(&mut self) -> Vec<SharedWaiter<T, E>> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Whom to tell to go and see, unless somebody is on the way.
    pub(crate) fn send_to_look(&mut self) -> Option<SharedWaiter<T, E>> {
        if self.looking.is_some() {
            return None;
        }
        self.looking = self.waiters.head_ticket();
        self.waiters.head().map(|entry| Arc::clone(&entry.waiter))
    }

    /// The waiter has seen and found nothing, or does not look any more.
    pub(crate) fn forget_look(&mut self, ticket: Ticket) {
        if self.looking == Some(ticket) {
            self.looking = None;
        }
    }

    pub(crate) fn is_looking(&self) -> bool {
        self.looking.is_some()
    }

    /// Who waits, in order.
    pub(crate) fn waiters(&self) -> impl Iterator<Item = &Waiter<T, E>> {
        self.waiters.iter().map(|entry| &*entry.waiter)
    }

    /// What the pool wants of a connection that counts as open: the one place that decides it, for
    /// those that were opened, those that were replaced and those that come back. `marks` are what
    /// was found against it.
    pub(crate) fn verdict(&self, generation: u64, marks: Marks) -> Verdict {
        if self.closed {
            Verdict::Close(CloseReason::PoolClosed)
        } else if self.surplus() > 0 {
            Verdict::Close(CloseReason::Surplus)
        } else if marks.is_evicted() || generation <= self.evicted {
            Verdict::Close(CloseReason::Evicted)
        } else if marks.has_expired() {
            Verdict::Close(CloseReason::MaxLifetime)
        } else if generation <= self.suspected {
            Verdict::Ask
        } else {
            Verdict::Keep
        }
    }

    /// Why the last attempt to connect failed, if the latest one did.
    pub(crate) fn last_error(&self) -> Option<&ConnectError<E>> {
        self.last_error.as_ref()
    }

    /// Notes how the latest attempt to connect ended. The caller drops what comes back once it has
    /// let go of the lock: an error is the manager's, and so is what its destructor does.
    #[must_use = "the error is dropped without the lock"]
    pub(crate) fn replace_error(
        &mut self,
        error: Option<ConnectError<E>>,
    ) -> Option<ConnectError<E>> {
        std::mem::replace(&mut self.last_error, error)
    }

    /// The housekeeper begins to look: what it is told from now on, it may not see.
    pub(crate) fn begin_look(&mut self) {
        self.wake_at = None;
    }

    /// The housekeeper has something to see to at `moment`. Whether it has to be woken for that.
    #[must_use = "the housekeeper may sleep for longer"]
    pub(crate) fn look_by(&mut self, moment: Option<Instant>) -> bool {
        let is_earlier =
            moment.is_some_and(|moment| self.wake_at.is_none_or(|wake_at| moment < wake_at));
        if is_earlier {
            self.wake_at = moment;
        }
        is_earlier
    }

    /// The housekeeper has looked, and goes to sleep under this lock: until when. `due` is what it
    /// found itself.
    pub(crate) fn sleep_until(&mut self, due: Option<Instant>) -> Option<Instant> {
        self.wake_at = earlier(self.wake_at, due);
        self.wake_at
    }

    /// Whether a connection may come back: one is open, and not being closed.
    pub(crate) fn may_come_back(&self) -> bool {
        self.open > self.closing
    }

    /// How many are too many, besides those that are being closed.
    pub(crate) fn surplus(&self) -> usize {
        (self.open - self.closing).saturating_sub(self.limits.max_size)
    }

    /// Connections that are being opened, or about to be.
    pub(crate) fn connecting(&self) -> usize {
        self.dials.len()
    }

    /// The same without those that take suspiciously long.
    pub(crate) fn connecting_in_time(&self) -> usize {
        self.dials.iter().filter(|dial| !dial.overdue).count()
    }

    /// How many connections are wanted.
    fn wanted(&self, idle: impl FnOnce() -> usize) -> usize {
        let missing = match self.limits.min_idle {
            0 => 0,
            _ if self.is_hopeless => 0,
            min_idle => min_idle.saturating_sub(idle()),
        };
        self.waiters.len + missing
    }

    /// Reserves the right to open a connection if one is wanted and allowed.
    pub(crate) fn reserve_dial(&mut self, idle: impl FnOnce() -> usize) -> Option<DialTicket> {
        if self.wanted(idle) <= self.connecting_in_time() {
            return None;
        }
        self.reserve_if_allowed(false)
    }

    /// Reserves the right to open a connection if one is allowed.
    pub(crate) fn reserve_unwanted_dial(&mut self) -> Option<DialTicket> {
        self.reserve_if_allowed(true)
    }

    /// Reserves the right to open a connection for a thread that the line had no room for, unless one
    /// more is being opened than threads wait for.
    pub(crate) fn reserve_dial_for_refused(&mut self) -> Option<DialTicket> {
        if self.connecting_in_time() > self.waiting() {
            return None;
        }
        self.reserve_unwanted_dial()
    }

    /// The same for a thread whose time is up, unless one is being opened: a thread with a short
    /// deadline would otherwise never have one opened, however often it comes.
    pub(crate) fn reserve_dial_after_timeout(&mut self) -> Option<DialTicket> {
        if let Some(dial) = self.dials.iter_mut().find(|dial| !dial.overdue) {
            dial.unasked = true; // it is not called off
            return None;
        }
        self.reserve_unwanted_dial()
    }

    fn reserve_if_allowed(&mut self, unasked: bool) -> Option<DialTicket> {
        let limits = self.limits;
        let allowed = !self.closed
            && !self.suspended
            && !self.probing
            && self.connecting_in_time() < limits.connect_concurrency.min(self.ramp)
            && self.open + self.connecting() < limits.max_size;
        allowed.then(|| {
            self.dials_begun += 1;
            let number = self.dials_begun;
            self.dials.push(Dial { number, since: None, overdue: false, unasked });
            DialTicket { number }
        })
    }

    /// Whether a dial that was reserved is still called for: since then a connection may have come
    /// back, everybody have given up, or the limit been lowered.
    pub(crate) fn begin_dial(
        &mut self,
        ticket: DialTicket,
        now: Instant,
        idle: impl FnOnce() -> usize,
    ) -> bool {
        let unasked = self.dial(ticket).is_some_and(|dial| dial.unasked);
        let is_wanted = unasked || self.wanted(idle) >= self.connecting_in_time();
        let is_allowed = self.open + self.connecting() <= self.limits.max_size;
        let begins = is_wanted && is_allowed && !self.closed && !self.suspended;
        if begins && let Some(dial) = self.dial(ticket) {
            dial.since = Some(now);
        }
        begins
    }

    /// The dial has succeeded, failed or been called off.
    pub(crate) fn end_dial(&mut self, ticket: DialTicket) {
        self.dials.retain(|dial| dial.number != ticket.number);
    }

    /// More dials may be under way at once, after a success.
    pub(crate) fn speed_up(&mut self) {
        self.ramp = self.ramp.saturating_mul(2);
    }

    /// One dial at a time, after a failure.
    pub(crate) fn slow_down(&mut self) {
        self.ramp = 1;
    }

    /// Marks the dials that have taken longer than `patience`: others need not wait for them. The
    /// moment at which to look again.
    pub(crate) fn mark_overdue(&mut self, patience: Duration, now: Instant) -> Option<Instant> {
        let mut next = None;
        for dial in self.dials.iter_mut().filter(|dial| !dial.overdue) {
            let Some(end) = dial.since.and_then(|since| since.checked_add(patience)) else {
                continue;
            };
            dial.overdue = end <= now;
            if dial.overdue {
                self.ramp = 1; // it may be the server that is slow: no more than one at a time
            } else {
                next = earlier(next, Some(end));
            }
        }
        next
    }

    fn dial(&mut self, ticket: DialTicket) -> Option<&mut Dial> {
        self.dials.iter_mut().find(|dial| dial.number == ticket.number)
    }
}

/// The earlier of two moments, where `None` is never.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// The right to leave the queue from wherever in it one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    node: usize,
    /// Nodes are used again; tickets are not.
    number: u64,
}

/// A queue that can be left from anywhere in constant time: a doubly linked list in a vector.
struct Queue<V> {
    nodes: Vec<Node<V>>,
    free: Option<usize>,
    head: Option<usize>,
    tail: Option<usize>,
    len: usize,
    issued: u64,
}

struct Node<V> {
    number: u64,
    value: Option<V>, // `None` while the node is free
    previous: Option<usize>,
    next: Option<usize>, // the next free one, while the node is free
}

impl<V> Queue<V> {
    fn new() -> Self {
        Self { nodes: Vec::new(), free: None, head: None, tail: None, len: 0, issued: 0 }
    }

    fn head(&self) -> Option<&V> {
        self.head.and_then(|node| self.nodes[node].value.as_ref())
    }

    fn head_ticket(&self) -> Option<Ticket> {
        self.head.map(|node| Ticket { node, number: self.nodes[node].number })
    }

    fn iter(&self) -> impl Iterator<Item = &V> {
        let following = |node: &usize| self.nodes[*node].next;
        let nodes = std::iter::successors(self.head, following);
        nodes.filter_map(|node| self.nodes[node].value.as_ref())
    }

    fn insert(&mut self, value: V, place: Place) -> Ticket {
        self.issued += 1;
        let number = self.issued;
        let (previous, next) = match place {
            Place::Front => (None, self.head),
            Place::Back => (self.tail, None),
        };
        let new = Node { number, value: Some(value), previous, next };
        let node = match self.free {
            Some(node) => {
                self.free = self.nodes[node].next;
                self.nodes[node] = new;
                node
            }
            None => {
                self.nodes.push(new);
                self.nodes.len() - 1
            }
        };
        self.join(previous, Some(node));
        self.join(Some(node), next);
        self.len += 1;
        Ticket { node, number }
    }

    fn pop(&mut self) -> Option<(Ticket, V)> {
        let ticket = self.head_ticket()?;
        self.remove(ticket).map(|value| (ticket, value))
    }

    fn contains(&self, ticket: Ticket) -> bool {
        let node = self.nodes.get(ticket.node);
        node.is_some_and(|node| node.number == ticket.number && node.value.is_some())
    }

    fn remove(&mut self, ticket: Ticket) -> Option<V> {
        let node = self.nodes.get_mut(ticket.node).filter(|node| node.number == ticket.number)?;
        let value = node.value.take()?;
        let (previous, next) = (node.previous, node.next);
        node.next = self.free;
        self.free = Some(ticket.node);
        self.join(previous, next);
        self.len -= 1;
        Some(value)
    }

    /// Makes two nodes neighbours; `None` is the end of the queue.
    fn join(&mut self, previous: Option<usize>, next: Option<usize>) {
        match previous {
            Some(previous) => self.nodes[previous].next = next,
            None => self.head = next,
        }
        match next {
            Some(next) => self.nodes[next].previous = previous,
            None => self.tail = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop().map(|(_, value)| value)).collect()
    }

    #[test]
    fn the_queue_keeps_the_order_of_joining() {
        let mut queue = Queue::new();
        for value in 1..=3 {
            queue.insert(value, Place::Back);
        }
        queue.insert(0, Place::Front);
        assert_eq!(drain(&mut queue), [0, 1, 2, 3]);
        assert_eq!(queue.len, 0);
    }

    #[test]
    fn the_queue_can_be_left_from_anywhere() {
        let mut queue = Queue::new();
        let tickets: Vec<_> = (0..6).map(|value| queue.insert(value, Place::Back)).collect();
        for left in [0, 3, 5] {
            assert_eq!(queue.remove(tickets[left]), Some(left as u32));
        }
        assert_eq!(queue.len, 3);
        assert_eq!(drain(&mut queue), [1, 2, 4]);
    }

    #[test]
    fn a_ticket_is_good_once_even_if_its_node_is_used_again() {
        let mut queue = Queue::new();
        let first = queue.insert(1, Place::Back);
        assert_eq!(queue.remove(first), Some(1));
        queue.insert(2, Place::Back);
        assert_eq!(queue.remove(first), None);
        assert_eq!(drain(&mut queue), [2]);
        assert_eq!(queue.nodes.len(), 1, "the node was used again");
    }
}
