//! The next borrower does not find what the last one left in its session on MariaDB: with each of
//! the three pools, whether they reset every session or only those that may have changed.
#![cfg(all(feature = "mysql", feature = "shared", feature = "queue", feature = "persistent"))]

mod cases;
mod peers;

use std::net::SocketAddr;

use cases::{LEAKS, Leftover, SETUP, VARIABLE};
use mysql::prelude::Queryable;
use threadwise::mysql::{Connection, MysqlManager};
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{CloseReason, ManageConnection, Pool, Reset};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::{Proxy, SessionState, await_names};

struct Rig {
    server: MariaDb,
}

impl Rig {
    fn new() -> Self {
        let [on, instrument] = SessionState::SERVER;
        let server = MariaDb::builder().arg(on).arg(instrument).start();
        let server = server.expect("a private MariaDB");
        let mut admin = server.admin();
        for statement in SETUP {
            admin.query_drop(statement).expect(statement);
        }
        drop(admin);
        Self { server }
    }

    fn manager(&self) -> MysqlManager {
        MysqlManager::from_url(&self.server.url_for("d")).expect("a good URL")
    }

    /// Tests all leaks, with statements as text and prepared.
    fn check<P: Pool<Manager = MysqlManager>>(&self, name: &str, open: impl Fn(MysqlManager) -> P) {
        let pool = open(self.manager());
        read(&mut pool.get().unwrap(), "SELECT v FROM t WHERE id = 1");
        for (statements, question) in LEAKS {
            let fresh = answer(&mut self.manager().connect().unwrap(), question);
            for leave in [leave_by_text, leave_prepared] {
                leave(&mut pool.get().unwrap(), statements);
                let next = answer(&mut *pool.get().unwrap(), question);
                assert_eq!(next, fresh, "{name}: {statements:?} left something");
            }
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
            leftover.leave(&mut *pool.get().unwrap());
            let is_found = leftover.is_found(&mut *pool.get().unwrap());
            assert!(!is_found, "{name}: {} left something", leftover.name());
        }
    }
}

fn read(conn: &mut Connection, sql: &str) {
    let _: Option<mysql::Row> = conn.exec_first(sql, ()).expect(sql);
}

fn leave_by_text(conn: &mut impl Queryable, statements: &[&str]) {
    for statement in statements {
        conn.query_drop(statement).expect(statement);
    }
}

/// Prepares the statements, except those that the server cannot prepare.
fn leave_prepared(conn: &mut Connection, statements: &[&str]) {
    for statement in statements {
        if conn.exec_drop(statement, ()).is_err() {
            conn.query_drop(statement).expect(statement);
        }
    }
}

/// Returns the server's answer, also if it is an error.
fn answer(conn: &mut impl Queryable, question: &str) -> String {
    match conn.query_first::<mysql::Row, _>(question) {
        Ok(row) => {
            let values = row.map(mysql::Row::unwrap).unwrap_or_default();
            let values: Vec<_> = values.iter().map(|value| value.as_sql(true)).collect();
            values.join(", ")
        }
        Err(mysql::Error::MySqlError(error)) => error.to_string(),
        Err(error) => panic!("{question}: {error}"),
    }
}

#[test]
fn the_next_borrower_finds_nothing_that_the_last_one_left() {
    let rig = Rig::new();
    for reset in [Reset::WhenChanged, Reset::Always] {
        rig.check("shared", |manager| {
            SharedPool::builder().max_size(1).reset(reset).build(manager).unwrap()
        });
        rig.check("queue", |manager| {
            QueuePool::builder().size(1).reset(reset).build(manager).unwrap()
        });
        rig.check("persistent", |manager| {
            PersistentPool::builder().reset(reset).build(manager).unwrap()
        });
    }
}

#[test]
fn the_next_borrowers_session_has_the_state_of_a_new_one() {
    let rig = Rig::new();
    let mut admin = rig.server.admin();
    let mut state = |conn: &mut Connection| {
        SessionState::of(conn, &mut admin).expect("an answer").without_counters()
    };
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    let fresh = state(&mut pool.get().unwrap());
    for (statements, _) in LEAKS {
        leave_by_text(&mut *pool.get().unwrap(), statements);
        let next = state(&mut pool.get().unwrap());
        assert_eq!(fresh.differences(&next), Vec::<String>::new(), "{statements:?}");
    }
}

#[test]
fn the_next_borrower_gets_its_own_rows_if_the_last_one_left_rows_unread() {
    let rig = Rig::new();
    for compress in ["", "&compress=fast"] {
        let url = format!("{}{compress}", rig.server.url_for("d"));
        let manager = MysqlManager::from_url(&url).unwrap();
        let pool = SharedPool::builder().max_size(1).build(manager).unwrap();
        for rows in [2, 2_000, 200_000].repeat(2) {
            let mut conn = pool.get().unwrap();
            std::mem::forget(conn.query_iter(format!("SELECT seq FROM seq_1_to_{rows}")).unwrap());
            drop(conn);
            let next: Option<u32> = pool.get().unwrap().query_first("SELECT 3").unwrap();
            assert_eq!(next, Some(3));
        }
    }
}

