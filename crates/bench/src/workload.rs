//! What threads do with connections.

mod beside;
mod churn;
mod crowd;
mod holds;
mod long_tail;
mod nested;
mod open_load;
mod par_iter;
mod per_task;
mod think;
mod transaction;

pub use self::beside::BesideAWriter;
pub use self::churn::Churn;
pub use self::crowd::Crowd;
pub use self::holds::{LongHolds, ShortHolds};
pub use self::long_tail::LongTail;
pub use self::nested::Nested;
pub use self::open_load::OpenLoad;
pub use self::par_iter::RayonParIter;
pub use self::per_task::ThreadPerTask;
pub use self::think::ThinkTime;
pub use self::transaction::Transaction;

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind};

use crate::backend::Environment;
use crate::contender::{Contender, Opened};
use crate::hold::Hold;
use crate::queries::ROWS;
use crate::runner::Runner;
use crate::{Failure, Queries, Rng};

/// A number of threads, a number of connections, and what a thread does with a connection.
pub trait Workload: Copy + Send + Sync + 'static {
    /// The name in reports and on the command line.
    fn name(&self) -> &'static str;

    /// The question that the workload asks, in one line.
    fn about(&self) -> &'static str;

    /// Whether the workload makes sense on this backend.
    fn runs_on(&self, backend: Backend) -> bool;

    /// Whether the workload makes sense for this contender, on backends where both run.
    ///
    /// The default leaves out:
    /// * `fifo`, if no thread waits, because there is no order to keep then;
    /// * `channel` and `thread-local`, if threads wait, because they are about a free connection;
    /// * `manager-per-use`, which is for `connect` alone;
    /// * tuned peers, except in the workloads [`WITH_TUNED`].
    fn admits(&self, pool: ContenderKind) -> bool {
        match pool {
            ContenderKind::Fifo => self.threads() > self.size(),
            ContenderKind::Channel | ContenderKind::ThreadLocal => self.threads() == self.size(),
            ContenderKind::ManagerPerUse => false,
            pool if pool.is_tuned() => WITH_TUNED.contains(&self.name()),
            _ => true,
        }
    }

    /// The number of threads that want connections.
    fn threads(&self) -> usize;

    /// The number of connections for them. Some contenders cannot limit theirs.
    fn size(&self) -> usize;

    /// How a thread holds a synthetic connection, which answers at once. Real queries take their
    /// own time, so threads do not hold real connections any longer.
    fn hold(&self, backend: Backend) -> Hold {
        let _ = backend;
        Hold::None
    }

    /// How long a thread does something else before each use, on average. By default it asks again
    /// at once. This is not part of the wait, but of the time of an operation.
    fn think(&self) -> Duration {
        Duration::ZERO
    }

    /// How many connections a thread holds at the same time; one by default.
    fn connections_per_thread(&self) -> usize {
        1
    }

    /// Each thread's wait if all threads took turns and handoffs cost nothing:
    /// threads / connections × hold. `None` if threads do not hold connections asleep, because then
    /// they wait for processors, too; and if there is a connection for each thread.
    fn ideal_wait(&self, backend: Backend) -> Option<Duration> {
        match self.hold(backend) {
            Hold::Asleep(hold) if self.threads() > self.size() => {
                Some(hold.mul_f64(self.threads() as f64 / self.size() as f64))
            }
            _ => None,
        }
    }

    /// The order in which contenders serve their waiters, if they have a setting for it.
    fn order(&self) -> Order {
        Order::AsUsersGetIt
    }

    /// Whether a separate thread adds rows all the time, on a connection that is not the
    /// contender's. No by default.
    fn has_writer(&self) -> bool {
        false
    }

    /// Does what a thread does between borrowing a connection and returning it.
    ///
    /// # Errors
    ///
    /// The driver's error.
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure>;

    /// Builds a contender for this workload, and threads that are ready to run it. By default the
    /// contender uses connections of the environment.
    ///
    /// # Errors
    ///
    /// If the contender cannot be built or does not run on this backend.
    fn runner(&self, environment: &Environment, pool: ContenderKind) -> Result<Runner, Failure> {
        environment.runner(pool, *self)
    }

    /// Starts the threads that use a contender. By default these are [`threads`](Self::threads)
    /// threads that all do the same.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started, or its connection cannot be opened.
    fn drive<C>(self, contender: C, opened: Opened) -> Result<Runner, Failure>
    where
        C: Contender<Connection: Queries>,
    {
        Runner::alike(contender, self, opened)
    }
}

