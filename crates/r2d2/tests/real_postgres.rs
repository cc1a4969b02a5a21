//! r2d2_postgres's manager, unchanged, in each pool, on a private PostgreSQL.

mod common;

use common::{opened, pool_of_one};
use r2d2_postgres::PostgresConnectionManager;
use r2d2_postgres::postgres::error::SqlState;
use r2d2_postgres::postgres::{Client, Config, Error, NoTls};
use threadwise::{CloseReason, GetError, Pool, PoolKind};
use threadwise_r2d2::FromR2d2;
use threadwise_testkit::postgres::Postgres;
use threadwise_testkit::wait::until;

type Manager = PostgresConnectionManager<NoTls>;
type Adapted = FromR2d2<Manager>;

fn config() -> Config {
    Postgres::shared().url().parse().unwrap()
}

/// The manager, as a program for r2d2 makes it.
fn manager() -> Manager {
    Manager::new(config(), NoTls)
}

/// The manager, and all that a program can say of it.
fn adapted() -> Adapted {
    FromR2d2::new(manager())
        .reset_with(|conn| {
            conn.batch_execute("ROLLBACK")?; // only a warning if no transaction is open
            conn.batch_execute("DISCARD ALL")
        })
        .is_lost_with(Error::is_closed)
        .has_broken_on_checkout(true) // a flag of the driver
        .address("the private PostgreSQL")
}

fn id(conn: &mut Client) -> Result<i32, Error> {
    Ok(conn.query_one("SELECT pg_backend_pid()", &[])?.get(0))
}

fn work_mem(conn: &mut Client) -> String {
    conn.query_one("SHOW work_mem", &[]).unwrap().get(0)
}

#[test]
fn a_manager_without_further_settings_works_and_leaves_sessions_as_they_are() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, FromR2d2::new(manager()));
        pool.get().unwrap().batch_execute("SET work_mem = '5MB'").unwrap();
        assert_eq!(work_mem(&mut pool.get().unwrap()), "5MB", "{kind}: as in r2d2");
        assert_eq!(pool.state().counters.resets, 0, "{kind}");
    }
}

#[test]
fn with_reset_with_the_next_borrower_finds_a_fresh_session() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, adapted());
        pool.get().unwrap().batch_execute("SET work_mem = '5MB'").unwrap();
        pool.get().unwrap().batch_execute("BEGIN; CREATE TABLE never (id INT)").unwrap();
        let mut conn = pool.get().unwrap();
        assert_eq!(work_mem(&mut conn), "4MB", "{kind}");
        let never = conn.query_one("SELECT to_regclass('never') IS NULL", &[]).unwrap();
        assert!(never.get::<_, bool>(0), "{kind}: the transaction was rolled back");
        assert_eq!(opened(&pool), 1, "{kind}");
    }
}

#[test]
fn a_connection_that_the_server_has_closed_is_replaced_by_steady() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, adapted());
        let mut conn = pool.get().unwrap();
        let before = id(&mut conn).unwrap();
        Postgres::shared().kill_session(before);
        until("the server to have hung up", || id(&mut conn).is_err());
        let ask = |conn: &mut Client| id(conn).map_err(|error| pool.manager().error(error));
        assert_ne!(conn.steady(ask).unwrap(), before, "{kind}");
    }
}

#[test]
fn a_connection_that_the_server_has_closed_does_not_come_back() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, FromR2d2::new(manager()));
        let mut conn = pool.get().unwrap();
        Postgres::shared().kill_session(id(&mut conn).unwrap());
        until("the driver to notice", || id(&mut conn).is_err() && conn.is_closed());
        drop(conn);
        until("the connection is closed", || {
            pool.state().counters.closed(CloseReason::Broken) == 1
        });
        id(&mut pool.get().unwrap()).unwrap();
    }
}

#[test]
fn a_wrong_password_is_an_error_at_once_with_the_servers_words_and_without_the_password() {
    for kind in PoolKind::ALL {
        let mut wrong = config();
        wrong.user("nemo").password("swordfish");
        let manager = FromR2d2::new(Manager::new(wrong, NoTls))
            .is_permanent_with(|error| error.code() == Some(&SqlState::INVALID_PASSWORD))
            .address("the private PostgreSQL");
        let text = match kind.builder().size(1).build(manager) {
            Err(error) => threadwise::chain(&error).to_string(),
            Ok(pool) => match pool.get() {
                Err(error @ GetError::ConnectFailed(_)) => threadwise::chain(&error).to_string(),
                Err(error) => panic!("{kind}: {error:?}"),
                Ok(_) => panic!("{kind}: the server let a stranger in"),
            },
        };
        assert_eq!(text.matches("password authentication failed").count(), 1, "{kind}: {text}");
        assert!(!text.contains("swordfish"), "{kind}: {text}");
    }
}

#[test]
fn the_compat_pool_runs_a_program_for_r2d2() {
    use threadwise_r2d2::compat as r2d2;
    let pool = r2d2::Pool::builder().max_size(2).build(manager()).unwrap();
    let mut conn = pool.get().unwrap();
    let answer: i32 = conn.query_one("SELECT 42", &[]).unwrap().get(0);
    assert_eq!(answer, 42);
}