#[test]
fn queries_that_only_read_cost_no_reset_and_keep_their_prepared_statements() {
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    let mut admin = rig.server.admin();
    let mut asked = |what: &str| -> u64 {
        let rows: Vec<(String, u64)> =
            admin.query(format!("SHOW GLOBAL STATUS LIKE '{what}'")).unwrap();
        rows[0].1
    };
    await_names(&pool);
    let resets = pool.state().counters.resets;
    let before = [asked("Com_stmt_prepare"), asked("Com_stmt_execute")];
    for id in 0..1_000 {
        let mut conn = pool.get().unwrap();
        let _: Option<u32> = conn.exec_first("SELECT v FROM t WHERE id = ?", (id,)).unwrap();
    }
    let after = [asked("Com_stmt_prepare"), asked("Com_stmt_execute")];
    assert_eq!(after[1] - before[1], 1_000);
    assert_eq!(after[0] - before[0], 1);
    assert_eq!(pool.state().counters.resets, resets);
}

#[test]
fn a_thousand_uses_cost_at_most_ten_round_trips_more_than_their_statements() {
    let rig = Rig::new();
    let server = SocketAddr::from(([127, 0, 0, 1], rig.server.port()));
    let select = |conn: &mut Connection, id: u32| {
        let value: Option<u32> = conn.exec_first("SELECT v FROM t WHERE id = ?", (id,)).unwrap();
        assert_eq!(value, (id == 1).then_some(10));
    };
    let insert = |conn: &mut Connection, id: u32| {
        conn.exec_drop("INSERT INTO u (id) VALUES (?)", (1_000 + id,)).unwrap();
    };
    for work in [&select as &dyn Fn(&mut Connection, u32), &insert] {
        let proxy = Proxy::before(server).unwrap();
        let url = format!("mysql://root@{}/d", proxy.address());
        let pool = SharedPool::builder().max_size(1).build(MysqlManager::from_url(&url).unwrap());
        let pool = pool.unwrap();
        await_names(&pool);
        let before = proxy.round_trips();
        (0..1_000).for_each(|id| work(&mut pool.get().unwrap(), id));
        let trips = proxy.round_trips() - before;
        assert!((1_000..=1_010).contains(&trips), "{trips}");
    }
}

#[test]
fn a_user_without_the_right_to_triggers_is_reset_after_a_trigger_only() {
    let rig = Rig::new();
    let mut admin = rig.server.admin();
    for statement in [
        "CREATE USER some@'%'",
        "GRANT SELECT, INSERT ON d.* TO some@'%'",
        "CREATE USER all_of_it@'%'",
        "GRANT ALL ON `d%`.* TO all_of_it@'%'",
        "CREATE USER part@'%'",
        "GRANT ALL ON `d%`.* TO part@'%'",
        "GRANT SELECT, INSERT ON d.* TO part@'%'",
    ] {
        admin.query_drop(statement).expect(statement);
    }
    for (user, resets) in [("root", 0), ("some", 0), ("all_of_it", 0), ("part", 0)] {
        let url = format!("mysql://{user}@127.0.0.1:{}/d", rig.server.port());
        let manager = MysqlManager::from_url(&url).unwrap();
        let pool = SharedPool::builder().max_size(1).build(manager).unwrap();
        await_names(&pool);
        let before = pool.state().counters.resets;
        for _ in 0..4 {
            pool.get().unwrap().query_drop("INSERT INTO u VALUES (NULL)").unwrap();
        }
        assert_eq!(pool.state().counters.resets - before, resets, "{user}");
        pool.get().unwrap().query_drop("INSERT INTO triggering VALUES (NULL)").unwrap();
        assert_eq!(answer(&mut *pool.get().unwrap(), VARIABLE), "NULL", "{user}");
    }
}

#[test]
fn a_trigger_that_a_borrower_defines_is_known_at_once() {
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    let trigger = "CREATE TRIGGER new BEFORE INSERT ON u FOR EACH ROW SET @a = 1";
    let insert = |pool: &SharedPool<MysqlManager>| {
        pool.get().unwrap().query_drop("INSERT INTO u VALUES (NULL)").unwrap();
    };
    await_names(&pool);
    let resets = pool.state().counters.resets;
    insert(&pool);
    insert(&pool);
    assert_eq!(pool.state().counters.resets, resets);
    pool.get().unwrap().query_drop(trigger).unwrap();
    insert(&pool);
    assert_eq!(answer(&mut *pool.get().unwrap(), VARIABLE), "NULL");
}

#[test]
fn a_view_that_a_borrower_defines_is_known_at_once() {
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    await_names(&pool);
    pool.get().unwrap().query_drop("CREATE VIEW new AS SELECT id, sets() AS v FROM t").unwrap();
    read(&mut pool.get().unwrap(), "SELECT v FROM new");
    assert_eq!(answer(&mut *pool.get().unwrap(), VARIABLE), "NULL");
}