/// The workloads in which peers take part twice, with their defaults and tuned. These are the ones
/// where a check or a reset takes much of the time, and where users look first. Elsewhere a second
/// turn would only make a run longer.
pub const WITH_TUNED: [&str; 5] = ["uncontended", "as-many", "starved", "point-select", "insert"];

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

/// A [`Workload`] as a trait object, for a list of workloads.
pub trait AnyWorkload {
    /// See [`Workload::name`].
    fn name(&self) -> &'static str;
    /// See [`Workload::about`].
    fn about(&self) -> &'static str;
    /// See [`Workload::runs_on`].
    fn runs_on(&self, backend: Backend) -> bool;
    /// See [`Workload::admits`].
    fn admits(&self, pool: ContenderKind) -> bool;
    /// See [`Workload::threads`].
    fn threads(&self) -> usize;
    /// See [`Workload::size`].
    fn size(&self) -> usize;
    /// See [`Workload::hold`].
    fn hold(&self, backend: Backend) -> Hold;

    /// The contenders that take part there, in the order of [`ContenderKind::ALL`].
    fn pools(&self, backend: Backend) -> Box<dyn Iterator<Item = ContenderKind> + '_> {
        Box::new(ContenderKind::all_on(backend).filter(|&pool| self.admits(pool)))
    }

    /// See [`Workload::think`].
    fn think(&self) -> Duration;
    /// See [`Workload::connections_per_thread`].
    fn connections_per_thread(&self) -> usize;
    /// See [`Workload::ideal_wait`].
    fn ideal_wait(&self, backend: Backend) -> Option<Duration>;

    /// See [`Workload::runner`].
    ///
    /// # Errors
    ///
    /// If the contender cannot be built or does not run on this backend.
    fn runner(&self, environment: &Environment, pool: ContenderKind) -> Result<Runner, Failure>;
}

impl<W: Workload> AnyWorkload for W {
    fn name(&self) -> &'static str {
        self.name()
    }

    fn about(&self) -> &'static str {
        self.about()
    }

    fn runs_on(&self, backend: Backend) -> bool {
        self.runs_on(backend)
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        self.admits(pool)
    }

    fn threads(&self) -> usize {
        self.threads()
    }

    fn size(&self) -> usize {
        self.size()
    }

    fn hold(&self, backend: Backend) -> Hold {
        self.hold(backend)
    }

    fn think(&self) -> Duration {
        self.think()
    }

    fn connections_per_thread(&self) -> usize {
        self.connections_per_thread()
    }

    fn ideal_wait(&self, backend: Backend) -> Option<Duration> {
        self.ideal_wait(backend)
    }

    fn runner(&self, environment: &Environment, pool: ContenderKind) -> Result<Runner, Failure> {
        self.runner(environment, pool)
    }
}

/// Returns all workloads, in the order in which they run.
#[must_use]
pub fn all() -> Vec<Box<dyn AnyWorkload>> {
    vec![
        Box::new(Uncontended),
        Box::new(AsMany),
        Box::new(Starved),
        Box::new(LongHolds),
        Box::new(ShortHolds),
        Box::new(LongTail),
        Box::new(OpenLoad),
        Box::new(ThinkTime),
        Box::new(Churn),
        Box::new(ThreadPerTask),
        Box::new(RayonParIter),
        Box::new(Nested),
        Box::new(Crowd::SMALL),
        Box::new(Crowd::LARGE),
        Box::new(Crowd::FEW_ASLEEP),
        Box::new(Crowd::MANY_ASLEEP),
        Box::new(Connect),
        Box::new(PointSelect),
        Box::new(Insert),
        Box::new(Transaction),
        Box::new(BesideAWriter),
    ]
}

/// A single thread.
#[derive(Clone, Copy, Debug)]
pub struct Uncontended;

impl Workload for Uncontended {
    fn name(&self) -> &'static str {
        "uncontended"
    }

    fn about(&self) -> &'static str {
        "what does a borrow and return cost if no other thread wants a connection?"
    }

    fn runs_on(&self, _: Backend) -> bool {
        true
    }

    fn threads(&self) -> usize {
        1
    }

    fn size(&self) -> usize {
        1
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        select_one(conn, rng)
    }
}

/// A connection for each thread, and no holds: threads can only slow each other down in the pool.
#[derive(Clone, Copy, Debug)]
pub struct AsMany;

