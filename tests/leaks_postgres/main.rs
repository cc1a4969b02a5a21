//! The next borrower does not find what the last one left in its session on PostgreSQL: with each of
//! the three pools, whether they reset every session or only those that may have changed.
#![cfg(all(feature = "postgres", feature = "shared", feature = "queue", feature = "persistent"))]

mod cases;
mod peers;

use std::net::SocketAddr;

use cases::{CODE_LEAKS, LEAKS, Leftover, ROLES, SETUP};
use threadwise::persistent::PersistentPool;
use threadwise::postgres::postgres::{Client, SimpleQueryMessage};
use threadwise::postgres::{Connection, PostgresManager};
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{CloseReason, ManageConnection, Pool, Reset};
use threadwise_testkit::postgres::Postgres;
use threadwise_testkit::{PgSessionState, Proxy, await_code};

struct Rig {
    server: Postgres,
}

impl Rig {
    fn new() -> Self {
        let server = Postgres::start().expect("a private PostgreSQL");
        server.run_all("postgres", ROLES);
        Self { server }
    }

    /// A database with the usual tables and this code.
    fn database(&self, code: &[&str]) -> String {
        let name = self.server.create_database("leaks");
        self.server.run_all(&name, SETUP);
        self.server.run_all(&name, code);
        name
    }

    fn manager(&self, database: &str) -> PostgresManager {
        PostgresManager::from_url(&self.server.url_for(database)).expect("a good URL")
    }

    /// Tests all leaks, with statements as text and prepared.
    fn check<P>(&self, name: &str, reset: Reset, open: impl Fn(PostgresManager) -> P)
    where
        P: Pool<Manager = PostgresManager>,
    {
        let database = self.database(&[]);
        let pool = open(self.manager(&database));
        if reset == Reset::WhenChanged {
            await_code(&pool); // so that the texts decide
        }
        for (statements, question) in LEAKS {
            self.check_one(name, &pool, &database, statements, question);
        }
        let end = pool.state();
        for reason in [CloseReason::ResetFailed, CloseReason::Broken, CloseReason::Invalid] {
            assert_eq!(
                end.counters.closed(reason),
                0,
                "{name}: {reason:?}: the pool resets sessions and does not replace them"
            );
        }
        for leftover in Leftover::ALL {
            leftover.leave(&mut pool.get().unwrap());
            let is_found = leftover.is_found(&mut pool.get().unwrap());
            assert!(!is_found, "{name}: {} left something", leftover.name());
        }
    }

    fn check_one<P: Pool<Manager = PostgresManager>>(
        &self,
        name: &str,
        pool: &P,
        database: &str,
        statements: &[&str],
        question: &str,
    ) {
        let fresh = answer(&mut self.manager(database).connect().unwrap(), question);
        for leave in [leave_by_text, leave_prepared] {
            leave(&mut pool.get().unwrap(), statements);
            let next = answer(&mut pool.get().unwrap(), question);
            assert_eq!(next, fresh, "{name}: {statements:?} left something");
        }
    }
}

/// Runs the statements. One of them may fail on purpose.
fn leave_by_text(client: &mut Client, statements: &[&str]) {
    for statement in statements {
        let outcome = client.batch_execute(statement);
        assert!(outcome.is_ok() || statement.contains("1 / 0"), "{statement}: {outcome:?}");
    }
}

/// Prepares the statements, except those that the server cannot prepare.
fn leave_prepared(client: &mut Client, statements: &[&str]) {
    for statement in statements {
        let outcome = client.execute(*statement, &[]);
        if outcome.is_err() && !statement.contains("1 / 0") {
            client.batch_execute(statement).expect(statement);
        }
    }
}

/// Returns the server's answer, also if it is an error.
fn answer(client: &mut Client, question: &str) -> String {
    match client.simple_query(question) {
        Ok(messages) => messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
                _ => None,
            })
            .collect(),
        Err(error) => {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{question}: {error}"));
            format!("{} {}", error.code().code(), error.message())
        }
    }
}

/// Calls `check` with each of the three pools, and each way to reset.
fn with_each_pool(check: impl Fn(&str, &dyn Fn(PostgresManager) -> Pools)) {
    for reset in [Reset::WhenChanged, Reset::Always] {
        check("shared", &|manager| {
            Pools::Shared(SharedPool::builder().max_size(1).reset(reset).build(manager).unwrap())
        });
        check("queue", &|manager| {
            Pools::Queue(QueuePool::builder().size(1).reset(reset).build(manager).unwrap())
        });
        check("persistent", &|manager| {
            Pools::Persistent(PersistentPool::builder().reset(reset).build(manager).unwrap())
        });
    }
}

/// One of the three pools.
enum Pools {
    Shared(SharedPool<PostgresManager>),
    Queue(QueuePool<PostgresManager>),
    Persistent(PersistentPool<PostgresManager>),
}

macro_rules! on_pool {
    ($pools:expr, $pool:ident => $work:expr) => {
        match $pools {
            Pools::Shared($pool) => $work,
            Pools::Queue($pool) => $work,
            Pools::Persistent($pool) => $work,
        }
    };
}

