//! Managers of these pools in a pool of r2d2.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use threadwise::{ManageConnection, Reset};
use threadwise_r2d2::IntoR2d2;
use threadwise_sqlite::SqliteManager;

/// The number of a session, its content, and whether its manager should retire it.
#[derive(Debug, Default)]
struct Session {
    content: Vec<u32>,
    sessions_begun: u32,
    leaves: bool,
}

#[derive(Default)]
struct Sessions {
    panics: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl ManageConnection for Sessions {
    type Connection = Session;
    type Error = std::io::Error;

    fn connect(&self) -> std::io::Result<Session> {
        Ok(Session::default())
    }

    fn is_valid(&self, _: &mut Session) -> std::io::Result<()> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Session) -> bool {
        if self.panics.load(SeqCst) {
            resume_unwind(Box::new("as planned"));
        }
        false
    }

    fn has_changed(&self, session: &mut Session) -> bool {
        !session.content.is_empty()
    }

    fn reset(&self, session: &mut Session) -> std::io::Result<()> {
        session.content.clear();
        Ok(())
    }

    fn begin_session(&self, session: &mut Session) {
        session.sessions_begun += 1;
    }

    fn should_retire(&self, session: &mut Session) -> bool {
        session.leaves
    }

    fn pool_closed(&self) {
        self.closed.store(true, SeqCst);
    }
}

fn pool(manager: Sessions) -> r2d2::Pool<IntoR2d2<Sessions>> {
    r2d2::Pool::builder().max_size(1).build(IntoR2d2::new(manager)).unwrap()
}

#[test]
fn the_next_borrower_finds_a_fresh_session() {
    let pool = pool(Sessions::default());
    pool.get().unwrap().content.push(1);
    let session = pool.get().unwrap();
    assert!(session.content.is_empty());
    assert_eq!(session.sessions_begun, 2);
}

#[test]
fn a_session_without_changes_is_not_reset() {
    let pool = pool(Sessions::default());
    drop(pool.get().unwrap());
    assert_eq!(pool.get().unwrap().sessions_begun, 1);
}

#[test]
fn reset_never_leaves_the_session_as_it_is() {
    let manager = IntoR2d2::new(Sessions::default()).reset(Reset::Never);
    let pool = r2d2::Pool::builder().max_size(1).build(manager).unwrap();
    pool.get().unwrap().content.push(1);
    assert_eq!(pool.get().unwrap().content, [1]);
}

#[test]
fn a_connection_that_the_manager_retires_or_panics_over_is_replaced() {
    let manager = Sessions::default();
    let panics = Arc::clone(&manager.panics);
    let pool = pool(manager);
    pool.get().unwrap().leaves = true;
    assert!(!pool.get().unwrap().leaves);

    let mut conn = pool.get().unwrap();
    conn.content.push(1);
    panics.store(true, SeqCst);
    drop(conn);
    panics.store(false, SeqCst);
    assert_eq!(pool.get().unwrap().sessions_begun, 1, "a new connection");
}

#[test]
fn a_connection_whose_holder_panicked_is_not_lent_again() {
    let pool = pool(Sessions::default());
    let holder = catch_unwind(AssertUnwindSafe(|| {
        let mut conn = pool.get().unwrap();
        conn.sessions_begun = 99;
        resume_unwind(Box::new("as planned"))
    }));
    assert!(holder.is_err_and(|panic| panic.downcast_ref() == Some(&"as planned")));
    assert_eq!(pool.get().unwrap().sessions_begun, 1, "a new connection");
}

#[test]
fn the_manager_hears_of_the_end_of_the_pool() {
    let manager = Sessions::default();
    let closed = Arc::clone(&manager.closed);
    drop(pool(manager));
    threadwise_testkit::wait::until("the manager hears of it", || closed.load(SeqCst));
}

#[test]
fn the_sqlite_manager_works_in_r2d2_and_rolls_back() {
    let manager = IntoR2d2::new(SqliteManager::memory());
    let pool = r2d2::Pool::builder().max_size(2).build(manager).unwrap();
    let conn = pool.get().unwrap();
    conn.execute_batch("CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (1)").unwrap();
    drop(conn);
    let rows: u32 =
        pool.get().unwrap().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
}
