//! Two connections at the same time.

use threadwise_figures::{Backend, ContenderKind};

use super::{Workload, select_one};
use crate::contender::{Contender, Opened, Worker};
use crate::runner::Runner;
use crate::{Failure, Queries, Rng};

/// Each thread borrows a second connection while it holds one. This happens if a function with a
/// connection calls another one that borrows its own. There are two connections for each thread.
/// Without at least one more connection than threads, all threads could hold their first connection
/// and wait for a second one forever.
///
/// The wait is that for both connections. `persistent` has `max_overflow` set, and opens the second
/// connection for each use. Its default is to refuse, because a second borrow is usually a mistake.
/// Some contenders are left out. `thread-local` cannot lend a connection twice. `dedicated`,
/// `floor` and `fifo` do not look for a connection. `connect-per-use` would show twice its other
/// figures.
#[derive(Clone, Copy, Debug)]
pub struct Nested;

impl Workload for Nested {
    fn name(&self) -> &'static str {
        "nested"
    }

    fn about(&self) -> &'static str {
        "what does it cost to borrow a second connection while holding one?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend != Backend::Sqlite // it would show nothing that MariaDB does not
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        pool.is_pool_by_default() || pool == ContenderKind::Channel
    }

    fn threads(&self) -> usize {
        8
    }

    fn size(&self) -> usize {
        16
    }

    fn connections_per_thread(&self) -> usize {
        2
    }

    /// Uses the second connection. `TwiceWorker` used the first one before it asked for the second.
    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        select_one(conn, rng)
    }

    fn drive<C>(self, contender: C, opened: Opened) -> Result<Runner, Failure>
    where
        C: Contender<Connection: Queries>,
    {
        Runner::alike(Twice(contender), self, opened)
    }
}

/// A contender from which each thread borrows two connections at a time.
struct Twice<C>(C);

impl<C: Contender<Connection: Queries>> Contender for Twice<C> {
    type Connection = C::Connection;
    type Worker<'c> = TwiceWorker<C::Worker<'c>>;

    fn worker(&self) -> Result<Self::Worker<'_>, Failure> {
        Ok(TwiceWorker { outer: self.0.worker()?, inner: self.0.worker()? })
    }
}

struct TwiceWorker<K> {
    outer: K,
    inner: K,
}

impl<K: Worker<Connection: Queries>> Worker for TwiceWorker<K> {
    type Connection = K::Connection;

    #[inline]
    fn with_conn<R>(
        &mut self,
        operation: impl FnOnce(&mut Self::Connection) -> R,
    ) -> Result<R, Failure> {
        let Self { outer, inner } = self;
        outer.with_conn(|conn| {
            conn.point_select(1)?;
            inner.with_conn(operation)
        })?
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::backend::Environment;
    use crate::backend::synthetic::SyntheticConnection;

    struct Counting<'c>(&'c Cell<usize>);

    impl Worker for Counting<'_> {
        type Connection = SyntheticConnection;

        fn with_conn<R>(
            &mut self,
            operation: impl FnOnce(&mut SyntheticConnection) -> R,
        ) -> Result<R, Failure> {
            self.0.update(|held| held + 1);
            let result = operation(&mut SyntheticConnection::default());
            self.0.update(|held| held - 1);
            Ok(result)
        }
    }

    #[test]
    fn an_operation_holds_two_connections() {
        let held = Cell::new(0);
        let mut worker = TwiceWorker { outer: Counting(&held), inner: Counting(&held) };
        assert_eq!(worker.with_conn(|_| held.get()), Ok(2));
        assert_eq!(held.get(), 0);
    }

    #[test]
    fn every_contender_lends_a_thread_two() {
        for pool in ContenderKind::all_on(Backend::Synthetic).filter(|&pool| Nested.admits(pool)) {
            let mut runner = Nested.runner(&Environment::Synthetic, pool).unwrap();
            assert!(runner.operations(100).is_ok(), "{pool}");
        }
    }
}
