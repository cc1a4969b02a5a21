//! `mysql-pool`: the pool of the mysql crate with its defaults. `mysql-pool-tuned`: the same, set
//! to be fast.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mysql::{Opts, OptsBuilder, PoolConstraints, PoolOpts, PooledConn};

use crate::contender::{GET_TIMEOUT, Lend};
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
    /// the rest, if it `checks`: a ping on borrow, a reset on return.
    ///
    /// Without these two, the borrower's query fails if the server has closed the connection. The next
    /// borrower finds the session as the last one left it, with its variables, temporary tables and
    /// open transaction. Statements stay prepared.
    ///
    /// The pool dials by itself, so the harness cannot count connections when they are opened.
    /// Instead it counts the ids of the connections that the pool lends (a field, no query), under a
    /// lock that takes far less time than a query. The pool lends its connections in turn, so it lends
    /// all of them sooner or later.
    ///
    /// # Errors
    ///
    /// If a connection cannot be opened.
    pub fn new(opts: Opts, size: usize, checks: bool, opened: &Opened) -> Result<Self> {
        let defaults = opts.get_pool_opts().clone();
        let pool_opts = defaults.with_check_health(checks).with_reset_connection(checks);
        Self::with(opts, pool_opts, (size, size), opened)
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
}

impl Lend for MysqlPool {
    type Connection = PooledConn;

    #[inline]
    fn lend<R>(&self, operation: impl FnOnce(&mut PooledConn) -> R) -> Result<R> {
        let mut conn = self.pool.try_get_conn(self.get_timeout).map_err(Failure::of)?;
        let result = operation(&mut conn);
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        if lent.insert(conn.connection_id()) {
            self.opened.add_one();
        }
        Ok(result)
    }
}
