//! diesel's connections in each pool.
#![allow(missing_docs, reason = "the macros of diesel make public items")]

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel::sqlite::{Sqlite, SqliteConnection};
use threadwise::{AnyPool, CloseReason, ManageConnection, Outcome, Pool, PoolKind};
use threadwise_diesel::{DieselManager, Error, test_transaction};

diesel::table! {
    note (id) {
        id -> Integer,
        text -> Text,
    }
}

type Manager = DieselManager<SqliteConnection>;

/// A database in a file, and its folder.
struct Database(tempfile::TempDir);

impl Database {
    fn new() -> Self {
        let database = Self(tempfile::tempdir().unwrap());
        let mut conn = SqliteConnection::establish(&database.url()).unwrap();
        let schema = "CREATE TABLE note (id INTEGER PRIMARY KEY NOT NULL, text TEXT NOT NULL)";
        conn.batch_execute(schema).unwrap();
        database
    }

    fn url(&self) -> String {
        self.0.path().join("notes.db").to_str().unwrap().to_string()
    }

    fn pool_of_one(&self, kind: PoolKind) -> AnyPool<Manager> {
        kind.builder().size(1).build(Manager::new(self.url())).unwrap()
    }

    /// How many notes another connection sees.
    fn stored(&self) -> i64 {
        let mut conn = SqliteConnection::establish(&self.url()).unwrap();
        note::table.count().get_result(&mut conn).unwrap()
    }
}

/// How many connections the pool opened to lend them.
fn opened(pool: &AnyPool<Manager>) -> u64 {
    let counters = pool.state().counters;
    counters.opened - counters.closed(CloseReason::Probed)
}

/// diesel's own way to ask for a connection.
fn write(conn: &mut impl Connection<Backend = Sqlite>) -> QueryResult<usize> {
    diesel::insert_into(note::table).values(note::text.eq("hello")).execute(conn)
}

fn begin(conn: &mut SqliteConnection) {
    AnsiTransactionManager::begin_transaction(conn).unwrap();
}

#[test]
fn a_guard_is_usable_wherever_diesel_wants_a_connection() {
    for kind in PoolKind::ALL {
        let database = Database::new();
        let pool = database.pool_of_one(*kind);
        let mut conn = pool.get().unwrap();
        write(&mut *conn).unwrap();
        conn.transaction(write).unwrap();
        let found: Vec<String> = note::table.select(note::text).load(&mut *conn).unwrap();
        assert_eq!(found.len(), 2, "{kind}");
    }
}

#[test]
fn an_open_transaction_is_rolled_back_and_the_connection_stays() {
    for kind in PoolKind::ALL {
        let database = Database::new();
        let pool = database.pool_of_one(*kind);
        let mut conn = pool.get().unwrap();
        begin(&mut conn);
        write(&mut *conn).unwrap();
        begin(&mut conn); // a savepoint
        assert!(pool.manager().in_transaction(&mut conn), "{kind}");
        drop(conn);
        assert!(!pool.manager().in_transaction(&mut pool.get().unwrap()), "{kind}");
        assert_eq!(database.stored(), 0, "{kind}");
        assert_eq!((pool.state().counters.resets, opened(&pool)), (1, 1), "{kind}");
    }
}

#[test]
fn a_return_without_a_transaction_resets_nothing() {
    for kind in PoolKind::ALL {
        let database = Database::new();
        let pool = database.pool_of_one(*kind);
        pool.get().unwrap().transaction(write).unwrap();
        assert_eq!(pool.state().counters.resets, 0, "{kind}");
        assert_eq!(database.stored(), 1, "{kind}");
    }
}

#[test]
fn a_connection_whose_transaction_manager_is_broken_is_closed() {
    for kind in PoolKind::ALL {
        let database = Database::new();
        let pool = database.pool_of_one(*kind);
        let mut conn = pool.get().unwrap();
        AnsiTransactionManager::transaction_manager_status_mut(&mut *conn).set_in_error();
        assert!(pool.manager().has_broken(&mut conn), "{kind}");
        drop(conn);
        assert!(!pool.manager().has_broken(&mut pool.get().unwrap()), "{kind}");
        assert_eq!(pool.state().counters.closed(CloseReason::Broken), 1, "{kind}");
    }
}

