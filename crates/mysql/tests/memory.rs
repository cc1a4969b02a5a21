//! What a connection keeps is bounded in bytes. Alone in its file, because it reads the memory of the
//! whole process.

use mysql::prelude::Queryable;
use threadwise_mysql::MysqlManager;
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;

/// The process's memory, in kilobytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status of the process");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("its memory");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
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
    let before = memory();
    (20..250).for_each(insert);
    let grown = memory().saturating_sub(before);
    assert!(grown < 4 << 10, "{grown} kB");
}
