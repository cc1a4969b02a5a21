//! What the manager knows because it watches the wire: transactions, answers, hang-ups, limits.

mod common;

use std::time::{Duration, Instant};

use common::{Database, code};
use threadwise_core::ManageConnection;
use threadwise_postgres::postgres::fallible_iterator::FallibleIterator;
use threadwise_postgres::{ErrorClass, PostgresManager, classify};
use threadwise_testkit::postgres::Postgres;
use threadwise_testkit::wait;

#[test]
fn the_sql_works_over_tcp_and_over_the_unix_socket() {
    let server = Postgres::shared();
    for url in [server.url(), server.socket_url_for("postgres")] {
        let manager = PostgresManager::from_url(&url).unwrap();
        let mut conn = manager.connect().unwrap();
        let row = conn.query_one("SELECT $1::int + 1", &[&41]).unwrap();
        assert_eq!(row.get::<_, i32>(0), 42, "{url}");
        let id: i32 = conn.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        assert_eq!(conn.process_id(), id);
        manager.is_valid(&mut conn).unwrap();
        assert!(!manager.has_broken(&mut conn));
    }
}

#[test]
fn a_session_that_the_server_ended_is_seen_without_a_round_trip() {
    let server = Postgres::shared();
    for url in [server.url(), server.socket_url_for("postgres")] {
        let manager = PostgresManager::from_url(&url).unwrap();
        let mut conn = manager.connect().unwrap();
        server.kill_session(conn.process_id());
        wait::until("the look to see it", || manager.has_broken(&mut conn));
    }
}

#[test]
fn a_look_at_an_idle_connection_sends_nothing_and_costs_microseconds() {
    let (manager, mut conn) = Database::new(&[]).connect();
    conn.batch_execute("SELECT 1").unwrap();
    let answered = manager.last_answer(&conn);
    wait::until("the answer to be old", || answered.unwrap().elapsed() > Duration::from_millis(1));
    let start = Instant::now();
    for _ in 0..1_000 {
        assert!(!manager.has_broken(&mut conn));
    }
    eprintln!("a look took {:?}", start.elapsed() / 1_000);
    assert_eq!(manager.last_answer(&conn), answered, "the server was asked");
    assert!(!manager.has_changed(&mut conn));
    conn.batch_execute("SELECT 1").unwrap();
}

#[test]
fn a_look_after_a_query_by_its_text_sends_nothing() {
    let (manager, mut conn) = Database::new(&[]).connect();
    for _ in 0..100 {
        conn.query_one("SELECT 1", &[]).unwrap(); // the driver will close the statement
        assert!(!manager.has_changed(&mut conn)); // a return
        // The look may find the answer to the close, which is an answer of the server.
        let answered = manager.last_answer(&conn).unwrap();
        wait::until("the answer to be old", || answered.elapsed() > Duration::from_millis(3));
        assert!(!manager.has_broken(&mut conn));
    }
    let database = Database::new(&[]);
    let (manager, mut conn) = database.connect();
    conn.query_one("SELECT 1", &[]).unwrap();
    assert!(!manager.has_changed(&mut conn));
    Postgres::shared().kill_session(conn.process_id());
    wait::until("the look to see it", || manager.has_broken(&mut conn));
}

#[test]
fn notifications_survive_a_look() {
    let (manager, mut conn) = Database::new(&[]).connect();
    conn.batch_execute("LISTEN news; NOTIFY news, 'one'").unwrap();
    let answered = manager.last_answer(&conn).unwrap();
    wait::until("the answer to be old", || answered.elapsed() > Duration::from_millis(1));
    assert!(!manager.has_broken(&mut conn));
    assert_eq!(conn.notifications().len(), 1);

    // Also if the session began with it, and statements are to be closed.
    conn.notifications().iter().next().unwrap();
    manager.begin_session(&mut conn);
    conn.query_one("SELECT 1", &[]).unwrap();
    conn.query_one("SELECT pg_notify('news', 'two')", &[]).unwrap();
    manager.has_changed(&mut conn);
    wait::until("the notification", || {
        let _ = manager.is_valid(&mut conn);
        conn.notifications().len() == 1
    });
}

#[test]
fn the_transaction_is_the_one_that_the_server_reports() {
    let (manager, mut conn) = Database::new(&["CREATE TABLE t (id INT)"]).connect();
    assert!(!manager.in_transaction(&mut conn));
    conn.batch_execute("DO $$ BEGIN PERFORM 1; END $$; BEGIN").unwrap();
    assert!(manager.in_transaction(&mut conn));
    conn.batch_execute("SELECT no_such_column").unwrap_err();
    assert!(manager.in_transaction(&mut conn), "it has failed, and is open");
    conn.batch_execute("COMMIT").unwrap();
    assert!(!manager.in_transaction(&mut conn));
    let transaction = conn.transaction().unwrap();
    std::mem::forget(transaction);
    assert!(manager.in_transaction(&mut conn));
}

