//! What a connection keeps is bounded in bytes. Alone in its file, because it counts what the whole
//! process has allocated.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(unsafe_code)] // to ask the allocator

use mysql::prelude::Queryable;
use threadwise_mysql::MysqlManager;
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;

/// How many bytes the process has allocated and not freed.
fn allocated() -> usize {
    // SAFETY: the call has no preconditions.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

#[test]
fn what_is_remembered_of_long_statements_takes_no_memory() {
    let server = MariaDb::start().expect("a private MariaDB");
    let mut admin = server.admin();
    admin.query_drop("CREATE DATABASE d").unwrap();
    admin.query_drop("CREATE TABLE d.files (line LONGTEXT) ENGINE=MyISAM").unwrap();
    let manager = MysqlManager::from_url(&server.url_for("d")).unwrap();
    let pool = SharedPool::builder().max_size(1).build(manager).unwrap();
    let insert = |number: usize| {
        let sql = format!("INSERT INTO files VALUES ('{number}{}')", "x".repeat(1 << 20));
        pool.get().unwrap().query_drop(&sql).unwrap();
        let other = sql[..60_000].replace('x', "y") + "')";
        pool.get().unwrap().prep(other).unwrap();
    };
    (0..20).for_each(insert);
    let before = allocated();
    (20..250).for_each(insert);
    let grown = allocated().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes");
}
