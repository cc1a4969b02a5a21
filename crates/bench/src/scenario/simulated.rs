//! A simulated server, which takes a while to open connections and can go away.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use threadwise_core::ManageConnection;
use threadwise_figures::{Backend, ContenderKind};
use threadwise_shared::SharedPool;

use super::rig::{Needs, Rig, Server, Session, Subject};
use crate::Failure;

struct SimulatedServer {
    connect: Duration,
    refuses: AtomicBool,
    /// Counts how often the server went away. Connections with an older number are dead.
    life: AtomicU64,
    opened: AtomicU64,
    /// Connections that are open or being opened.
    open: AtomicU64,
}

#[derive(Clone)]
struct Manager(Arc<SimulatedServer>);

struct Connection {
    server: Arc<SimulatedServer>,
    life: u64,
}

/// The error if the server is gone.
#[derive(Debug)]
struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server is gone")
    }
}

impl std::error::Error for Gone {}

impl Connection {
    fn of(server: &Arc<SimulatedServer>) -> Self {
        server.opened.fetch_add(1, SeqCst);
        server.open.fetch_add(1, SeqCst);
        Self { server: Arc::clone(server), life: server.life.load(SeqCst) }
    }

    fn is_alive(&self) -> bool {
        !self.server.refuses.load(SeqCst) && self.life == self.server.life.load(SeqCst)
    }

    fn check(&self) -> Result<(), Gone> {
        if self.is_alive() { Ok(()) } else { Err(Gone) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.open.fetch_sub(1, SeqCst);
    }
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = Gone;

    fn connect(&self) -> Result<Connection, Gone> {
        if self.0.refuses.load(SeqCst) {
            return Err(Gone);
        }
        let mut conn = Connection::of(&self.0);
        thread::sleep(self.0.connect);
        conn.life = self.0.life.load(SeqCst);
        conn.check().map(|()| conn)
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), Gone> {
        conn.check()
    }

    fn has_broken(&self, conn: &mut Connection) -> bool {
        !conn.is_alive()
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = Connection;
    type Error = Gone;

    fn connect(&self) -> Result<Connection, Gone> {
        ManageConnection::connect(self)
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), Gone> {
        ManageConnection::is_valid(self, conn)
    }

    fn has_broken(&self, conn: &mut Connection) -> bool {
        ManageConnection::has_broken(self, conn)
    }
}

impl Session for Connection {
    fn query(&mut self, takes: Duration) -> Result<(), Failure> {
        thread::sleep(takes);
        self.check().map_err(Failure::of)
    }
}

impl Server for Arc<SimulatedServer> {
    fn refuse(&self) {
        self.refuses.store(true, SeqCst);
        self.life.fetch_add(1, SeqCst);
    }

    fn serve(&self) {
        self.refuses.store(false, SeqCst);
    }

    fn opened(&self) -> u64 {
        self.opened.load(SeqCst)
    }

    fn open(&self) -> u64 {
        self.open.load(SeqCst)
    }
}

impl<M> Subject for SharedPool<M>
where
    M: ManageConnection<Connection: Session>,
{
    fn with(&self, use_it: &mut dyn FnMut(&mut dyn Session)) -> Result<(), Failure> {
        self.get().map(|mut conn| use_it(&mut *conn)).map_err(Failure::of)
    }
}

impl<M> Subject for r2d2::Pool<M>
where
    M: r2d2::ManageConnection<Connection: Session>,
{
    fn with(&self, use_it: &mut dyn FnMut(&mut dyn Session)) -> Result<(), Failure> {
        self.get().map(|mut conn| use_it(&mut *conn)).map_err(Failure::of)
    }
}

/// Builds the pool with the scenario's settings, and defaults for the rest.
pub(super) fn shared<M: ManageConnection>(
    manager: M,
    needs: Needs,
) -> Result<SharedPool<M>, Failure> {
    let Needs { size, get_timeout, .. } = needs;
    let settings = SharedPool::builder().max_size(size).get_timeout(get_timeout);
    settings.build_lazy(manager).map_err(Failure::of)
}

/// Builds the pool in the same way. `min_idle` is zero, because r2d2 opens all connections at once
/// by default.
pub(super) fn r2d2<M: r2d2::ManageConnection>(
    manager: M,
    needs: Needs,
) -> Result<r2d2::Pool<M>, Failure> {
    let size = u32::try_from(needs.size).map_err(Failure::of)?;
    let settings = r2d2::Pool::builder().max_size(size).min_idle(Some(0));
    Ok(settings
        .connection_timeout(needs.get_timeout)
        .error_handler(Box::new(r2d2::NopErrorHandler))
        .build_unchecked(manager))
}

pub(super) fn rig(pool: ContenderKind, needs: Needs) -> Result<Rig, Failure> {
    let server = Arc::new(SimulatedServer {
        connect: needs.connect,
        refuses: AtomicBool::new(false),
        life: AtomicU64::new(0),
        opened: AtomicU64::new(0),
        open: AtomicU64::new(0),
    });
    let manager = Manager(Arc::clone(&server));
    let subject: Box<dyn Subject> = match pool {
        ContenderKind::Shared => Box::new(shared(manager, needs)?),
        ContenderKind::R2d2 => Box::new(r2d2(manager, needs)?),
        other => return Err(Failure::not_on(other, Backend::Synthetic)),
    };
    Ok(Rig::new(subject, Box::new(server)))
}
