//! `mysql-pool`: the pool of the mysql crate with its defaults. `mysql-pool-tuned`: the same, set
//! to be fast.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mysql::{Opts, OptsBuilder, PoolConstraints, PoolOpts, PooledConn};

use crate::contender::{Contender, GET_TIMEOUT, Worker};
use crate::opened::Opened;
use crate::{Failure, Result};

/// A `mysql::Pool` as a contender.
pub struct MysqlPool {
    pool: mysql::Pool,
    /// The pool's only timeout. It may exceed it.
    get_timeout: Duration,
    opened: Opened,
    /// The server's ids of the connections that the pool has lent.
    lent: Mutex<HashSet<u32>>,
}

impl MysqlPool {
    /// Creates a pool of exactly `size` connections, which it opens at once. It has defaults for
    /// the rest: a ping on borrow, a reset on return.
    ///
    /// The pool dials by itself, so the harness cannot count connections when they are opened.
    /// Instead each worker reads the id of its connection (a field, no query) and counts new ids.
    /// The pool lends its connections in turn, so it lends all of them sooner or later.
    ///
    /// # Errors
    ///
    /// If a connection cannot be opened.
    pub fn new(opts: Opts, size: usize, opened: &Opened) -> Result<Self> {
        let defaults = opts.get_pool_opts().clone();
        Self::with(opts, defaults, (size, size), opened)
    }

    /// Creates the same pool without ping and reset. If the server has closed a connection, the
    /// borrower's query fails. The next borrower finds the session as the last one left it, with
    /// its variables, temporary tables and open transaction. Statements stay prepared.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn tuned(opts: Opts, size: usize, opened: &Opened) -> Result<Self> {
        let defaults = opts.get_pool_opts().clone();
        let tuned = defaults.with_check_health(false).with_reset_connection(false);
        Self::with(opts, tuned, (size, size), opened)
    }

    /// Creates a pool with its defaults, except that it opens no connection in advance.
    ///
    /// # Errors
    ///
    /// If the size is 0.
    pub fn lazy(opts: Opts, size: usize, get_timeout: Duration) -> Result<Self> {
        let pool = Self::with(opts, PoolOpts::default(), (0, size), &Opened::default())?;
        Ok(Self { get_timeout, ..pool })
    }

    fn with(
        opts: Opts,
        pool_opts: PoolOpts,
        (least, most): (usize, usize),
        opened: &Opened,
    ) -> Result<Self> {
        let constraints = PoolConstraints::new(least, most)
            .ok_or_else(|| Failure::new("the size of a mysql::Pool must be at least 1"))?;
        let pool_opts = pool_opts.with_constraints(constraints);
        let opts = OptsBuilder::from_opts(opts).pool_opts(pool_opts);
        let pool = mysql::Pool::new(opts).map_err(Failure::of)?;
        let (get_timeout, lent) = (GET_TIMEOUT, Mutex::default());
        Ok(Self { pool, get_timeout, opened: opened.clone(), lent })
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

    fn worker(&self) -> Result<MysqlPoolWorker<'_>> {
        Ok(MysqlPoolWorker { contender: self, known: Vec::new() })
    }
}

/// One thread's access to the pool.
pub struct MysqlPoolWorker<'c> {
    contender: &'c MysqlPool,
    /// The ids that this thread has seen. They are few, so a scan is the fastest search.
    known: Vec<u32>,
}

impl Worker for MysqlPoolWorker<'_> {
    type Connection = PooledConn;

    #[inline]
    fn with_conn<R>(&mut self, operation: impl FnOnce(&mut PooledConn) -> R) -> Result<R> {
        let mut conn =
            self.contender.pool.try_get_conn(self.contender.get_timeout).map_err(Failure::of)?;
        let result = operation(&mut conn);
        let number = conn.connection_id();
        if !self.known.contains(&number) {
            self.known.push(number);
            self.contender.count(number);
        }
        Ok(result)
    }
}
