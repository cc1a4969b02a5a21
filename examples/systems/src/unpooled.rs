//! What pools are compared with: a connection for each use.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use threadwise::{
    BuildError, ConnectError, GetError, GetResult, Guard, ManageConnection, Pool, State,
};

use crate::{Connection, Database, Error};

/// Opens a connection for each `get`, and closes it when its user is done. It has no limit: how many
/// are open at once is how many threads there are.
pub struct Unpooled {
    database: Database,
    borrowed: AtomicUsize,
    is_closed: AtomicBool,
}

/// A connection of one user's.
pub struct Alone<'p> {
    conn: Option<Connection>, // `None` once it was taken out
    owner: &'p Unpooled,
}

impl Unpooled {
    /// Opens one connection, to see that it can be done.
    ///
    /// # Errors
    ///
    /// If it cannot.
    pub fn build(database: Database) -> Result<Self, BuildError<Error>> {
        let conn = database
            .connect()
            .map_err(|error| BuildError::ConnectFailed(ConnectError::failed(error)))?;
        database.close(conn);
        Ok(Self { database, borrowed: AtomicUsize::new(0), is_closed: AtomicBool::new(false) })
    }
}

impl Pool for Unpooled {
    type Manager = Database;
    type Connection<'p> = Alone<'p>;

    fn get(&self) -> GetResult<'_, Self> {
        self.get_timeout(Duration::from_secs(30))
    }

    fn try_get(&self) -> GetResult<'_, Self> {
        self.get()
    }

    fn get_timeout(&self, timeout: Duration) -> GetResult<'_, Self> {
        // Relaxed: nothing but the flag itself is read after it.
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(GetError::Closed);
        }
        let conn = self.database.connect_within(timeout);
        let conn = conn.map_err(|error| GetError::ConnectFailed(ConnectError::failed(error)))?;
        self.borrowed.fetch_add(1, Ordering::Relaxed); // a number, for `state`
        Ok(Alone { conn: Some(conn), owner: self })
    }

    fn manager(&self) -> &Database {
        &self.database
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.borrowed = self.borrowed.load(Ordering::Relaxed);
        state.open = state.borrowed;
        state.closed = self.is_closed.load(Ordering::Relaxed);
        state
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }
}

impl Deref for Alone<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn.as_ref().expect("it is there until the guard ends")
    }
}

impl DerefMut for Alone<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.conn.as_mut().expect("it is there until the guard ends")
    }
}

impl Guard for Alone<'_> {
    type Error = Error;

    fn discard(self) {} // dropping it closes it

    fn detach(mut self) -> Connection {
        self.conn.take().expect("it is there until the guard ends")
    }

    fn steady<T>(
        &mut self,
        mut work: impl FnMut(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let database = &self.owner.database;
        match work(self) {
            Err(error) if database.is_lost(&error) && !database.in_transaction(self) => {
                **self = database.connect()?;
                work(self)
            }
            done => done,
        }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.owner.borrowed.fetch_sub(1, Ordering::Relaxed);
        if let Some(conn) = self.conn.take() {
            self.owner.database.close(conn);
        }
    }
}
