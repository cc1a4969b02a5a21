//! `mysql-pool`: the pool that comes with the mysql crate, with its defaults. `mysql-pool-tuned`: the
//! same as it is told to be fast.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use mysql::{Opts, OptsBuilder, PoolConstraints, PoolOpts, PooledConn};

use super::{Contender, GET_TIMEOUT, Opened, Worker};
use crate::Failure;

/// A `mysql::Pool` as a contender.
pub struct MysqlPool {
    pool: mysql::Pool,
    opened: Opened,
    /// The server's numbers of the connections that were lent.
    lent: Mutex<HashSet<u32>>,
}

impl MysqlPool {
    /// A pool of exactly `size` connections, which it opens at once, with its defaults for the
    /// rest: a ping on checkout, a reset on return.
    ///
    /// Its connections cannot be counted where they are opened, since it dials by itself. So each
    /// worker looks at the number of the connection that it was lent (a field, no query) and counts
    /// those that are new. All are lent sooner or later, for the pool takes them in turn.
    ///
    /// # Errors
    ///
    /// When a connection cannot be opened.
    pub fn new(opts: Opts, size: usize, opened: &Opened) -> Result<Self, Failure> {
        let defaults = opts.get_pool_opts().clone();
        Self::build(opts, defaults, size, opened)
    }

    /// The same without the ping and without the reset: a server that closed a connection is noticed by
    /// the borrower's query, and what one borrower sets in the session (variables, temporary tables, a
    /// transaction that is open) the next one finds. Statements stay prepared.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn tuned(opts: Opts, size: usize, opened: &Opened) -> Result<Self, Failure> {
        let defaults = opts.get_pool_opts().clone();
        let tuned = defaults.with_check_health(false).with_reset_connection(false);
        Self::build(opts, tuned, size, opened)
    }

    fn build(
        opts: Opts,
        pool_opts: PoolOpts,
        size: usize,
        opened: &Opened,
    ) -> Result<Self, Failure> {
        let constraints = PoolConstraints::new(size, size)
            .ok_or_else(|| Failure::new("mysql::Pool takes no size of zero"))?;
        let pool_opts = pool_opts.with_constraints(constraints);
        let pool = mysql::Pool::new(OptsBuilder::from_opts(opts).pool_opts(pool_opts))
            .map_err(Failure::of)?;
        Ok(Self { pool, opened: opened.clone(), lent: Mutex::default() })
    }

    #[cold]
    fn count(&self, number: u32) {
        if self.lent.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
            self.opened.add_one();
        }
    }
}

impl Contender for MysqlPool {
    type Connection = PooledConn;
    type Worker<'c> = MysqlPoolWorker<'c>;

    fn worker(&self) -> Result<MysqlPoolWorker<'_>, Failure> {
        Ok(MysqlPoolWorker { contender: self, known: Vec::new() })
    }
}

/// One thread's access to the pool.
pub struct MysqlPoolWorker<'c> {
    contender: &'c MysqlPool,
    /// The numbers that this thread has seen: a handful, so that a scan is the fastest search.
    known: Vec<u32>,
}

impl Worker for MysqlPoolWorker<'_> {
    type Connection = PooledConn;

    #[inline]
    fn with_conn<R>(&mut self, operation: impl FnOnce(&mut PooledConn) -> R) -> Result<R, Failure> {
        let mut conn = self.contender.pool.try_get_conn(GET_TIMEOUT).map_err(Failure::of)?;
        let result = operation(&mut conn);
        let number = conn.connection_id();
        if !self.known.contains(&number) {
            self.known.push(number);
            self.contender.count(number);
        }
        Ok(result)
    }
}
