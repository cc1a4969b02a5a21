//! What threads do with connections.

use std::thread;
use std::time::Duration;

use crate::backend::{Backend, Environment};
use crate::pool_kind::PoolKind;
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

    /// How many threads want connections.
    fn threads(&self) -> usize;

    /// How many connections there are for them, as far as the contender can limit them.
    fn size(&self) -> usize;

    /// How long a connection that answers at once is held besides. Real queries take their own
    /// time, so that there it is zero.
    fn hold(&self, backend: Backend) -> Duration {
        let _ = backend;
        Duration::ZERO
    }

    /// What a thread does between borrowing a connection and giving it back.
    ///
    /// # Errors
    ///
    /// Whatever the driver says.
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure>;
}

/// A [`Workload`] whose type is not known, to keep several in a list.
pub trait AnyWorkload {
    /// See [`Workload::name`].
    fn name(&self) -> &'static str;
    /// See [`Workload::about`].
    fn about(&self) -> &'static str;
    /// See [`Workload::runs_on`].
    fn runs_on(&self, backend: Backend) -> bool;
    /// See [`Workload::threads`].
    fn threads(&self) -> usize;
    /// See [`Workload::size`].
    fn size(&self) -> usize;
    /// See [`Workload::hold`].
    fn hold(&self, backend: Backend) -> Duration;

    /// Builds a contender for this workload, and threads that are ready to use it.
    ///
    /// # Errors
    ///
    /// When the contender cannot be built or does not run there.
    fn runner(&self, environment: &Environment, pool: PoolKind) -> Result<Runner, Failure>;
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

    fn threads(&self) -> usize {
        self.threads()
    }

    fn size(&self) -> usize {
        self.size()
    }

    fn hold(&self, backend: Backend) -> Duration {
        self.hold(backend)
    }

    fn runner(&self, environment: &Environment, pool: PoolKind) -> Result<Runner, Failure> {
        environment.runner(pool, *self)
    }
}

/// All workloads, in the order in which they are run.
#[must_use]
pub fn all() -> Vec<Box<dyn AnyWorkload>> {
    vec![
        Box::new(Uncontended),
        Box::new(AsMany),
        Box::new(Starved),
        Box::new(PointSelect),
        Box::new(Insert),
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
    /// How long a thread sleeps with a synthetic connection: about a fast query on a network. The
    /// system makes some 0.05 ms more of it.
    const HOLD: Duration = Duration::from_micros(100);
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

    fn hold(&self, backend: Backend) -> Duration {
        if backend == Backend::Synthetic { Self::HOLD } else { Duration::ZERO }
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        if !C::REAL {
            thread::sleep(Self::HOLD);
        }
        select_one(conn, rng)
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
