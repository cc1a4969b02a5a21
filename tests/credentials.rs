//! The password changes while a pool runs, on MariaDB, with each of the three pools.
#![cfg(all(feature = "mysql", feature = "shared", feature = "queue", feature = "persistent"))]

use std::error::Error;

use mysql::prelude::Queryable;
use threadwise::mysql::MysqlManager;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{GetError, Guard, ManageConnection, Pool};
use threadwise_testkit::mariadb::MariaDb;

fn account(server: &MariaDb, password: &str) {
    for statement in [
        format!("CREATE OR REPLACE USER app@'%' IDENTIFIED BY '{password}'"),
        "GRANT ALL ON test.* TO app@'%'".to_owned(),
    ] {
        server.admin().query_drop(statement).unwrap();
    }
}

/// Closes the connection, so that the next borrower needs a new one.
fn lose<P: Pool<Manager = MysqlManager>>(pool: &P) {
    pool.get().unwrap().discard();
}

fn check<P: Pool<Manager = MysqlManager>>(server: &MariaDb, open: impl Fn(MysqlManager) -> P) {
    account(server, "old");
    let url = format!("mysql://app:old@127.0.0.1:{}/test", server.port());
    let pool = open(MysqlManager::from_url(&url).unwrap());
    let mut conn = pool.get().unwrap();
    server.admin().query_drop("ALTER USER app@'%' IDENTIFIED BY 'new'").unwrap();
    assert_eq!(conn.query_first::<u32, _>("SELECT 1").unwrap(), Some(1), "it still works");
    drop(conn);

    lose(&pool);
    let error = pool.get().map(drop).expect_err("the old password");
    assert!(
        matches!(error, GetError::ConnectFailed(_)),
        "fails at once, not at the deadline: {error}"
    );
    let cause = error.source().and_then(|cause| cause.downcast_ref()).expect("the driver's error");
    assert!(pool.manager().is_permanent(cause), "{cause}");
    assert!(cause.to_string().contains("Access denied for user 'app'"), "{error:?}");

    pool.manager().set_credentials(Some("app"), Some("new"));
    let user: Option<String> = pool.get().unwrap().query_first("SELECT CURRENT_USER()").unwrap();
    assert_eq!(user.as_deref(), Some("app@%"));
    let shown = format!("{:?} {error} {error:?}", pool.manager());
    assert!(!shown.contains("old") && !shown.contains("new"), "{shown}");
}

#[test]
fn a_running_pool_takes_a_rotated_password() {
    let server = MariaDb::start().expect("a private MariaDB");
    check(&server, |manager| SharedPool::builder().max_size(1).build(manager).unwrap());
    check(&server, |manager| QueuePool::builder().size(1).build(manager).unwrap());
    check(&server, |manager| PersistentPool::builder().build(manager).unwrap());
}

#[test]
fn connections_opened_after_evict_have_the_new_user() {
    let server = MariaDb::start().expect("a private MariaDB");
    account(&server, "old");
    let url = format!("mysql://app:old@127.0.0.1:{}/test", server.port());
    let pool = SharedPool::new(MysqlManager::from_url(&url).unwrap()).unwrap();
    drop(pool.get().unwrap());
    pool.manager().set_credentials(Some("root"), None);
    pool.evict();
    let user: Option<String> = pool.get().unwrap().query_first("SELECT CURRENT_USER()").unwrap();
    assert!(user.is_some_and(|user| user.starts_with("root@")));
}
