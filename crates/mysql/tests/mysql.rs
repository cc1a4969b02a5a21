//! What a real MySQL does differently from MariaDB.
//!
//! These tests need a running server: `MYSQLD_REAL_URL=mysql://root@127.0.0.1:3306/mysql` (`just
//! test-mysql URL`), with the right to create databases. Without the variable they print that they
//! were not run. The server's own character set should differ from utf8mb4: start it with
//! `--character-set-server=latin1`.

mod common;

use common::{ask, connect, manager_for};
use mysql::prelude::Queryable;
use threadwise_core::{ManageConnection, Pool};
use threadwise_mysql::{Connection, MysqlManager};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;

/// Runs `play` on a MySQL, if there is one, with a table of texts.
fn on_mysql(test: &str, play: impl FnOnce(&str)) {
    let Ok(url) = std::env::var("MYSQLD_REAL_URL") else {
        println!("NOT RUN: {test} needs MYSQLD_REAL_URL, the address of a MySQL server");
        return;
    };
    let mut admin = connect(&manager_for(&url));
    let version: String = ask(&mut admin, "SELECT VERSION()");
    assert!(!version.contains("MariaDB"), "MYSQLD_REAL_URL is to be a MySQL, not {version}");
    let database = format!("threadwise_{test}");
    for sql in [
        format!("DROP DATABASE IF EXISTS {database}"),
        format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"),
        format!("CREATE TABLE {database}.text (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50))"),
    ] {
        admin.query_drop(sql).unwrap();
    }
    let (server, _) = url.rsplit_once('/').expect("a database");
    play(&format!("{server}/{database}"));
    admin.query_drop(format!("DROP DATABASE {database}")).unwrap();
}

/// How the session reads and compares texts.
fn texts(conn: &mut Connection) -> (String, String, String, bool) {
    conn.query_first(
        "SELECT @@character_set_client, @@character_set_results, @@collation_connection, 'ß' = 'ss'",
    )
    .unwrap()
    .unwrap()
}

#[test]
fn a_text_stays_the_same_before_and_after_a_reset() {
    on_mysql("charset", |url| {
        let manager = || manager_for(url);
        keeps_texts(&SharedPool::builder().max_size(1).build(manager()).unwrap());
        keeps_texts(&QueuePool::builder().size(1).build(manager()).unwrap());
        keeps_texts(&PersistentPool::builder().build(manager()).unwrap());
    });
}

fn keeps_texts<P: Pool<Manager = MysqlManager>>(pool: &P) {
    let first = texts(&mut pool.get().unwrap());
    for _ in 0..3 {
        let mut conn = pool.get().unwrap();
        assert_eq!(texts(&mut conn), first);
        conn.query_drop("INSERT INTO text (v) VALUES ('Grüße, 世界')").unwrap();
        conn.exec_drop("INSERT INTO text (v) VALUES (?)", ("Grüße, 世界",)).unwrap();
        let all: Vec<String> = conn.query("SELECT v FROM text").unwrap();
        assert!(all.iter().all(|text| text == "Grüße, 世界"), "{all:?}");
        conn.query_drop("SET NAMES latin1").unwrap(); // so it is reset
    }
    assert!(pool.state().counters.resets >= 3);
}

#[test]
fn init_overrides_the_character_set() {
    on_mysql("init", |url| {
        let collation = "SET%20NAMES%20utf8mb4%20COLLATE%20utf8mb4_bin";
        let manager = manager_for(&format!("{url}?init={collation}"));
        let mut conn = connect(&manager);
        for _ in 0..2 {
            assert_eq!(texts(&mut conn).2, "utf8mb4_bin");
            manager.reset(&mut conn).unwrap();
        }
    });
}

#[test]
fn every_user_finds_what_init_connect_sets() {
    on_mysql("init_connect", |url| {
        let mut admin = connect(&manager_for(url));
        for sql in [
            "DROP USER IF EXISTS plain@'%'",
            "CREATE USER plain@'%'",
            "GRANT ALL ON threadwise_init_connect.* TO plain@'%'",
            "SET GLOBAL init_connect = 'SET time_zone = \\'+02:00\\''",
        ] {
            admin.query_drop(sql).unwrap();
        }
        let manager = manager_for(&url.replace("root@", "plain@"));
        let mut conn = connect(&manager);
        for _ in 0..3 {
            assert_eq!(ask::<String>(&mut conn, "SELECT @@time_zone"), "+02:00");
            conn.query_drop("SET time_zone = '+05:00'").unwrap();
            manager.reset(&mut conn).unwrap();
        }
        admin.query_drop("SET GLOBAL init_connect = ''").unwrap();
        admin.query_drop("DROP USER plain@'%'").unwrap();
    });
}

#[test]
fn an_open_transaction_is_found_by_the_servers_status_flags() {
    on_mysql("flags", |url| {
        let manager = manager_for(&format!("{url}?init=SET%20autocommit=0"));
        let mut conn = connect(&manager);
        manager.begin_session(&mut conn);
        assert!(!manager.in_transaction(&mut conn));
        conn.query_drop("INSERT INTO text (v) VALUES ('x')").unwrap();
        assert!(manager.in_transaction(&mut conn));
        conn.query_drop("COMMIT").unwrap();
        assert!(!manager.in_transaction(&mut conn));
    });
}

#[test]
fn a_statement_from_before_a_reset_is_refused() {
    on_mysql("statements", |url| {
        let manager = manager_for(url);
        let mut conn = connect(&manager);
        for _ in 0..3 {
            let statement = conn.prep("SELECT 1").unwrap();
            assert_eq!(conn.exec_first(&statement, ()).unwrap(), Some(1_u32));
            manager.reset(&mut conn).unwrap();
            let error = conn.exec_drop(&statement, ()).unwrap_err();
            assert!(error.to_string().contains("from before the session's reset"), "{error}");
            manager.is_valid(&mut conn).unwrap();
        }
    });
}
