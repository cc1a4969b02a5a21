//! Errors of a real server, on all three pools: what each costs, and that the pool works afterwards.

mod common;

use std::time::{Duration, Instant};

use common::{Database, code, on_each_pool};
use threadwise_core::{CloseReason, ManageConnection};
use threadwise_postgres::{ErrorClass, PostgresManager, classify, postgres};
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::postgres::Postgres;
use threadwise_testkit::{ClosedPort, wait};

fn manager(url: &str) -> PostgresManager {
    PostgresManager::from_url(url).expect("a good URL")
}

/// The server's own address for another login.
fn url_of(server: &Postgres, login: &str, database: &str) -> String {
    server.url_for(database).replace("postgres@", &format!("{login}@"))
}

#[test]
fn a_wrong_password_and_an_unknown_database_fail_at_once_and_for_good() {
    let server = Postgres::shared();
    server.run_all("postgres", &["CREATE ROLE known LOGIN PASSWORD 'right'"]);
    for (url, wanted) in [
        (url_of(server, "known:sesame", "postgres"), "28P01"),
        (url_of(server, "unknown:sesame", "postgres"), "28P01"),
        (server.url_for("no_such_database"), "3D000"),
    ] {
        let error = manager(&url).connect().unwrap_err();
        assert_eq!((code(&error), classify(&error)), (wanted, ErrorClass::Permanent));

        let start = Instant::now();
        let shared = SharedPool::builder().max_size(1).build(manager(&url));
        let text = shared.expect_err("no pool").to_string();
        assert!(start.elapsed() < wait::PATIENCE, "{text}");
        assert!(!text.contains("sesame"), "{text}");
        let queue = QueuePool::builder().size(1).build(manager(&url));
        assert!(!queue.expect_err("no pool").to_string().contains("sesame"));
        let persistent = threadwise_persistent::PersistentPool::builder().build(manager(&url));
        assert!(!persistent.expect_err("no pool").to_string().contains("sesame"));
    }
}

#[test]
fn a_password_that_is_set_later_is_used_from_then_on() {
    let server = Postgres::shared();
    server.run_all("postgres", &["CREATE ROLE late LOGIN PASSWORD 'right'"]);
    let manager = manager(&url_of(server, "late:wrong", "postgres"));
    manager.connect().unwrap_err();
    manager.set_credentials(Some("late"), Some("right"));
    manager.connect().unwrap();
}

#[test]
fn credentials_are_asked_for_at_each_connect() {
    use std::sync::{Arc, Mutex};
    use threadwise_postgres::Credentials;

    let server = Postgres::shared();
    server.run_all("postgres", &["CREATE ROLE token LOGIN PASSWORD 'right'"]);
    let password = Arc::new(Mutex::new(Some("right")));
    let current = Arc::clone(&password);
    let manager = manager(&server.url()).credentials_from(move || {
        let password = *current.lock().unwrap();
        Ok(Credentials::new("token", password.ok_or("the vault is sealed")?))
    });
    let mut conn = manager.connect().unwrap();
    let user: String = conn.query_one("SELECT current_user::text", &[]).unwrap().get(0);
    assert_eq!(user, "token");

    *password.lock().unwrap() = Some("wrong sesame");
    let error = manager.connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Permanent);
    assert!(!format!("{error:?}{manager:?}").contains("sesame"));

    *password.lock().unwrap() = None;
    let error = manager.connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Transient);
    let text = threadwise_core::chain(&error).to_string();
    assert!(text.contains("the vault is sealed"), "{text}");
}

#[test]
fn a_full_server_is_waited_for() {
    let server = Postgres::builder().max_connections(12).start().unwrap();
    server.run_all("postgres", &["CREATE ROLE app LOGIN PASSWORD 'x'"]);
    let url = url_of(&server, "app:x", "postgres");
    // Opened with the driver alone, because a manager has a second session for a moment. A session
    // that has just ended has its place for a moment, which may then be free once more.
    let connect = || postgres::Client::connect(&url, postgres::NoTls).ok();
    let mut held = Vec::new();
    let error = wait::until_some("the server to be full", || {
        held.extend(std::iter::from_fn(connect));
        manager(&url).connect().err()
    });
    assert_eq!((code(&error), classify(&error)), ("53300", ErrorClass::Transient));

    held.clear();
    wait::until("the server to have room", || server.session_ids("postgres").is_empty());
    on_each_pool!(manager(&url), |_name, pool| {
        pool.get().unwrap().batch_execute("SELECT 1").unwrap();
    });
}