impl Workload for AsMany {
    fn name(&self) -> &'static str {
        "as-many"
    }

    fn about(&self) -> &'static str {
        "do threads slow each other down although each could have a connection?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Synthetic // with real queries this is `point-select`
    }

    fn threads(&self) -> usize {
        8
    }

    fn size(&self) -> usize {
        8
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        select_one(conn, rng)
    }
}

/// Many more threads than connections.
#[derive(Clone, Copy, Debug)]
pub struct Starved;

impl Starved {
    /// About as long as a fast query over a network.
    const HOLD: Hold = Hold::Asleep(Duration::from_micros(100));
}

impl Workload for Starved {
    fn name(&self) -> &'static str {
        "starved"
    }

    fn about(&self) -> &'static str {
        "how long, and how fairly, do threads wait if there are eight for each connection?"
    }

    fn runs_on(&self, _: Backend) -> bool {
        true
    }

    fn threads(&self) -> usize {
        32
    }

    fn size(&self) -> usize {
        4
    }

    fn hold(&self, backend: Backend) -> Hold {
        if backend == Backend::Synthetic { Self::HOLD } else { Hold::None }
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        if !C::REAL {
            Self::HOLD.spend();
        }
        select_one(conn, rng)
    }
}

/// Opens and closes one connection after the other, and does nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Connect;

impl Workload for Connect {
    fn name(&self) -> &'static str {
        "connect"
    }

    fn about(&self) -> &'static str {
        "what does it cost to open and close a connection, with the bare driver and our manager?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Mysql // the other backends have no server
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        matches!(pool, ContenderKind::ConnectPerUse | ContenderKind::ManagerPerUse)
    }

    fn threads(&self) -> usize {
        1
    }

    fn size(&self) -> usize {
        1
    }

    fn operate<C: Queries>(&self, _: &mut C, _: &mut Rng) -> Result<(), Failure> {
        Ok(())
    }
}

/// Reads rows by primary key.
#[derive(Clone, Copy, Debug)]
pub struct PointSelect;

impl Workload for PointSelect {
    fn name(&self) -> &'static str {
        "point-select"
    }

    fn about(&self) -> &'static str {
        "how many rows per second can be read by primary key, one per borrow?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend != Backend::Synthetic
    }

    fn threads(&self) -> usize {
        8
    }

    fn size(&self) -> usize {
        8
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        select_one(conn, rng)
    }
}

/// Adds rows, each in its own transaction.
#[derive(Clone, Copy, Debug)]
pub struct Insert;

impl Workload for Insert {
    fn name(&self) -> &'static str {
        "insert"
    }

    fn about(&self) -> &'static str {
        "how many rows per second can be added and committed, one per borrow?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend != Backend::Synthetic
    }

    fn threads(&self) -> usize {
        8
    }

    fn size(&self) -> usize {
        8
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        conn.insert(rng.below(1_000))
    }
}

#[inline]
fn select_one<C: Queries>(conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
    // A synthetic connection has no rows, and a random number would cost as much as the borrow.
    let id = if C::REAL { 1 + rng.below(ROWS) } else { 1 };
    conn.point_select(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ideal_wait_is_one_turn_of_all_threads() {
        let ideal = |workload: &dyn AnyWorkload| workload.ideal_wait(Backend::Synthetic);
        assert_eq!(ideal(&LongHolds), Some(Duration::from_millis(4)));
        assert_eq!(ideal(&Starved), Some(Duration::from_micros(800)));
        assert_eq!(ideal(&ShortHolds), None, "there are fewer processors than connections");
        assert_eq!(ideal(&AsMany), None, "no thread waits");
    }

    #[test]
    fn tuned_peers_take_part_in_the_named_workloads_only() {
        let tuned = |workload: &dyn AnyWorkload| workload.admits(ContenderKind::R2d2Tuned);
        let shown: Vec<_> = all().iter().map(|it| (it.name(), tuned(it.as_ref()))).collect();
        for (name, tuned) in &shown {
            assert_eq!(*tuned, WITH_TUNED.contains(name), "{name}");
        }
        assert_eq!(shown.iter().filter(|(_, tuned)| *tuned).count(), WITH_TUNED.len());
    }

    #[test]
    fn fifo_takes_part_where_threads_wait_in_order() {
        let shown: Vec<_> = all()
            .iter()
            .filter(|workload| workload.admits(ContenderKind::Fifo))
            .map(|workload| workload.name())
            .collect();
        // (In `asleep-…` there is no order to keep.)
        let told = [
            "starved",
            "long-holds",
            "short-holds",
            "long-tail",
            "open-load",
            "crowd-10",
            "crowd-2000",
        ];
        assert_eq!(shown, told);
    }
}
