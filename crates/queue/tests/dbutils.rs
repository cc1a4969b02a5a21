//! The tests of DBUtils' `SimplePooledDB`, row by row, on the pools of this crate.
//!
//! Its queue, for drivers whose connections have one user at a time, is `QueuePool`. Its list, for
//! drivers whose connections can be shared, is `RoundRobin`. `DIFFERENCE` marks where these pools behave
//! differently, and says why. Rows without a test here:
//!
//! | row | what it tests | why not here |
//! |---|---|---|
//! | S01 | version strings | they are Python's |
//! | S02 | a driver that is not thread-safe | would not compile: connections are `Send` |
//! | S03 | a driver that does not say whether it is thread-safe | would not compile either |

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

use threadwise_core::{GetError, ManageConnection, Reset};
use threadwise_queue::{QueuePool, RoundRobin};
use threadwise_testkit::wait;

/// The part of DBUtils' mock driver that these tests need.
struct Driver {
    database: &'static str,
    user: &'static str,
    opened: AtomicU32,
}

struct Session {
    id: u32,
    database: &'static str,
    user: &'static str,
    cursors: Mutex<Vec<&'static str>>,
}

impl Driver {
    fn new() -> Self {
        Self { database: "SimplePooledDBTestDB", user: "tester", opened: AtomicU32::new(0) }
    }
}

impl Session {
    fn open_cursor(&self, name: &'static str) {
        self.cursors.lock().unwrap().push(name);
    }

    fn open_cursors(&self) -> usize {
        self.cursors.lock().unwrap().len()
    }
}

impl ManageConnection for Driver {
    type Connection = Session;
    type Error = Infallible;

    fn connect(&self) -> Result<Session, Infallible> {
        let id = self.opened.fetch_add(1, SeqCst);
        Ok(Session { id, database: self.database, user: self.user, cursors: Mutex::default() })
    }

    fn is_valid(&self, _: &mut Session) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Session) -> bool {
        false
    }

    fn reset(&self, session: &mut Session) -> Result<(), Infallible> {
        session.cursors.get_mut().unwrap().clear();
        Ok(())
    }
}

fn queue(size: usize, reset: Reset) -> QueuePool<Driver> {
    QueuePool::builder().size(size).reset(reset).build(Driver::new()).unwrap()
}

#[test]
fn s04_a_connection_is_the_drivers_and_has_its_arguments() {
    let pool = queue(1, Reset::WhenChanged);
    let conn = pool.get().unwrap();
    assert_eq!((conn.database, conn.user), ("SimplePooledDBTestDB", "tester"));
    conn.open_cursor("first");
    assert_eq!(conn.open_cursors(), 1);
    let shared = RoundRobin::new(Driver::new(), 1).unwrap();
    let conn = shared.get().unwrap();
    assert_eq!((conn.database, conn.user), ("SimplePooledDBTestDB", "tester"));
    conn.open_cursor("first");
    assert_eq!(conn.open_cursors(), 1);
}

/// In DBUtils, a closed handle has no connection any more. Here, the handle itself does not exist any
/// more.
///
/// DIFFERENCE: in DBUtils, the next borrower finds the cursor that the last one left open, on a queue
/// too. Here the session is fresh, unless the setting is `Reset::Never` or several users share the
/// connection.
#[test]
fn s05_the_next_borrower_gets_the_returned_connection() {
    for (reset, left_open) in [(Reset::Never, 1), (Reset::WhenChanged, 0)] {
        let pool = queue(1, reset);
        let conn = pool.get().unwrap();
        conn.open_cursor("left open");
        drop(conn);
        let conn = pool.get().unwrap();
        assert_eq!((conn.id, conn.open_cursors()), (0, left_open), "{reset:?}");
    }
    let shared = RoundRobin::new(Driver::new(), 1).unwrap();
    shared.get().unwrap().open_cursor("left open");
    assert_eq!(shared.get().unwrap().open_cursors(), 1);
}

#[test]
fn s06_two_borrowed_connections_differ_and_a_returned_one_comes_back() {
    let pool = queue(2, Reset::Never);
    let (one, other) = (pool.get().unwrap(), pool.get().unwrap());
    assert_ne!(one.id, other.id);
    (0..5).for_each(|_| one.open_cursor("one's"));
    (0..7).for_each(|_| other.open_cursor("the other's"));
    assert_eq!((one.open_cursors(), other.open_cursors()), (5, 7));
    drop(other);
    let other = pool.get().unwrap();
    assert_eq!(other.open_cursors(), 7, "no other connection was idle");
    other.open_cursor("the other's");
    drop(one);
    let one = pool.get().unwrap();
    (0..3).for_each(|_| one.open_cursor("one's"));
    assert_eq!((one.open_cursors(), other.open_cursors()), (8, 8));
}

/// DIFFERENCE: a `get` that waits has a deadline, and `try_get` does not wait.
#[test]
fn s07_a_third_thread_waits_until_one_of_two_connections_is_given_back() {
    let pool = queue(2, Reset::WhenChanged);
    let (one, _other) = (pool.get().unwrap(), pool.get().unwrap());
    assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_))));
    let (send, got) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| send.send(pool.get().unwrap().id).unwrap());
        wait::until("the third thread to wait", || pool.state().waiting == 1);
        assert!(got.try_recv().is_err());
        let id = one.id;
        drop(one);
        assert_eq!(got.recv_timeout(wait::PATIENCE), Ok(id));
    });
}

#[test]
fn s08_102_gets_of_two_shared_connections_are_51_each() {
    let pool = RoundRobin::new(Driver::new(), 2).unwrap();
    let mut guards = Vec::new();
    for _ in 0..102 {
        let conn = pool.get().unwrap(); // no `get` waits, however many guards there are
        conn.open_cursor("each");
        guards.push(conn);
    }
    let of = |id| guards.iter().filter(|conn| conn.id == id).count();
    assert_eq!((of(0), of(1)), (51, 51));
    assert_eq!((guards[0].open_cursors(), guards[1].open_cursors()), (51, 51));
}