#[test]
fn a_session_that_is_ended_while_it_is_idle_is_replaced_unseen() {
    let server = Postgres::shared();
    let database = Database::new(&[]);
    on_each_pool!(database.manager(), |name, pool| {
        let id = pool.get().unwrap().process_id();
        server.kill_session(id);
        // The farewell may be on its way: the pool's free check skips a connection that the server has
        // answered on within half a millisecond.
        wait::until("the server's end of the session", || {
            server.session_ids(&database.name).is_empty()
        });
        let mut conn = pool.get().unwrap();
        conn.batch_execute("SELECT 1").unwrap();
        assert_ne!(conn.process_id(), id, "{name}");
    });
}

#[test]
fn a_session_that_is_ended_in_use_is_lost_and_steady_works_on_a_new_one() {
    let server = Postgres::shared();
    let database = Database::new(&[]);
    on_each_pool!(database.manager(), |name, pool| {
        let mut conn = pool.get().unwrap();
        server.kill_session(conn.process_id());
        let error = conn.batch_execute("SELECT 1").unwrap_err();
        assert_eq!(classify(&error), ErrorClass::Lost, "{name}: {error:?}");
        drop(conn);
        // A shared pool closes it on a thread of its own.
        wait::until("the connection to be closed as a broken one", || {
            pool.state().counters.closed(CloseReason::Broken) == 1
        });

        let mut conn = pool.get().unwrap();
        server.kill_session(conn.process_id());
        conn.steady(|conn| conn.batch_execute("SELECT 1")).unwrap();
        conn.batch_execute("BEGIN").unwrap();
        server.kill_session(conn.process_id());
        let error = conn.steady(|conn| conn.batch_execute("SELECT 1")).unwrap_err();
        assert_eq!(
            classify(&error),
            ErrorClass::Lost,
            "{name}: in a transaction nothing runs again"
        );
    });
}

#[test]
fn a_statement_that_takes_too_long_costs_no_connection() {
    let database = Database::new(&[]);
    on_each_pool!(database.manager(), |name, pool| {
        let mut conn = pool.get().unwrap();
        let id = conn.process_id();
        // Long enough for the reset, which has the same limit, on a busy machine.
        conn.batch_execute("SET statement_timeout = '500ms'").unwrap();
        let error = conn.batch_execute("SELECT pg_sleep(60)").unwrap_err();
        assert_eq!((code(&error), classify(&error)), ("57014", ErrorClass::Ordinary), "{name}");
        drop(conn);
        let mut conn = pool.get().unwrap();
        assert_eq!(conn.process_id(), id, "{name}");
        let limit: String = conn.query_one("SHOW statement_timeout", &[]).unwrap().get(0);
        assert_eq!(limit, "0", "{name}");
    });
}

#[test]
fn a_transaction_that_the_server_ends_for_its_idleness_is_lost() {
    let server = Postgres::shared();
    let database = Database::new(&[]);
    on_each_pool!(database.manager(), |name, pool| {
        let mut conn = pool.get().unwrap();
        let sql = "SET idle_in_transaction_session_timeout = '300ms'";
        conn.batch_execute(sql).unwrap();
        conn.batch_execute("BEGIN").unwrap();
        wait::until("the server to end it", || server.session_ids(&database.name).is_empty());
        let error = conn.batch_execute("SELECT 1").unwrap_err();
        assert_eq!(classify(&error), ErrorClass::Lost, "{name}: {error:?}");
        drop(conn);
        pool.get().unwrap().batch_execute("SELECT 1").unwrap();
    });
}

#[test]
fn a_connection_whose_server_has_become_read_only_is_closed_on_return() {
    let database = Database::new(&["CREATE TABLE t (id INT)"]);
    let read_only = "SET default_transaction_read_only = on";
    on_each_pool!(database.manager().init(read_only), |name, pool| {
        let mut conn = pool.get().unwrap();
        let id = conn.process_id();
        let error = conn.batch_execute("INSERT INTO t VALUES (1)").unwrap_err();
        assert_eq!((code(&error), classify(&error)), ("25006", ErrorClass::Transient), "{name}");
        drop(conn);
        wait::until("the connection to be settled, and closed", || {
            pool.get().unwrap().process_id() != id
        });
    });
}

