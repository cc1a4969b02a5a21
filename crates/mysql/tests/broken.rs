//! A connection that may be out of step with its server is never used again.

mod common;

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use common::{as_root, ask, connect, connect_patiently, manager, wait_until};
use mysql::prelude::Queryable;
use mysql::{Error, TxOpts};
use threadwise_core::ManageConnection;
use threadwise_mysql::{Connection, ErrorClass, MysqlManager, classify};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

/// Sends its first row at once. The second row is too late for an impatient manager's first read,
/// but in time for its next one.
const STALLING_ROWS: &str =
    "SELECT REPEAT('x', 40000), SLEEP(n) FROM (SELECT 0.0 n UNION ALL SELECT 0.7 n) t";

fn impatient(name: &str) -> MysqlManager {
    manager(name).read_timeout(Some(Duration::from_millis(500)))
}

/// Returns a connection on which `act` ran into the read timeout, and what `act` returned then.
///
/// On a busy machine a login or a first row may come too late, or the row that should be late may
/// come in time. Then `act` returns `None`, and this tries again with another connection.
fn after_timeout<T>(
    manager: &MysqlManager,
    mut act: impl FnMut(&mut Connection) -> Option<T>,
) -> (Connection, T) {
    wait::until_some("a read timeout", || {
        let mut conn = connect_patiently(manager);
        act(&mut conn).map(|outcome| (conn, outcome))
    })
}

fn assert_out_of_use(manager: &MysqlManager, conn: &mut Connection) {
    assert_out_of_use_with(ErrorClass::Lost, manager, conn);
}

/// The same, and that later errors have this class.
fn assert_out_of_use_with(class: ErrorClass, manager: &MysqlManager, conn: &mut Connection) {
    assert!(manager.has_broken(conn));
    let error = conn.query_first::<u32, _>("SELECT 42").expect_err("it must not answer");
    assert_eq!(classify(&error), class, "{error}");
    assert!(error.to_string().contains("borrow another one"), "{error}");
    assert!(manager.is_valid(conn).is_err());
    assert!(manager.reset(conn).is_err());
}

