//! What contenders are built from.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use delegate::delegate;
use threadwise_core::ManageConnection;

use crate::Queries;
use crate::dial::Dial;

/// How many connections a private server accepts: enough for all contenders at the same time.
pub(super) const MAX_CONNECTIONS: u32 = 512;

/// How long the harness waits until a manager knows the names in the database.
const LEARN_TIMEOUT: Duration = Duration::from_secs(60);

/// The connections of a backend, for each kind of contender.
pub trait Source {
    /// Opens connections for the pools of this project.
    type Manager: ManageConnection<Connection: Queries>;
    /// Opens them with the bare driver, for contenders without a connection manager.
    type Plain: Dial<Connection: Queries>;
    /// Opens them for r2d2.
    type R2d2: r2d2::ManageConnection<Connection: Queries>;

    /// Returns a connection manager.
    fn manager(&self) -> Self::Manager;

    /// Returns what opens connections with the bare driver.
    fn plain(&self) -> Self::Plain;

    /// Returns a connection manager for r2d2.
    fn r2d2(&self) -> Self::R2d2;
}

/// A manager without a server is the source for all contenders.
impl<M> Source for M
where
    M: ManageConnection<Connection: Queries> + Dial<Connection: Queries> + Clone,
{
    type Manager = M;
    type Plain = M;
    type R2d2 = ForR2d2<M>;

    fn manager(&self) -> M {
        self.clone()
    }

    fn plain(&self) -> M {
        self.clone()
    }

    fn r2d2(&self) -> ForR2d2<M> {
        ForR2d2(self.clone())
    }
}

/// The first connection of each manager that learned before a pool got it. They stay open, because a
/// proxy would count their good-byes. `None` if managers need not learn.
pub(super) type FirstConnections<C> = Option<Mutex<Vec<C>>>;

/// Opens a first connection, and waits until the manager knows what the names in the database mean. If
/// the server refuses, returns at once: the manager's pool meets the same error.
pub(super) fn learn<M>(manager: &M, first: &FirstConnections<M::Connection>)
where
    M: ManageConnection<Connection: Queries>,
{
    let Some(first) = first else { return };
    let Ok(mut conn) = manager.connect() else { return };
    let end = Instant::now() + LEARN_TIMEOUT;
    manager.begin_session(&mut conn);
    // Without an answer in time, the resets are what this server causes.
    while conn.point_select(1).is_ok() && manager.has_changed(&mut conn) && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
        manager.begin_session(&mut conn);
    }
    first.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
}

/// A connection manager for r2d2 that asks one of ours.
#[derive(Clone, Copy, Debug)]
pub struct ForR2d2<M>(pub M);

impl<M: ManageConnection> r2d2::ManageConnection for ForR2d2<M> {
    type Connection = M::Connection;
    type Error = M::Error;

    delegate! {
        to self.0 {
            fn connect(&self) -> Result<M::Connection, M::Error>;
            fn is_valid(&self, conn: &mut M::Connection) -> Result<(), M::Error>;
            fn has_broken(&self, conn: &mut M::Connection) -> bool;
        }
    }
}