#[test]
fn a_refusal_to_write_where_read_only_was_asked_for_costs_no_connection() {
    let (manager, mut conn) = Database::new(&["CREATE TABLE t (id INT)"]).connect();
    let opened = Instant::now();
    let mut transaction = conn.build_transaction().read_only(true).start().unwrap();
    let error = transaction.batch_execute("INSERT INTO t VALUES (1)").unwrap_err();
    assert_eq!(code(&error), "25006");
    drop(transaction);
    wait::until("the connection to be settled", || opened.elapsed() > Duration::from_secs(2));
    assert!(!manager.has_broken(&mut conn));
}

#[test]
fn a_pool_works_again_after_its_server_has_restarted() {
    let mut server = Postgres::start().unwrap();
    on_each_pool!(manager(&server.url()), |name, pool| {
        pool.get().unwrap().batch_execute("SELECT 1").unwrap();
        server.restart().unwrap();
        pool.get().unwrap().batch_execute("SELECT 1").expect(name);

        pool.get().unwrap().batch_execute("SELECT 1").unwrap();
        server.kill9();
        let error = manager(&server.url()).connect().unwrap_err();
        assert_eq!(classify(&error), ErrorClass::Transient, "{name}");
        server.restart().unwrap();
        pool.get().unwrap().batch_execute("SELECT 1").expect(name);
    });
}

#[cfg(unix)]
#[test]
fn a_server_that_is_not_there_is_transient_over_the_unix_socket_too() {
    let manager = manager("postgres://app@%2Fno%2Fsuch%2Fdirectory/shop");
    let error = manager.connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Transient);
    let text = threadwise_core::chain(&error).to_string();
    assert!(text.contains("/no/such/directory/.s.PGSQL.5432"), "{text}");
}

#[test]
fn a_failing_statement_of_init_is_named_and_permanent() {
    let manager = Database::new(&[]).manager().init("SELECT 1").init("SELECT no_such_column");
    let error = manager.connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Permanent);
    let text = threadwise_core::chain(&error).to_string();
    assert!(text.contains("statement 2 of the setting `init`"), "{text}");
}

#[test]
fn tls_that_is_required_and_not_there_is_permanent() {
    let url = format!("{}?sslmode=require", Postgres::shared().url());
    let error = manager(&url).connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Permanent);
    let error = manager(&url).tls(postgres::NoTls).connect().unwrap_err();
    let text = threadwise_core::chain(&error).to_string();
    assert!(text.contains("does not offer TLS"), "{text}");
    assert_eq!(classify(&error), ErrorClass::Permanent);
    let url = format!("{}?sslmode=prefer", Postgres::shared().url());
    manager(&url).tls(postgres::NoTls).connect().unwrap();
}

#[test]
fn the_next_of_several_hosts_is_used_if_one_is_not_there_or_of_another_kind() {
    let server = Postgres::start().unwrap();
    let port = server.port();
    let closed = ClosedPort::take();
    let url = format!("postgres://postgres@{},127.0.0.1:{port}/postgres", closed.address());
    manager(&url).connect().unwrap();

    server.run_all("postgres", &["ALTER ROLE postgres SET default_transaction_read_only = on"]);
    let url = format!("{}?target_session_attrs=read-write", server.url());
    let error = manager(&url).connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Transient);
    let other = Postgres::shared().port();
    let url = format!(
        "postgres://postgres@127.0.0.1:{port},127.0.0.1:{other}/postgres\
         ?target_session_attrs=read-write"
    );
    manager(&url).connect().unwrap();
}

#[test]
fn the_pools_name_is_the_application_name() {
    let database = Database::new(&[]);
    let pool =
        SharedPool::builder().max_size(1).name("checkout").build(database.manager()).unwrap();
    let name: String = pool.get().unwrap().query_one("SHOW application_name", &[]).unwrap().get(0);
    assert_eq!(name, "checkout");
}
