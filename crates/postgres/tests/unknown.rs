//! Connections that are lost while the server may be committing: the outcome is unknown, and `steady`
//! repeats nothing.

mod common;

use std::io::Write;
use std::thread;

use common::{Database, code, on_each_pool};
use threadwise_core::{ManageConnection, Outcome};
use threadwise_postgres::{Connection, ErrorClass, PostgresManager, classify, postgres};
use threadwise_testkit::postgres::Postgres;
use threadwise_testkit::{Proxy, wait};

const INSERT: &str = "INSERT INTO t VALUES (1)";

/// A database of the shared server, with an empty table, behind a proxy that can cut the wire.
struct Rig {
    proxy: Proxy,
    database: Database,
}

impl Rig {
    fn new() -> Self {
        let database = Database::new(&["CREATE TABLE t (a INT)"]);
        let server = ([127, 0, 0, 1], Postgres::shared().port()).into();
        Self { proxy: Proxy::before(server).unwrap(), database }
    }

    fn manager(&self) -> PostgresManager {
        let address = self.proxy.address();
        let url = format!("postgres://postgres@{address}/{}", self.database.name);
        PostgresManager::from_url(&url).unwrap()
    }

    /// How many rows the table has for others.
    fn rows(&self) -> i64 {
        let mut admin = Postgres::shared().admin_of(&self.database.name);
        admin.query_one("SELECT COUNT(*) FROM t", &[]).unwrap().get(0)
    }

    /// Runs `act`, and cuts the wire when `is_time`. Then connections pass again.
    fn cut<T>(&self, is_time: impl Fn() -> bool + Sync, act: impl FnOnce() -> T) -> T {
        let result = thread::scope(|threads| {
            threads.spawn(|| {
                wait::until("the moment to cut", &is_time);
                self.proxy.refuse();
            });
            act()
        });
        self.proxy.serve();
        result
    }

    fn empty(&self) {
        Postgres::shared().run_all(&self.database.name, &["TRUNCATE t"]);
    }

    /// The outcome of an act whose wire is cut when the proxy has held something back of it.
    fn outcome_of_cut<P>(
        &self,
        hold: impl FnOnce(&Proxy),
        prepare: impl FnOnce(&mut Connection) -> P,
        act: impl FnOnce(&mut Connection, P) -> Result<(), postgres::Error>,
    ) -> Outcome {
        let manager = self.manager();
        let mut conn = manager.connect().unwrap();
        let prepared = prepare(&mut conn);
        let before = self.proxy.held();
        let error = self.cut(
            || self.proxy.held() > before,
            || {
                hold(&self.proxy);
                act(&mut conn, prepared).unwrap_err()
            },
        );
        assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
        manager.on_error(&mut conn, &error)
    }
}

/// Runs all statements, and calls `before_last` before the last one.
fn run(
    conn: &mut Connection,
    statements: &[&str],
    before_last: impl FnOnce(),
) -> Result<(), postgres::Error> {
    let (last, first) = statements.split_last().unwrap();
    first.iter().try_for_each(|sql| conn.batch_execute(sql))?;
    before_last();
    conn.batch_execute(last)
}

/// The answer to the last statement is lost. The server has committed all the same.
#[test]
fn steady_does_not_repeat_what_was_committed_before_its_answer_was_lost() {
    let rig = Rig::new();
    for statements in [
        &["BEGIN", INSERT, "COMMIT"][..],
        &[INSERT],
        &["BEGIN; INSERT INTO t VALUES (1); COMMIT"],
        &["BEGIN", INSERT, "END"],
        &["DO $$ BEGIN INSERT INTO t VALUES (1); END $$"],
    ] {
        on_each_pool!(rig.manager(), |name, pool| {
            rig.empty();
            let mut conn = pool.get().unwrap();
            let mut runs = 0;
            let held_before = rig.proxy.held();
            let is_committed = || rig.proxy.held() > held_before && rig.rows() == 1;
            let result = rig.cut(is_committed, || {
                conn.steady(|conn| {
                    runs += 1;
                    run(conn, statements, || rig.proxy.hold_answers())
                })
            });
            let error = result.unwrap_err();
            assert_eq!((runs, rig.rows()), (1, 1), "{name}: {statements:?}");
            assert_eq!(conn.outcome(&error), Outcome::Unknown, "{name}: {statements:?}");

            // A program that overlooks this error does not overlook the next one.
            let later = conn.batch_execute("ROLLBACK").unwrap_err();
            assert_eq!(conn.outcome(&later), Outcome::Unknown, "{name}: {statements:?}");
            drop(conn);
            let row = pool.get().unwrap().query_one("SELECT COUNT(*) FROM t", &[]).unwrap();
            assert_eq!(row.get::<_, i64>(0), 1, "{name}: {statements:?}: on another connection");
        });
    }
}