#[test]
fn a_read_timeout_puts_the_connection_out_of_use() {
    let manager = impatient("timeout");
    let (mut conn, error) =
        after_timeout(&manager, |conn| conn.query_first::<u32, _>("SELECT 41 + SLEEP(0.7)").err());
    let Error::IoError(io) = &error else { panic!("{error}") };
    assert_eq!(io.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("read timeout 500ms"), "{error}");
    assert!(manager.is_lost(&error));
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn a_read_timeout_in_a_transaction_puts_the_connection_out_of_use() {
    let manager = impatient("timeout_tx");
    let (mut conn, _) = after_timeout(&manager, |conn| {
        let mut transaction = conn.start_transaction(TxOpts::default()).ok()?;
        transaction.query_first::<u32, _>("SELECT 41 + SLEEP(0.7)").err()
    });
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn a_read_timeout_after_the_first_row_puts_the_connection_out_of_use() {
    let manager = impatient("timeout_rest");
    let (mut conn, first) = after_timeout(&manager, |conn| {
        let first: Option<(String, u32)> = conn.query_first(STALLING_ROWS).ok()?;
        manager.has_broken(conn).then_some(first)
    });
    assert_eq!(first.expect("one row").0.len(), 40_000);
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn a_read_timeout_among_dropped_rows_is_returned() {
    let manager = impatient("timeout_drop");
    let (mut conn, _) = after_timeout(&manager, |conn| conn.query_drop(STALLING_ROWS).err());
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn after_a_read_timeout_in_query_iter_no_statement_gets_the_late_rows() {
    let manager = impatient("timeout_rows");
    let (mut conn, _) = after_timeout(&manager, |conn| {
        let mut rows = conn.query_iter(STALLING_ROWS).ok()?;
        rows.find_map(Result::err) // the second row is late
    });
    let error = conn.query_first::<u32, _>("SELECT 42").expect_err("it must not answer");
    assert!(manager.is_lost(&error), "{error}");
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn a_late_row_that_looks_like_an_answer_is_not_taken_for_one() {
    // Row 253 is late. The packets of an answer are numbered modulo 256, so it has the number of
    // the first packet of an answer. And it begins like one that says "done, no rows".
    const ROWS: &str = "SELECT IF(seq = 252, REPEAT('x', 40000), ''), \
                        IF(SLEEP(IF(seq = 253, 0.7, 0)), '', '00000') FROM seq_1_to_253";
    let manager = impatient("lookalike");
    let (mut conn, _) = after_timeout(&manager, |conn| {
        let mut rows = conn.query_iter(ROWS).ok()?;
        rows.find_map(Result::err) // the last row is late
    });
    let error = conn.query_first::<u32, _>("SELECT 42").expect_err("it must not answer");
    // Depending on whether the late row is there by now: "an earlier statement is unread" or
    // "earlier statements".
    assert!(error.to_string().contains("earlier statement"), "{error}");
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn a_connection_that_got_out_of_step_unseen_fails_its_reset() {
    let manager = impatient("timeout_reset");
    // Its late answer looks like the one to the reset.
    let (mut conn, _) =
        after_timeout(&manager, |conn| conn.as_mut_conn().query_drop("DO SLEEP(0.7)").err());
    let error = manager.reset(&mut conn).expect_err("the next user must not get it");
    assert!(manager.is_lost(&error), "{error}");
    assert!(manager.has_broken(&mut conn));
}

#[test]
fn forgotten_rows_are_not_taken_for_the_answer_to_the_next_statement() {
    let manager = manager("forgotten");
    let mut conn = connect(&manager);
    // More than fits into the buffers on the way, so that some of it is still unread.
    let rows = conn.query_iter("SELECT REPEAT('x', 100000), seq FROM seq_1_to_1000").unwrap();
    std::mem::forget(rows);
    let error = conn.query_first::<u32, _>("SELECT 42").expect_err("it must not answer");
    assert!(manager.is_lost(&error), "{error}");
    assert_out_of_use(&manager, &mut conn);
}

/// With compression, one packet on the wire holds many of the protocol's. So the socket is quiet
/// while the driver still has unread rows in its buffer.
#[test]
fn forgotten_rows_of_a_compressed_answer_are_not_taken_for_the_next_one() {
    let server = MariaDb::shared();
    let url = format!("{}&compress=fast", server.url_for(&server.create_database("compressed")));
    let manager = common::manager_for(&url);
    // The packets of an answer are numbered modulo 256, so each place in that cycle is tried.
    for rows in 1..=260 {
        let mut conn = connect(&manager);
        std::mem::forget(conn.query_iter(format!("SELECT 7 FROM seq_1_to_{rows}")).unwrap());
        if let Ok(answer) = conn.query_first::<u32, _>("SELECT 42") {
            assert_eq!(answer, Some(42), "{rows} rows");
        }
    }
}

#[test]
fn a_panic_among_rows_puts_the_connection_out_of_use() {
    let manager = manager("panic");
    let mut conn = connect(&manager);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _ = conn.query_map("SELECT 1 UNION SELECT 2", |_: u32| panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn a_killed_connection_is_found_without_asking_the_server() {
    let manager = manager("killed");
    let mut conn = connect(&manager);
    assert!(!manager.has_broken(&mut conn));
    MariaDb::shared().kill_connection(u64::from(conn.connection_id()));
    wait_until(|| manager.has_broken(&mut conn));
    let error = conn.query_drop("SELECT 1").expect_err("the server has closed it");
    assert!(manager.is_lost(&error), "{error}");
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn a_connection_killed_during_a_statement_is_lost() {
    let manager = manager("killed_busy");
    let mut conn = connect(&manager);
    let id = u64::from(conn.connection_id());
    std::thread::scope(|scope| {
        let statement = scope.spawn(|| conn.query_drop("DO SLEEP(30)"));
        let sleeps = format!(
            "SELECT COUNT(*) FROM information_schema.processlist \
             WHERE id = {id} AND state = 'User sleep'"
        );
        let mut admin = MariaDb::shared().admin();
        wait_until(|| admin.query_first::<u32, _>(&sleeps).unwrap() == Some(1));
        MariaDb::shared().kill_connection(id);
        let error = statement.join().unwrap().expect_err("it was killed");
        assert!(manager.is_lost(&error), "{error}");
    });
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn a_killed_statement_leaves_the_connection_usable() {
    let manager = manager("killed_query");
    let mut conn = connect(&manager);
    let id = conn.connection_id();
    std::thread::scope(|scope| {
        let statement = scope.spawn(|| {
            conn.query_first::<u32, _>(
                "SELECT COUNT(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b",
            )
        });
        let runs = format!(
            "SELECT COUNT(*) FROM information_schema.processlist \
             WHERE id = {id} AND command = 'Query'"
        );
        let mut admin = MariaDb::shared().admin();
        wait_until(|| {
            // The server forgets a kill that comes while the statement begins.
            if admin.query_first::<u32, _>(&runs).unwrap() == Some(1) {
                let _ = admin.query_drop(format!("KILL QUERY {id}")); // it may have ended meanwhile
            }
            statement.is_finished()
        });
        let error = statement.join().unwrap().expect_err("it was killed");
        assert!(!manager.is_lost(&error), "{error}");
    });
    let _ = conn.query_drop("DO 0"); // a kill that came too late ends the next statement
    assert_eq!(ask::<u32>(&mut conn, "SELECT 42"), 42);
}

#[test]
fn errors_of_statements_leave_the_connection_usable() {
    let manager = manager("ordinary");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TABLE t (x INT PRIMARY KEY)").unwrap();
    conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
    for sql in [
        "nonsense",
        "INSERT INTO t VALUES (1)",
        "USE no_such_database",
        // The error comes in the middle of the rows.
        "SELECT (SELECT 1 UNION SELECT seq) FROM seq_1_to_5000",
        // The error is that of the second statement.
        "SELECT 1; SELECT nonsense",
    ] {
        let error = conn.query_drop(sql).expect_err(sql);
        assert!(!manager.is_lost(&error), "{error}");
        assert!(!manager.has_broken(&mut conn), "{error}");
        assert_eq!(ask::<u32>(&mut conn, "SELECT 42"), 42);
    }
}

#[test]
fn wrong_use_of_the_driver_leaves_the_connection_usable() {
    let manager = manager("misuse");
    let mut conn = connect(&manager);
    conn.exec_drop("SELECT ?", ()).expect_err("a parameter is missing");
    conn.exec_drop("SELECT :a", vec![("b", 1)]).expect_err("it has another name");
    conn.exec_drop("SELECT :a, ?", (1,)).expect_err("two kinds of parameters");
    conn.query_first_opt::<u32, _>("SELECT 'x'").unwrap().unwrap().expect_err("no number");
    assert!(!manager.has_broken(&mut conn));
    assert_eq!(ask::<u32>(&mut conn, "SELECT 42"), 42);
}

#[test]
fn a_statement_that_is_too_large_leaves_the_connection_usable() {
    let manager = manager("too_large");
    let mut conn = connect(&manager);
    let limit: usize = ask(&mut conn, "SELECT @@max_allowed_packet");
    let error = conn.query_drop(format!("SELECT '{}'", "x".repeat(limit))).expect_err("too large");
    assert!(error.to_string().contains("max_allowed_packet"), "{error}");
    assert!(!manager.is_lost(&error) && !manager.has_broken(&mut conn));
    assert_eq!(ask::<u32>(&mut conn, "SELECT 42"), 42);
    manager.reset(&mut conn).unwrap();
}

#[test]
fn a_row_that_is_too_large_puts_the_connection_out_of_use() {
    let server = MariaDb::shared();
    let manager = common::manager_for(&format!("{}&max_allowed_packet=65536", server.url()));
    let mut conn = connect(&manager);
    conn.query_first::<String, _>("SELECT REPEAT('x', 200000)").expect_err("too large");
    conn.query_first::<u32, _>("SELECT 42").expect_err("what is left of the row is in the way");
    assert_out_of_use(&manager, &mut conn);
}

#[test]
fn a_failing_handler_of_local_files_puts_the_connection_out_of_use() {
    let manager = manager("infile");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TABLE t (x INT)").unwrap();
    conn.set_local_infile_handler(Some(mysql::LocalInfileHandler::new(|_, _| {
        Err(std::io::Error::other("no such file"))
    })));
    conn.query_drop("LOAD DATA LOCAL INFILE 'x' INTO TABLE t").expect_err("the handler fails");
    assert_out_of_use_with(ErrorClass::Unknown, &manager, &mut conn); // the server may have loaded some
}

#[test]
fn a_connection_that_dies_while_idle_is_found_at_once_whatever_it_did_before() {
    let manager = manager("dies_idle");
    for last in [
        |_: &MysqlManager, _: &mut Connection| {},
        |manager: &MysqlManager, conn: &mut Connection| manager.is_valid(conn).unwrap(),
        |manager: &MysqlManager, conn: &mut Connection| manager.reset(conn).unwrap(),
        |manager: &MysqlManager, conn: &mut Connection| {
            conn.query_drop("SET ROLE NONE").unwrap(); // whose reset asks for the role
            assert!(!manager.has_broken(conn));
            manager.reset(conn).unwrap();
        },
    ] {
        let (mut conn, mut other) = (connect(&manager), connect(&manager));
        conn.query_drop("SELECT 1").unwrap();
        assert!(!manager.has_broken(&mut conn)); // on return
        last(&manager, &mut conn);
        for id in [conn.connection_id(), other.connection_id()] {
            as_root(&format!("KILL {id}"));
            let left =
                format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}");
            let mut admin = MariaDb::shared().admin();
            wait_until(|| admin.query_first::<u32, _>(&left).unwrap() == Some(0));
        }
        wait_until(|| manager.has_broken(&mut other)); // which was killed after the first
        assert!(manager.has_broken(&mut conn));
    }
}
