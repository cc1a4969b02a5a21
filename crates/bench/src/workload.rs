//! What a workload is: threads, connections, and how threads come to use them. The values are in
//! [`workloads`](crate::workloads); what a thread does with a connection is its
//! [`Operate`](crate::operation::Operate).

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, Property};

use crate::hold::Hold;

/// A number of threads, a number of connections, and how the threads use them.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The name in reports and on the command line.
    pub name: &'static str,
    /// The question that the workload asks, in one line.
    pub about: &'static str,
    /// The backends on which it makes sense.
    pub backends: &'static [Backend],
    /// The number of threads that want connections.
    pub threads: usize,
    /// The number of connections for them. Some contenders cannot limit theirs.
    pub size: usize,
    /// How a thread holds a synthetic connection, which answers at once; the mean if holds differ.
    /// Real queries take their own time, so threads do not hold real connections any longer.
    pub hold: Hold,
    /// When a thread asks for a connection.
    pub pace: Pace,
    /// How many connections a thread holds at the same time.
    pub connections_per_thread: usize,
    /// The order in which contenders serve their waiters, if they have a setting for it.
    pub order: Order,
    /// Whether a separate thread adds rows all the time, on a connection that is not the
    /// contender's.
    pub has_writer: bool,
    /// How synthetic connections die, if they do.
    pub mortal: Option<Mortal>,
    /// Whether peers take part twice, with their defaults and tuned. This is for workloads where a
    /// check or a reset takes much of the time, and where users look first. Elsewhere a second turn
    /// would only make a run longer.
    pub with_tuned: bool,
    /// Whether our pools with managers that were written for r2d2 take part.
    pub with_adapted: bool,
    /// Whether allocations are counted, on synthetic connections: only if nothing but the pool
    /// allocates. On other backends the driver allocates.
    pub counts_allocations: bool,
    /// Whether the workload makes sense for a contender, on backends where both run.
    pub admits: fn(&Self, ContenderKind) -> bool,
}

/// When a thread asks for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Again as soon as it has returned one.
    AtOnce,
    /// After a random time, on average this long. It is not part of the wait, but of the time of an
    /// operation.
    Thinking(Duration),
    /// Always this long after it has returned one. This time, too, is part of the time of an
    /// operation, and not of the wait.
    Idle(Duration),
    /// When a request arrives: at random, one each gap on average, for any free thread.
    Arrivals(Duration),
}

/// Connections that die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mortal {
    /// The longest life of a connection, in uses. All lengths up to this one are equally likely.
    pub longest_life: u32,
    /// How long it takes to open the next one.
    pub connect: Duration,
}

/// The order in which a contender serves its waiters, if it has a setting for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The contender's default.
    AsUsersGetIt,
    /// Strictly in the order of asking.
    Strict,
    /// The shared pool's, with this `fair_after`.
    FairAfter(Duration),
    /// A running thread always goes before threads that sleep.
    RunningFirst,
}

impl Order {
    /// Whether the workload is about the wait queue itself. Then a round begins only when every
    /// thread has asked for a connection.
    pub(crate) fn is_about_the_queue(self) -> bool {
        matches!(self, Self::Strict | Self::RunningFirst)
    }
}

impl Workload {
    /// One thread and one connection, on all backends: what a workload is if it does not say
    /// otherwise.
    pub const ONE: Self = Self {
        name: "",
        about: "",
        backends: &Backend::ALL,
        threads: 1,
        size: 1,
        hold: Hold::None,
        pace: Pace::AtOnce,
        connections_per_thread: 1,
        order: Order::AsUsersGetIt,
        has_writer: false,
        mortal: None,
        with_tuned: false,
        with_adapted: false,
        counts_allocations: false,
        admits: Self::admits_usual,
    };

    /// Admits all contenders but:
    /// * `fifo`, if no thread waits, because there is no order to keep then;
    /// * `channel` and `thread-local`, if threads wait, because they are about a free connection;
    /// * `manager-per-use`, which is for `connect` alone;
    /// * tuned peers, and pools with r2d2's managers, except where they take part.
    pub fn admits_usual(&self, pool: ContenderKind) -> bool {
        match pool {
            ContenderKind::Fifo => self.threads > self.size,
            ContenderKind::Channel | ContenderKind::ThreadLocal => self.threads == self.size,
            ContenderKind::ManagerPerUse => false,
            pool if pool.has(Property::Adapted) => self.with_adapted,
            pool => !pool.is_tuned() || self.with_tuned,
        }
    }

    /// Admits the contenders that have a limit, and for which threads therefore wait.
    pub fn admits_limited(&self, pool: ContenderKind) -> bool {
        pool.has(Property::Limited)
    }

    /// The contenders that take part there, in the order of [`ContenderKind::ALL`].
    pub fn pools(&self, backend: Backend) -> impl Iterator<Item = ContenderKind> {
        let takes_part =
            move |pool: &ContenderKind| self.runs_on(backend) && (self.admits)(self, *pool);
        ContenderKind::all_on(backend).filter(takes_part)
    }

    /// Whether the workload makes sense on this backend.
    pub fn runs_on(&self, backend: Backend) -> bool {
        self.backends.contains(&backend)
    }

    /// How a thread holds a connection of this backend besides the query.
    pub fn hold_on(&self, backend: Backend) -> Hold {
        if backend == Backend::Synthetic { self.hold } else { Hold::None }
    }

    /// How long a thread does something else before each use, on average.
    pub fn think(&self) -> Duration {
        match self.pace {
            Pace::Thinking(time) | Pace::Idle(time) => time,
            Pace::AtOnce | Pace::Arrivals(_) => Duration::ZERO,
        }
    }

    /// Each thread's wait if all threads took turns and handoffs cost nothing:
    /// threads / connections × hold. `None` if threads do not hold connections asleep, because then
    /// they wait for processors, too; and if not all threads want a connection at the same time, or
    /// there is one for each.
    pub fn ideal_wait(&self, backend: Backend) -> Option<Duration> {
        match (self.hold_on(backend), self.pace) {
            (Hold::Asleep(hold), Pace::AtOnce) if self.threads > self.size => {
                Some(hold.mul_f64(self.threads as f64 / self.size as f64))
            }
            _ => None,
        }
    }
}