#[test]
fn reset_with_removes_what_diesel_does_not_see() {
    for kind in PoolKind::ALL {
        let database = Database::new();
        let manager = Manager::new(database.url())
            .reset_with(|conn| conn.batch_execute("PRAGMA cache_size = -2000"));
        let pool = kind.builder().size(1).build(manager).unwrap();
        let size = |conn: &mut SqliteConnection| {
            let pragma =
                diesel::dsl::sql::<diesel::sql_types::Integer>("cache_size FROM pragma_cache_size");
            diesel::select(pragma).get_result::<i32>(conn).unwrap()
        };
        pool.get().unwrap().batch_execute("PRAGMA cache_size = -8000").unwrap();
        assert_eq!(size(&mut pool.get().unwrap()), -2000, "{kind}");
    }
}

#[test]
fn a_test_transaction_stays_open_from_user_to_user_and_stores_nothing() {
    for kind in PoolKind::ALL {
        let database = Database::new();
        let manager = Manager::new(database.url());
        let pool = kind.builder().size(1).on_connect(test_transaction).build(manager).unwrap();
        write(&mut *pool.get().unwrap()).unwrap();
        begin(&mut pool.get().unwrap()); // the pool rolls back this one, and not the other
        let seen: i64 = note::table.count().get_result(&mut *pool.get().unwrap()).unwrap();
        assert_eq!(seen, 1, "{kind}: the next user is in the same transaction");
        assert_eq!(opened(&pool), 1, "{kind}");
        drop(pool);
        assert_eq!(database.stored(), 0, "{kind}");
    }
}

/// An error of a server that has closed the connection.
fn closed() -> Error {
    let words = Box::new("the server has gone away".to_string());
    QueryError::DatabaseError(DatabaseErrorKind::ClosedConnection, words).into()
}

#[test]
fn steady_runs_work_again_on_a_new_connection_if_the_server_closed_the_first() {
    for kind in PoolKind::ALL {
        let database = Database::new();
        let pool = database.pool_of_one(*kind);
        let mut runs = 0;
        let work = |conn: &mut SqliteConnection| {
            runs += 1;
            if runs == 1 { Err(closed()) } else { Ok(write(conn)?) }
        };
        assert_eq!(pool.get().unwrap().steady(work).unwrap(), 1, "{kind}");
        assert_eq!((runs, database.stored()), (2, 1), "{kind}");
    }
}

#[test]
fn a_connection_that_an_error_shows_to_be_lost_is_not_lent_again() {
    for kind in PoolKind::ALL {
        let database = Database::new();
        let pool = database.pool_of_one(*kind);
        let mut conn = pool.get().unwrap();
        assert_eq!(conn.outcome(&QueryError::NotFound.into()), Outcome::Failed, "{kind}");
        assert_eq!(conn.outcome(&closed()), Outcome::Lost, "{kind}");
        drop(conn);
        drop(pool.get().unwrap());
        assert_eq!(pool.state().counters.closed(CloseReason::Broken), 1, "{kind}");
    }
}

#[test]
fn a_connection_that_cannot_be_opened_is_an_error_with_the_path() {
    for kind in PoolKind::ALL {
        // Long enough for a thread of the pool to try to open one, on a busy machine.
        let builder = kind.builder().size(1).get_timeout(std::time::Duration::from_secs(1));
        let text = match builder.build(Manager::new("/no/such/folder/notes.db")) {
            Err(error) => threadwise::chain(&error).to_string(),
            Ok(pool) => threadwise::chain(&pool.get().err().unwrap()).to_string(),
        };
        assert!(text.contains("nable to open"), "{kind}: {text}");
    }
}

#[test]
fn a_password_in_the_url_is_not_printed() {
    let manager = Manager::new("postgres://me:swordfish@db1/shop");
    assert!(!format!("{manager:?}").contains("swordfish"));
    assert_eq!(manager.address().as_deref(), Some("db1/shop"));
}

#[test]
fn the_program_says_which_further_errors_mean_a_lost_connection_or_are_permanent() {
    let manager = Manager::new("/no/such/folder/notes.db")
        .is_lost_with(|error| error.to_string().contains("gone away"))
        .is_permanent_with(|error| error.to_string().contains("nable to open"));
    let words = || Box::new("MySQL server has gone away".to_string());
    let gone = || QueryError::DatabaseError(DatabaseErrorKind::Unknown, words()).into();
    assert!(manager.is_lost(&gone()));
    assert!(!manager.is_lost(&QueryError::NotFound.into()));
    let error = manager.connect().err().unwrap();
    assert!(manager.is_permanent(&error));
    assert!(manager.is_lost(&manager.not_reconnected(gone(), &error)));
    assert!(!manager.is_permanent(&gone()));
}

#[test]
fn a_new_connection_is_opened_within_a_limit_and_works() {
    let database = Database::new();
    let manager = Manager::new(database.url());
    let mut conn = manager.connect_within(std::time::Duration::from_secs(60)).unwrap();
    manager.is_valid(&mut conn).unwrap();
}
