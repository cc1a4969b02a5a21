//! The queue of waiting threads: a doubly linked list in a vector, which a thread can leave from
//! anywhere in constant time.

use std::sync::Arc;
use std::time::Instant;

use crate::waiter::Waiter;

pub(crate) type SharedWaiter<T, E> = Arc<Waiter<T, E>>;

/// A waiter in the queue.
pub(crate) struct Entry<T, E> {
    pub(crate) waiter: SharedWaiter<T, E>,
    /// When its `get` began.
    pub(crate) since: Instant,
}

/// Where a thread joins the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueEnd {
    /// The thread has waited before, and got a connection that was unfit.
    Front,
    Back,
}

/// The right to leave the queue from any place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    node: usize,
    /// A node is used again; a number is not.
    number: u64,
}

pub(crate) struct WaitQueue<V> {
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

impl<V> WaitQueue<V> {
    pub(crate) fn new() -> Self {
        Self { nodes: Vec::new(), free: None, head: None, tail: None, len: 0, issued: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn head(&self) -> Option<&V> {
        self.head.and_then(|node| self.nodes[node].value.as_ref())
    }

    pub(crate) fn head_ticket(&self) -> Option<Ticket> {
        self.head.map(|node| Ticket { node, number: self.nodes[node].number })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        let following = |node: &usize| self.nodes[*node].next;
        let nodes = std::iter::successors(self.head, following);
        nodes.filter_map(|node| self.nodes[node].value.as_ref())
    }

    pub(crate) fn insert(&mut self, value: V, end: QueueEnd) -> Ticket {
        self.issued += 1;
        let number = self.issued;
        let (previous, next) = match end {
            QueueEnd::Front => (None, self.head),
            QueueEnd::Back => (self.tail, None),
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
        self.link(previous, Some(node));
        self.link(Some(node), next);
        self.len += 1;
        Ticket { node, number }
    }

    pub(crate) fn pop(&mut self) -> Option<(Ticket, V)> {
        let ticket = self.head_ticket()?;
        self.remove(ticket).map(|value| (ticket, value))
    }

    pub(crate) fn contains(&self, ticket: Ticket) -> bool {
        let node = self.nodes.get(ticket.node);
        node.is_some_and(|node| node.number == ticket.number && node.value.is_some())
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<V> {
        let node = self.nodes.get_mut(ticket.node).filter(|node| node.number == ticket.number)?;
        let value = node.value.take()?;
        let (previous, next) = (node.previous, node.next);
        node.next = self.free;
        self.free = Some(ticket.node);
        self.link(previous, next);
        self.len -= 1;
        Some(value)
    }

    /// Makes two nodes neighbours; `None` is the end of the queue.
    fn link(&mut self, previous: Option<usize>, next: Option<usize>) {
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

    fn drain(queue: &mut WaitQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop().map(|(_, value)| value)).collect()
    }

    #[test]
    fn the_queue_keeps_the_order_of_joining() {
        let mut queue = WaitQueue::new();
        for value in 1..=3 {
            queue.insert(value, QueueEnd::Back);
        }
        queue.insert(0, QueueEnd::Front);
        assert_eq!(drain(&mut queue), [0, 1, 2, 3]);
        assert_eq!(queue.len, 0);
    }

    #[test]
    fn the_queue_can_be_left_from_anywhere() {
        let mut queue = WaitQueue::new();
        let tickets: Vec<_> = (0..6).map(|value| queue.insert(value, QueueEnd::Back)).collect();
        for left in [0, 3, 5] {
            assert_eq!(queue.remove(tickets[left]), Some(left as u32));
        }
        assert_eq!(queue.len, 3);
        assert_eq!(drain(&mut queue), [1, 2, 4]);
    }

    #[test]
    fn a_ticket_works_once_even_if_its_node_is_used_again() {
        let mut queue = WaitQueue::new();
        let first = queue.insert(1, QueueEnd::Back);
        assert_eq!(queue.remove(first), Some(1));
        queue.insert(2, QueueEnd::Back);
        assert_eq!(queue.remove(first), None);
        assert_eq!(drain(&mut queue), [2]);
        assert_eq!(queue.nodes.len(), 1, "the node was used again");
    }
}
