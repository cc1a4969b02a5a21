//! r2d2_mysql's manager, unchanged, in each pool, on a private MariaDB.

mod common;

use common::{opened, pool_of_one};
use r2d2_mysql::MySqlConnectionManager;
use r2d2_mysql::mysql::prelude::Queryable;
use r2d2_mysql::mysql::{Conn, Error, Opts, OptsBuilder};
use threadwise::{CloseReason, GetError, Pool, PoolKind, Reset};
use threadwise_r2d2::FromR2d2;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait::until;

type Adapted = FromR2d2<MySqlConnectionManager>;

/// The manager, as a program for r2d2 makes it.
fn manager() -> MySqlConnectionManager {
    let opts = Opts::from_url(&MariaDb::shared().url()).unwrap();
    MySqlConnectionManager::new(OptsBuilder::from_opts(opts))
}

/// The manager, and all that a program can say of it.
fn adapted() -> Adapted {
    FromR2d2::new(manager())
        .reset_with(Conn::reset)
        .is_lost_with(|error| matches!(error, Error::IoError(_) | Error::CodecError(_)))
        .is_permanent_with(|error| matches!(error, Error::MySqlError(e) if e.code == 1045))
        .address("the private MariaDB")
}

#[test]
fn a_manager_without_further_settings_works_and_leaves_sessions_as_they_are() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, FromR2d2::new(manager()));
        pool.get().unwrap().query_drop("SET @secret = 'alice'").unwrap();
        let left: Option<Option<String>> =
            pool.get().unwrap().query_first("SELECT @secret").unwrap();
        assert_eq!(left, Some(Some("alice".to_string())), "{kind}: as in r2d2");
        assert_eq!(pool.state().counters.resets, 0, "{kind}");
    }
}

#[test]
fn with_reset_with_the_next_borrower_finds_a_fresh_session() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, adapted());
        pool.get().unwrap().query_drop("SET @secret = 'alice'").unwrap();
        pool.get().unwrap().query_drop("BEGIN").unwrap();
        let session: Option<(u8, Option<String>)> =
            pool.get().unwrap().query_first("SELECT @@in_transaction, @secret").unwrap();
        assert_eq!(session, Some((0, None)), "{kind}");
        assert_eq!(opened(&pool), 1, "{kind}");
    }
}

#[test]
fn a_connection_that_the_server_has_closed_is_replaced_by_steady() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, adapted());
        let mut conn = pool.get().unwrap();
        let id = conn.connection_id();
        MariaDb::shared().kill_connection(id.into());
        let ask = |conn: &mut Conn| {
            conn.query_first("SELECT CONNECTION_ID()").map_err(|error| pool.manager().error(error))
        };
        let now: Option<u32> = conn.steady(ask).unwrap();
        assert_ne!(now, Some(id), "{kind}");
    }
}

#[test]
fn a_connection_that_the_server_has_closed_does_not_come_back() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, FromR2d2::new(manager()));
        let conn = pool.get().unwrap();
        MariaDb::shared().kill_connection(conn.connection_id().into());
        drop(conn); // r2d2_mysql's `has_broken` asks the server
        until("the connection is closed", || {
            pool.state().counters.closed(CloseReason::Broken) == 1
        });
    }
}

#[test]
fn a_wrong_password_is_an_error_at_once_with_the_servers_words_and_without_the_password() {
    for kind in PoolKind::ALL {
        let opts = Opts::from_url(&MariaDb::shared().url()).unwrap();
        let wrong = OptsBuilder::from_opts(opts).user(Some("nemo")).pass(Some("swordfish"));
        let manager = FromR2d2::new(MySqlConnectionManager::new(wrong))
            .is_permanent_with(|error| matches!(error, Error::MySqlError(e) if e.code == 1045))
            .address("the private MariaDB");
        let builder = kind.builder().size(1).reset(Reset::Never);
        let text = match builder.build(manager) {
            Err(error) => threadwise::chain(&error).to_string(),
            Ok(pool) => match pool.get() {
                Err(error @ GetError::ConnectFailed(_)) => threadwise::chain(&error).to_string(),
                other => panic!("{kind}: {other:?}"),
            },
        };
        assert!(text.contains("Access denied"), "{kind}: {text}");
        assert!(!text.contains("swordfish"), "{kind}: {text}");
        assert_eq!(text.matches("Access denied").count(), 1, "{kind}: {text}");
    }
}

#[test]
fn the_compat_pool_runs_a_program_for_r2d2() {
    use threadwise_r2d2::compat as r2d2;
    let pool = r2d2::Pool::builder().max_size(2).build(manager()).unwrap();
    let mut conn = pool.get().unwrap();
    let answer: Option<u32> = conn.query_first("SELECT 42").unwrap();
    assert_eq!(answer, Some(42));
}