#[test]
fn a_statement_that_did_not_reach_the_server_is_unknown_too() {
    let rig = Rig::new();
    for statements in [&["BEGIN", INSERT, "COMMIT"][..], &[INSERT]] {
        let (last, first) = statements.split_last().unwrap();
        let outcome = rig.outcome_of_cut(
            Proxy::hold_questions,
            |conn| first.iter().for_each(|sql| conn.batch_execute(sql).unwrap()),
            |conn, ()| conn.batch_execute(last),
        );
        assert_eq!((outcome, rig.rows()), (Outcome::Unknown, 0), "{statements:?}");
    }
}

#[test]
fn what_the_server_has_certainly_not_committed_is_only_lost() {
    let rig = Rig::new();
    for statements in [
        &["BEGIN", INSERT][..],
        &["BEGIN", INSERT, "ROLLBACK"],
        &["BEGIN", "SELECT a FROM t", "COMMIT"],
        &["BEGIN", INSERT, "CREATE TABLE other (a INT)"],
        &["BEGIN"],
        &["COMMIT"],
        &["SELECT COUNT(*) FROM t"],
        &["SET search_path = public"],
    ] {
        let (last, first) = statements.split_last().unwrap();
        let outcome = rig.outcome_of_cut(
            Proxy::hold_answers,
            |conn| first.iter().for_each(|sql| conn.batch_execute(sql).unwrap()),
            |conn, ()| conn.batch_execute(last),
        );
        assert_eq!((outcome, rig.rows()), (Outcome::Lost, 0), "{statements:?}");
    }
}

#[test]
fn a_change_is_unknown_when_it_runs_and_not_while_it_is_prepared() {
    let rig = Rig::new();
    let prepared = rig.outcome_of_cut(
        Proxy::hold_answers,
        |_| (),
        |conn, ()| conn.execute("INSERT INTO t VALUES ($1)", &[&1]).map(drop),
    );
    assert_eq!((prepared, rig.rows()), (Outcome::Lost, 0));

    let executed = rig.outcome_of_cut(
        Proxy::hold_answers,
        |conn| conn.prepare("INSERT INTO t VALUES ($1)").unwrap(),
        |conn, statement| conn.execute(&statement, &[&1]).map(drop),
    );
    assert_eq!((executed, rig.rows()), (Outcome::Unknown, 1));
}

#[test]
fn a_copy_is_unknown_only_after_the_end_of_its_rows() {
    let copy = |conn: &mut Connection, hold: &dyn Fn(), ends: bool| {
        let mut writer = conn.copy_in("COPY t FROM STDIN")?;
        writer.write_all(b"1\n").expect("room for a row");
        hold();
        match ends {
            true => writer.finish().map(drop),
            // Sends what was written, and waits until the wire is cut.
            false => writer.flush().and_then(|()| wait_for_cut(&mut writer)).map_err(lost),
        }
    };
    let rig = Rig::new();
    for (ends, outcome, rows) in [(true, Outcome::Unknown, 1), (false, Outcome::Lost, 0)] {
        rig.empty();
        let manager = rig.manager();
        let mut conn = manager.connect().unwrap();
        let hold = || match ends {
            true => rig.proxy.hold_answers(),
            false => rig.proxy.hold_questions(),
        };
        let before = rig.proxy.held();
        let is_time = || rig.proxy.held() > before && rig.rows() == rows;
        let error = rig.cut(is_time, || copy(&mut conn, &hold, ends).unwrap_err());
        assert_eq!(manager.on_error(&mut conn, &error), outcome, "ends: {ends}");
        assert_eq!(rig.rows(), rows, "ends: {ends}");
    }
}

