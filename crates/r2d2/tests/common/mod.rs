//! Managers as they are written for r2d2.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use threadwise::{AnyPool, CloseReason, ManageConnection, Pool, PoolKind};

/// The mark of a connection that no longer answers.
pub const DEAD: u32 = 666;

#[derive(Debug, PartialEq, Eq)]
pub struct Failure(pub &'static str);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failure {}

/// A connection that counts its end.
#[derive(Debug)]
pub struct Connection {
    pub id: u32,
    pub mark: u32,
    dropped: Arc<AtomicU32>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, SeqCst);
    }
}

/// Opens connections with numbers.
#[derive(Default)]
pub struct Numbered {
    opened: AtomicU32,
    dropped: Arc<AtomicU32>,
    on_validation: Option<Box<dyn Fn() + Send + Sync>>,
    is_broken: bool,
}

impl Numbered {
    /// How many connections have been dropped.
    pub fn dropped(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.dropped)
    }

    pub fn always_broken(mut self) -> Self {
        self.is_broken = true;
        self
    }

    pub fn on_validation(mut self, act: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_validation = Some(Box::new(act));
        self
    }
}

impl r2d2::ManageConnection for Numbered {
    type Connection = Connection;
    type Error = Failure;

    fn connect(&self) -> Result<Connection, Failure> {
        let id = self.opened.fetch_add(1, SeqCst);
        Ok(Connection { id, mark: 0, dropped: self.dropped() })
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), Failure> {
        if let Some(act) = &self.on_validation {
            act();
        }
        if conn.mark == DEAD { Err(Failure("no answer")) } else { Ok(()) }
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        self.is_broken
    }
}

/// Opens so many connections, and no more.
pub struct Refusing {
    inner: Numbered,
    left: Arc<AtomicU32>,
}

impl Refusing {
    pub fn after(connections: u32) -> Self {
        Self { inner: Numbered::default(), left: Arc::new(connections.into()) }
    }

    pub fn dropped(&self) -> Arc<AtomicU32> {
        self.inner.dropped()
    }

    /// How many more it opens; a test may change it.
    pub fn left(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.left)
    }
}

impl r2d2::ManageConnection for Refusing {
    type Connection = Connection;
    type Error = Failure;

    fn connect(&self) -> Result<Connection, Failure> {
        let one_less = self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        one_less.map_err(|_| Failure("refused"))?;
        self.inner.connect()
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), Failure> {
        self.inner.is_valid(conn)
    }

    fn has_broken(&self, conn: &mut Connection) -> bool {
        self.inner.has_broken(conn)
    }
}

/// A pool of one connection.
pub fn pool_of_one<M: ManageConnection>(kind: PoolKind, manager: M) -> AnyPool<M> {
    kind.builder().size(1).build(manager).unwrap()
}

/// How many connections the pool opened to lend them.
pub fn opened<M: ManageConnection>(pool: &AnyPool<M>) -> u64 {
    let counters = pool.state().counters;
    counters.opened - counters.closed(CloseReason::Probed)
}
