//! `maxshared`: several threads on one connection.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use threadwise::ManageConnection;
use threadwise::shared::SharedPool;
use threadwise_systems::{Connection, Database, Error, Shutdown, Source};

use crate::report::Report;

// ANCHOR: not_sync
/// Compiles for as long as a connection of this program is not `Sync`: if it were, both of the
/// implementations would fit, and the compiler would not know which of them is meant. `pool.share()`
/// asks for `Sync`, so on the tutorial's pool it does not compile.
const _: fn() = || {
    struct IfSync;
    trait Either<Which> {
        fn exists() {}
    }
    impl<T> Either<()> for T {}
    impl<T: Sync> Either<IfSync> for T {}
    <Connection as Either<_>>::exists();
};
// ANCHOR_END: not_sync

/// A manager of connections that are `Sync`, because each is behind a lock. Threads that share a
/// connection take turns, for each statement or for as long as they hold the lock.
struct Locked(Database);

/// The methods that make a session clean and find a broken one. A manager for production also
/// implements those with a limit of time (see `Database`).
impl ManageConnection for Locked {
    type Connection = Mutex<Connection>;
    type Error = Error;

    fn connect(&self) -> Result<Mutex<Connection>, Error> {
        self.0.connect().map(Mutex::new)
    }

    fn is_valid(&self, conn: &mut Mutex<Connection>) -> Result<(), Error> {
        self.0.is_valid(inside(conn))
    }

    /// A thread that panicked under the lock may have left a statement half done.
    fn has_broken(&self, conn: &mut Mutex<Connection>) -> bool {
        conn.is_poisoned() || self.0.has_broken(inside(conn))
    }

    fn begin_session(&self, conn: &mut Mutex<Connection>) {
        self.0.begin_session(inside(conn));
    }

    fn has_changed(&self, conn: &mut Mutex<Connection>) -> bool {
        self.0.has_changed(inside(conn))
    }

    fn reset(&self, conn: &mut Mutex<Connection>) -> Result<(), Error> {
        self.0.reset(inside(conn))
    }

    fn in_transaction(&self, conn: &mut Mutex<Connection>) -> bool {
        self.0.in_transaction(inside(conn))
    }

    /// Returns `true` if it cannot know, because another thread uses the connection now.
    fn in_transaction_shared(&self, conn: &Mutex<Connection>) -> bool {
        conn.try_lock().map_or(true, |mut conn| self.0.in_transaction(&mut conn))
    }

    fn is_lost(&self, error: &Error) -> bool {
        self.0.is_lost(error)
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        self.0.address()
    }
}

fn inside(conn: &mut Mutex<Connection>) -> &mut Connection {
    conn.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the same parameters on connections that can be shared.
pub(crate) fn walk(
    source: &Source,
    shutdown: &Shutdown,
    pause: Duration,
) -> Result<(), Box<dyn StdError>> {
    let pool = SharedPool::builder().max_size(6).max_sharing(3).build(Locked(source.manager()))?;
    let report = Report { state: || pool.state(), min_idle: 0, shutdown, pause };
    report.head("maxshared=3, on connections behind a Mutex");

    // Four connections first: a share does not wait long for a new one if there is one to join.
    let four = [(); 4].map(|()| pool.get());
    drop(four.into_iter().collect::<Result<Vec<_>, _>>()?);
    report.step("four are opened and given back", 0, 0)?;

    let mut holders = Vec::new();
    for count in 1..=7 {
        holders.push(pool.share()?);
        report.step(&format!("share(), holder {count}"), count.min(3), 0)?;
    }
    let alone = pool.get()?; // a connection of one's own is never a shared one
    report.step("get(): one more, for itself", 4, 0)?;

    let answer = holders[6].lock().map_err(|_| "a holder panicked")?.query("SELECT 6 * 7", &[])?;
    println!("  holder 7 asks through the lock: {}", answer[0].integer(0)?);
    drop((alone, holders));
    report.step("all are given back", 0, 0)
}