/// Writes rows until the connection is lost.
fn wait_for_cut(writer: &mut postgres::CopyInWriter<'_>) -> std::io::Result<()> {
    loop {
        writer.write_all(b"1\n")?;
        writer.flush()?;
    }
}

/// The driver's error in the one of a writer.
fn lost(error: std::io::Error) -> postgres::Error {
    let inner = error.into_inner().expect("the driver's error");
    *inner.downcast().expect("the driver's error")
}

#[test]
fn a_session_that_has_ended_before_a_change_is_replaced_by_steady() {
    let server = Postgres::shared();
    let database = Database::new(&["CREATE TABLE t (a INT)"]);
    on_each_pool!(database.manager(), |name, pool| {
        server.run_all(&database.name, &["TRUNCATE t"]);
        let mut conn = pool.get().unwrap();
        let statement = conn.prepare(INSERT).unwrap();
        let id = conn.process_id();
        server.kill_session(id);
        wait::until("the end of the session", || !server.session_ids(&database.name).contains(&id));
        // Its own statement cannot run on another connection.
        let error = conn.execute(&statement, &[]).unwrap_err();
        assert_eq!(conn.outcome(&error), Outcome::Lost, "{name}: {error}");
        conn.steady(|conn| conn.batch_execute(INSERT)).unwrap();
        assert_ne!(conn.process_id(), id, "{name}");
        let row = conn.query_one("SELECT COUNT(*) FROM t", &[]).unwrap();
        assert_eq!(row.get::<_, i64>(0), 1, "{name}");
    });
}

/// A server whose commits wait for a standby that never comes, after they have taken effect there.
fn server_without_its_standby() -> Postgres {
    let server = Postgres::builder()
        .setting("synchronous_standby_names=never")
        .setting("synchronous_commit=local")
        .start()
        .unwrap();
    server.run_all("postgres", &["CREATE TABLE t (a INT)"]);
    server
}

/// Runs statements, of which the last one waits for the standby, and calls `act` with the session's
/// number meanwhile.
fn interrupt(
    server: &Postgres,
    conn: &mut Connection,
    statements: &[&str],
    act: &str,
) -> Result<(), postgres::Error> {
    let id = conn.process_id();
    conn.batch_execute("SET synchronous_commit = on").unwrap();
    thread::scope(|threads| {
        let running = threads.spawn(|| run(conn, statements, || ()));
        let mut admin = server.admin();
        wait::until("a commit that waits", || {
            let waits = "SELECT wait_event IS NOT DISTINCT FROM 'SyncRep' FROM pg_stat_activity WHERE pid = $1";
            admin.query_one(waits, &[&id]).unwrap().get(0)
        });
        admin.query_one(&format!("SELECT {act}($1)"), &[&id]).unwrap();
        running.join().unwrap()
    })
}

#[test]
fn a_commit_whose_session_is_ended_is_unknown_and_one_that_is_cancelled_is_done() {
    let server = server_without_its_standby();
    let manager = PostgresManager::from_url(&server.url()).unwrap();
    let rows =
        || -> i64 { server.admin().query_one("SELECT COUNT(*) FROM t", &[]).unwrap().get(0) };
    for statements in [&["BEGIN", INSERT, "COMMIT"][..], &[INSERT]] {
        let before = rows();
        let mut conn = manager.connect().unwrap();
        let error = interrupt(&server, &mut conn, statements, "pg_terminate_backend").unwrap_err();
        assert_eq!(manager.on_error(&mut conn, &error), Outcome::Unknown, "{}", code(&error));
        assert_eq!(rows(), before + 1, "{statements:?}");

        let mut conn = manager.connect().unwrap();
        interrupt(&server, &mut conn, statements, "pg_cancel_backend").unwrap();
        assert_eq!(rows(), before + 2, "{statements:?}");
    }
}

#[test]
fn a_commit_that_the_server_refuses_has_failed() {
    let database = Database::new(&["CREATE TABLE t (a INT UNIQUE DEFERRABLE INITIALLY DEFERRED)"]);
    let manager = database.manager();
    let mut conn = manager.connect().unwrap();
    let error = run(&mut conn, &["BEGIN", INSERT, INSERT, "COMMIT"], || ()).unwrap_err();
    assert_eq!(code(&error), "23505");
    assert_eq!(manager.on_error(&mut conn, &error), Outcome::Failed);
}