#[test]
fn an_answer_that_does_not_come_ends_the_wait() {
    let server = Postgres::start().unwrap();
    let manager = PostgresManager::from_url(&server.url())
        .unwrap()
        .read_timeout(Some(Duration::from_millis(100)));
    let mut conn = manager.connect().unwrap();
    server.freeze();
    let error = conn.batch_execute("SELECT 1").unwrap_err();
    server.thaw();
    assert_eq!(classify(&error), ErrorClass::Lost);
    assert!(manager.has_broken(&mut conn));
}

#[test]
fn a_check_a_reset_and_a_connect_end_at_their_limits_on_a_frozen_server() {
    let server = Postgres::start().unwrap();
    let manager = PostgresManager::from_url(&server.url()).unwrap();
    let limit = Duration::from_millis(100);
    let [mut a, mut b, mut c] = [(); 3].map(|()| manager.connect().unwrap());
    server.freeze();
    assert!(manager.is_valid_within(&mut a, limit).is_err());
    assert!(manager.reset_within(&mut b, limit).is_err());
    assert!(manager.connect_within(limit).is_err());
    let patient = manager.is_valid_patient(&mut c, limit, wait::PATIENCE);
    assert!(patient.is_none(), "the check goes on");
    server.thaw();
    let patient = manager.is_valid_patient(&mut c, wait::PATIENCE, wait::PATIENCE);
    patient.expect("an answer").unwrap();
    let number: i32 = c.query_one("SELECT 3", &[]).unwrap().get(0);
    assert_eq!(number, 3, "the connection is in step");
}

#[test]
fn a_reset_ends_at_its_limit_where_rows_were_forgotten() {
    let (manager, mut conn) = Database::new(&[]).connect();
    let sql = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)";
    let mut rows = conn.query_raw(sql, std::iter::empty::<i32>()).unwrap();
    rows.next().unwrap();
    std::mem::forget(rows);
    assert!(manager.has_changed(&mut conn));
    let error = manager.reset_within(&mut conn, Duration::from_millis(100)).unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost);
    assert!(manager.has_broken(&mut conn));
}

#[test]
fn rows_that_were_dropped_half_read_do_no_harm() {
    let (manager, mut conn) = Database::new(&[]).connect();
    let sql = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)";
    conn.query_raw(sql, std::iter::empty::<i32>()).unwrap().next().unwrap();
    assert!(manager.has_changed(&mut conn), "the server still sends rows");
    manager.reset(&mut conn).unwrap();
    let number: i32 = conn.query_one("SELECT 3", &[]).unwrap().get(0);
    assert_eq!(number, 3);
}

#[test]
fn a_statement_can_be_cancelled_over_tcp_and_over_the_unix_socket() {
    let server = Postgres::shared();
    for url in [server.url(), server.socket_url_for("postgres")] {
        let mut conn = PostgresManager::from_url(&url).unwrap().connect().unwrap();
        let token = conn.cancel_token();
        let error = std::thread::scope(|threads| {
            let cancel = threads.spawn(|| {
                let mut admin = server.admin();
                wait::until("the statement to run", || {
                    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
                    admin.query_one(sql, &[]).unwrap().get::<_, i64>(0) > 0
                });
                token.cancel_query()
            });
            let error = conn.batch_execute("SELECT pg_sleep(60)").unwrap_err();
            cancel.join().unwrap().unwrap();
            error
        });
        assert_eq!(code(&error), "57014");
        conn.batch_execute("SELECT 1").unwrap();
    }
}

#[test]
fn copying_and_rows_go_through() {
    use std::io::{Read, Write};

    let (manager, mut conn) = Database::new(&["CREATE TABLE t (id INT)"]).connect();
    let mut writer = conn.copy_in("COPY t (id) FROM STDIN").unwrap();
    for id in 0..10_000 {
        writeln!(writer, "{id}").unwrap();
    }
    writer.finish().unwrap();
    let mut text = String::new();
    conn.copy_out("COPY t TO STDOUT").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 10_000);
    assert_eq!(conn.query("SELECT id FROM t", &[]).unwrap().len(), 10_000);
    assert!(!manager.has_changed(&mut conn));
}
