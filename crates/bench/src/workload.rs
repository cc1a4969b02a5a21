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

use crate::backend::{Backend, Environment};
use crate::contender::{Contender, Opened};
use crate::hold::Hold;
use crate::names::ContenderKind;
use crate::queries::ROWS;
use crate::runner::Runner;
use crate::{Failure, Queries, Rng};

/// A number of threads, a number of connections, and what a thread does with a connection.
pub trait Workload: Copy + Send + Sync + 'static {
    /// The name in reports and on the command line.
    fn name(&self) -> &'static str;

    /// What question it asks, in one line.
    fn about(&self) -> &'static str;

    /// Whether it makes sense there.
    fn runs_on(&self, backend: Backend) -> bool;

    /// Whether it makes sense for this contender, where both make sense.
    ///
    /// The default leaves out `fifo` where nobody waits and so no order is kept, `channel` and
    /// `thread-local` where somebody does, since they are about a connection that is free,
    /// `manager-per-use`, which is for `connect` alone, and peers that are tuned but for the
    /// workloads [`WITH_TUNED`].
    fn admits(&self, pool: ContenderKind) -> bool {
        match pool {
            ContenderKind::Fifo => self.threads() > self.size(),
            ContenderKind::Channel | ContenderKind::ThreadLocal => self.threads() == self.size(),
            ContenderKind::ManagerPerUse => false,
            pool if pool.is_tuned() => WITH_TUNED.contains(&self.name()),
            _ => true,
        }
    }

    /// How many threads want connections.
    fn threads(&self) -> usize;

    /// How many connections there are for them, as far as the contender can limit them.
    fn size(&self) -> usize;

    /// What a thread does with a connection that answers at once, besides using it. Real queries
    /// take their own time, so that there it is nothing.
    fn hold(&self, backend: Backend) -> Hold {
        let _ = backend;
        Hold::None
    }

    /// How long a thread does something else before each use, on average; by default it asks again at
    /// once. It is no part of the wait, but of the time that an operation takes its thread.
    fn think(&self) -> Duration {
        Duration::ZERO
    }

    /// How many connections a thread has at the same time, by default one.
    fn connections_per_thread(&self) -> usize {
        1
    }

    /// What each thread would wait if all took turns and handing over cost nothing, while each
    /// connection is held asleep: threads / connections × hold. `None` where threads need not wait,
    /// or wait for processors as well.
    fn ideal_wait(&self, backend: Backend) -> Option<Duration> {
        match self.hold(backend) {
            Hold::Asleep(hold) if self.threads() > self.size() => {
                Some(hold.mul_f64(self.threads() as f64 / self.size() as f64))
            }
            _ => None,
        }
    }

    /// In which order contenders serve their waiters that can be told. Where it is told, the workload
    /// is about the line itself: no round begins before every thread has asked for a connection.
    /// By default threads begin as they come.
    fn order(&self) -> Order {
        Order::AsUsersGetIt
    }

    /// Whether somebody adds rows meanwhile, all the time, on a connection that is not the
    /// contender's. By default nobody does.
    fn has_writer(&self) -> bool {
        false
    }

    /// What a thread does between borrowing a connection and giving it back.
    ///
    /// # Errors
    ///
    /// Whatever the driver says.
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure>;

    /// Builds a contender for it, and threads that are ready: by default on the connections of the
    /// environment.
    ///
    /// # Errors
    ///
    /// When the contender cannot be built or does not run there.
    fn runner(&self, environment: &Environment, pool: ContenderKind) -> Result<Runner, Failure> {
        environment.runner(pool, *self)
    }

    /// Starts the threads that use a contender: by default so many as there are to be, all alike.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started or does not get what it needs to begin.
    fn drive<C>(self, contender: C, opened: Opened) -> Result<Runner, Failure>
    where
        C: Contender<Connection: Queries>,
    {
        Runner::alike(contender, self, opened)
    }
}

