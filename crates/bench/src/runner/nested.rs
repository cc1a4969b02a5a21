//! Threads that borrow a second connection while they hold one.

use super::alike::Alike;
use super::drive::{Drive, Job};
use super::threads::Runner;
use crate::contender::{Contender, Queried, Worker};
use crate::operation::Operate;
use crate::{Queries, Result};

/// The workload's threads, each of which borrows two connections for an operation, uses the first,
/// and makes the operation with the second.
#[derive(Clone, Copy, Debug)]
pub struct Nested;

impl Drive for Nested {
    fn start<C: Queried, O: Operate>(self, contender: C, job: Job<O>) -> Result<Runner> {
        Alike.start(Twice(contender), job)
    }
}

/// A contender from which each thread borrows two connections at a time.
struct Twice<C>(C);

impl<C: Contender<Connection: Queries>> Contender for Twice<C> {
    type Connection = C::Connection;
    type Worker<'c> = TwiceWorker<C::Worker<'c>>;

    fn worker(&self) -> Result<Self::Worker<'_>> {
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
    fn with_conn<R>(&mut self, operation: impl FnOnce(&mut Self::Connection) -> R) -> Result<R> {
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
    use crate::backend::synthetic::SyntheticConnection;

    struct Counting<'c>(&'c Cell<usize>);

    impl Worker for Counting<'_> {
        type Connection = SyntheticConnection;

        fn with_conn<R>(
            &mut self,
            operation: impl FnOnce(&mut SyntheticConnection) -> R,
        ) -> Result<R> {
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
}