#[test]
fn the_next_borrower_finds_nothing_that_the_last_one_left() {
    let rig = Rig::new();
    for reset in [Reset::WhenChanged, Reset::Always] {
        rig.check("shared", reset, |manager| {
            SharedPool::builder().max_size(1).reset(reset).build(manager).unwrap()
        });
        rig.check("queue", reset, |manager| {
            QueuePool::builder().size(1).reset(reset).build(manager).unwrap()
        });
        rig.check("persistent", reset, |manager| {
            PersistentPool::builder().reset(reset).build(manager).unwrap()
        });
    }
}

#[test]
fn the_next_borrower_finds_nothing_that_code_in_the_database_left() {
    let rig = Rig::new();
    for (code, statements, question) in CODE_LEAKS {
        let database = rig.database(code);
        with_each_pool(|name, open| {
            let pool = open(rig.manager(&database));
            on_pool!(&pool, pool => rig.check_one(name, pool, &database, statements, question));
        });
    }
}

#[test]
fn the_next_borrowers_session_has_the_state_of_a_new_one() {
    let rig = Rig::new();
    let database = rig.database(&[]);
    let mut admin = rig.server.admin_of(&database);
    let mut state =
        |conn: &mut Connection| PgSessionState::of(conn, &mut admin).expect("an answer");
    let pool = SharedPool::builder().max_size(1).build(rig.manager(&database)).unwrap();
    await_code(&pool);
    let fresh = state(&mut pool.get().unwrap());
    for (statements, _) in LEAKS {
        leave_by_text(&mut pool.get().unwrap(), statements);
        let next = state(&mut pool.get().unwrap());
        assert_eq!(fresh.differences(&next), Vec::<String>::new(), "{statements:?}");
    }
}

#[test]
fn a_thousand_uses_cost_no_round_trip_more_than_their_statements() {
    let rig = Rig::new();
    let database = rig.database(&[
        "CREATE FUNCTION touch() RETURNS trigger AS \
         'BEGIN NEW.v := COALESCE(NEW.v, 1); RETURN NEW; END' LANGUAGE plpgsql",
        "CREATE TRIGGER touch BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION touch()",
        "CREATE VIEW w AS SELECT count(*) AS n FROM t",
    ]);
    let server = SocketAddr::from(([127, 0, 0, 1], rig.server.port()));
    for sql in [
        "SELECT n FROM w",
        "INSERT INTO u DEFAULT VALUES",
        "INSERT INTO t (id) \
                 SELECT max(id) + 1 FROM t",
    ] {
        let proxy = Proxy::before(server).unwrap();
        let url = format!("postgres://postgres@{}/{database}", proxy.address());
        let manager = PostgresManager::from_url(&url).unwrap();
        let pool = SharedPool::builder().max_size(1).build(manager).unwrap();
        await_code(&pool);
        let (before, resets) = (proxy.round_trips(), pool.state().counters.resets);
        (0..1_000).for_each(|_| pool.get().unwrap().batch_execute(sql).unwrap());
        let trips = proxy.round_trips() - before;
        assert!((1_000..=1_010).contains(&trips), "{sql}: {trips}");
        assert_eq!(pool.state().counters.resets, resets, "{sql}");
    }
}

#[test]
fn a_reset_costs_one_round_trip() {
    let rig = Rig::new();
    let database = rig.database(&[]);
    let proxy = Proxy::before(SocketAddr::from(([127, 0, 0, 1], rig.server.port()))).unwrap();
    let url = format!("postgres://postgres@{}/{database}", proxy.address());
    let manager = PostgresManager::from_url(&url).unwrap();
    let pool = SharedPool::builder().max_size(1).build(manager).unwrap();
    await_code(&pool);
    let (before, resets) = (proxy.round_trips(), pool.state().counters.resets);
    for _ in 0..100 {
        pool.get().unwrap().batch_execute("BEGIN; SET my.v = '1'").unwrap();
    }
    drop(pool.get().unwrap());
    let trips = proxy.round_trips() - before;
    assert!((200..=203).contains(&trips), "{trips}");
    assert_eq!(pool.state().counters.resets - resets, 100);
}

#[test]
fn code_that_a_borrower_defines_is_known_at_once() {
    let rig = Rig::new();
    let database = rig.database(&[]);
    let pool = SharedPool::builder().max_size(1).build(rig.manager(&database)).unwrap();
    await_code(&pool);
    let view = "CREATE VIEW new AS SELECT set_config('my.v', '1', false) AS v";
    pool.get().unwrap().batch_execute(view).unwrap();
    pool.get().unwrap().batch_execute("SELECT v FROM new").unwrap();
    assert_eq!(answer(&mut pool.get().unwrap(), cases::VARIABLE), "");
}

#[test]
fn code_that_a_borrower_defines_in_a_transaction_is_known_from_its_commit_on() {
    let rig = Rig::new();
    let database = rig.database(&[]);
    let pool = SharedPool::builder().max_size(2).build(rig.manager(&database)).unwrap();
    await_code(&pool);
    let mut definer = pool.get().unwrap();
    definer.batch_execute("BEGIN").unwrap();
    let view = "CREATE VIEW new AS SELECT set_config('my.v', '1', false) AS v";
    definer.batch_execute(view).unwrap();
    // Another session may ask meanwhile, and does not see the view.
    pool.get().unwrap().batch_execute("SELECT 1").unwrap();
    definer.batch_execute("COMMIT").unwrap();
    pool.get().unwrap().batch_execute("SELECT v FROM new").unwrap();
    drop(definer);
    for _ in 0..2 {
        assert_eq!(answer(&mut pool.get().unwrap(), cases::VARIABLE), "");
    }
}