/// Where peers take part with their defaults and tuned: where a check or a reset is much of the time,
/// and where users look first. Everywhere else a run would only get longer.
pub const WITH_TUNED: [&str; 5] = ["uncontended", "as-many", "starved", "point-select", "insert"];

/// Who is served next, where the contender can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the contender has it by default.
    AsUsersGetIt,
    /// Strictly in the order of asking.
    Strict,
    /// A running thread before any that sleeps, for good.
    RunningFirst,
}

/// A [`Workload`] whose type is not known, to keep several in a list.
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
    /// When the contender cannot be built or does not run there.
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

/// All workloads, in the order in which they are run.
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
        "what does a checkout cost when nobody else wants one?"
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

/// A connection for everybody, which nobody holds: the pool is all that threads meet at.
#[derive(Clone, Copy, Debug)]
pub struct AsMany;

impl Workload for AsMany {
    fn name(&self) -> &'static str {
        "as-many"
    }

    fn about(&self) -> &'static str {
        "do threads get in each other's way although each could have a connection?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Synthetic // with a real query it is `point-select`
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
    /// With a synthetic connection: about a fast query on a network.
    const HOLD: Hold = Hold::Asleep(Duration::from_micros(100));
}

impl Workload for Starved {
    fn name(&self) -> &'static str {
        "starved"
    }

    fn about(&self) -> &'static str {
        "how long, and how fairly, do threads wait when there are eight for each connection?"
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

/// Nothing but opening connections, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Connect;

impl Workload for Connect {
    fn name(&self) -> &'static str {
        "connect"
    }

    fn about(&self) -> &'static str {
        "what does opening and closing a connection cost, by the bare driver and by our manager?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Mysql // elsewhere nothing is asked of a server
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

/// Reading by primary key.
#[derive(Clone, Copy, Debug)]
pub struct PointSelect;

impl Workload for PointSelect {
    fn name(&self) -> &'static str {
        "point-select"
    }

    fn about(&self) -> &'static str {
        "how many rows per second can be read by primary key, one per checkout?"
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

/// Adding rows, each in a transaction of its own.
#[derive(Clone, Copy, Debug)]
pub struct Insert;

impl Workload for Insert {
    fn name(&self) -> &'static str {
        "insert"
    }

    fn about(&self) -> &'static str {
        "how many rows per second can be added and committed, one per checkout?"
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
    // A synthetic connection has no rows, and picking one would cost as much as the checkout.
    let id = if C::REAL { 1 + rng.below(ROWS) } else { 1 };
    conn.point_select(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ideal_wait_is_a_turn_of_everybody() {
        let ideal = |workload: &dyn AnyWorkload| workload.ideal_wait(Backend::Synthetic);
        assert_eq!(ideal(&LongHolds), Some(Duration::from_millis(4)));
        assert_eq!(ideal(&Starved), Some(Duration::from_micros(800)));
        assert_eq!(ideal(&ShortHolds), None, "there are fewer processors than connections");
        assert_eq!(ideal(&AsMany), None, "nobody waits");
    }

    #[test]
    fn peers_are_tuned_where_it_matters_and_nowhere_else() {
        let tuned = |workload: &dyn AnyWorkload| workload.admits(ContenderKind::R2d2Tuned);
        let shown: Vec<_> = all().iter().map(|it| (it.name(), tuned(it.as_ref()))).collect();
        for (name, tuned) in &shown {
            assert_eq!(*tuned, WITH_TUNED.contains(name), "{name}");
        }
        assert_eq!(shown.iter().filter(|(_, tuned)| *tuned).count(), WITH_TUNED.len());
    }

    #[test]
    fn order_is_shown_where_there_is_one_to_keep() {
        let shown: Vec<_> = all()
            .iter()
            .filter(|workload| workload.admits(ContenderKind::Fifo))
            .map(|workload| workload.name())
            .collect();
        // (In `asleep-…` there is none to keep.)
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
