//! Opening connections: an error says why, and whether trying again may help.

mod common;

use std::collections::HashMap;
use std::net::TcpListener;
use std::time::Duration;

use common::{as_root, ask, connect, manager, manager_for};
use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{Error, OptsBuilder, PoolOpts, SslOpts};
use threadwise_core::ManageConnection;
use threadwise_mysql::{ErrorClass, MysqlManager, classify};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::{ClosedPort, wait};

fn refused(manager: &MysqlManager) -> Error {
    let Err(error) = manager.connect() else { panic!("{manager:?} connected") };
    error
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::MySqlError(answer) => Some(answer.code),
        _ => None,
    }
}

#[test]
fn a_new_connection_answers_and_has_the_configured_database() {
    let manager = manager("connect");
    let mut conn = connect(&manager);
    let database: String = ask(&mut conn, "SELECT DATABASE()");
    assert!(database.starts_with("connect_"), "{database}");
    manager.is_valid(&mut conn).unwrap();
    assert!(!manager.has_broken(&mut conn));
}

#[test]
fn the_unix_socket_is_used_where_it_is_given() {
    let server = MariaDb::shared();
    let path = server.socket().to_str().expect("a plain path").replace('/', "%2F");
    let manager = manager_for(&format!("mysql://root@localhost/test?socket={path}"));
    let mut conn = connect(&manager);
    let host: String = ask(
        &mut conn,
        "SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID()",
    );
    assert_eq!(host, "localhost");
    assert!(!manager.has_broken(&mut conn));
    manager.is_valid_within(&mut conn, Duration::from_secs(9)).unwrap();
}

#[test]
fn tcp_stays_tcp_unless_the_socket_is_preferred() {
    let url = format!("mysql://root@127.0.0.1:{}/test", MariaDb::shared().port());
    let host = "SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID()";
    let tcp: String = ask(&mut connect(&manager_for(&url)), host);
    assert!(tcp.starts_with("127.0.0.1:"), "{tcp}");
    let hop: String = ask(&mut connect(&manager_for(&format!("{url}?prefer_socket=true"))), host);
    assert_eq!(hop, "localhost");
}

#[test]
fn a_wrong_password_is_a_permanent_error() {
    as_root("CREATE OR REPLACE USER wrongly@'%' IDENTIFIED BY 'right'");
    let port = MariaDb::shared().port();
    let manager = manager_for(&format!("mysql://wrongly:guessed@127.0.0.1:{port}/test"));
    let error = refused(&manager);
    assert_eq!(code(&error), Some(1045), "{error}");
    assert!(error.to_string().contains("Access denied for user 'wrongly'"), "{error}");
    assert!(manager.is_permanent(&error) && !manager.is_lost(&error));
}

#[test]
fn an_unknown_database_is_a_permanent_error() {
    let manager = manager_for(&MariaDb::shared().url_for("no_such_database"));
    let error = refused(&manager);
    assert_eq!(code(&error), Some(1049), "{error}");
    assert!(error.to_string().contains("no_such_database"), "{error}");
    assert!(manager.is_permanent(&error));
}

#[test]
fn a_locked_account_is_a_permanent_error() {
    as_root("CREATE OR REPLACE USER locked@'%' ACCOUNT LOCK");
    let port = MariaDb::shared().port();
    let manager = manager_for(&format!("mysql://locked@127.0.0.1:{port}/test"));
    let error = refused(&manager);
    assert!(manager.is_permanent(&error), "{error}");
}

#[test]
fn a_missing_server_is_a_transient_error() {
    let closed = ClosedPort::take();
    let port = closed.port();
    let manager = manager_for(&format!("mysql://root@127.0.0.1:{port}/test"));
    let error = refused(&manager);
    assert_eq!(classify(&error), ErrorClass::Transient, "{error}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[test]
fn a_missing_unix_socket_is_a_transient_error() {
    let manager = manager_for("mysql://root@localhost/test?socket=%2Fno%2Fsuch%2Fsocket");
    let error = refused(&manager);
    assert_eq!(classify(&error), ErrorClass::Transient, "{error}");
    assert!(error.to_string().contains("/no/such/socket"), "{error}");
}

#[test]
fn connect_within_ends_in_time_if_the_server_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let manager = manager_for(&format!("mysql://root@{address}/test"));
    let Err(error) = manager.connect_within(Duration::from_millis(50)) else {
        panic!("no server answered")
    };
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("50ms"), "{text}");
    assert!(!manager.is_permanent(&error), "{text}");
}

#[test]
fn another_kind_of_server_is_an_error_and_no_panic() {
    use std::io::Write;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let web = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let manager = manager_for(&format!("mysql://root@{address}/test"));
    assert!(manager.connect_within(Duration::from_secs(5)).is_err());
    web.join().unwrap();
}

#[test]
fn unusable_options_are_permanent_errors_that_name_the_setting() {
    let port = MariaDb::shared().port();
    let opts = || OptsBuilder::new().ip_or_hostname(Some("127.0.0.1")).tcp_port(port);
    let zero = Some(Duration::ZERO);
    for (name, manager) in [
        ("ssl_opts", MysqlManager::new(opts().ssl_opts(SslOpts::default()))),
        (
            "pool_opts",
            MysqlManager::new(opts().pool_opts(PoolOpts::default().with_check_health(false))),
        ),
        (
            "additional_capabilities",
            MysqlManager::new(
                opts().additional_capabilities(CapabilityFlags::CLIENT_DEPRECATE_EOF),
            ),
        ),
        ("connect_timeout", MysqlManager::new(opts()).connect_timeout(zero)),
        ("read_timeout", MysqlManager::new(opts().read_timeout(zero))),
        ("write_timeout", MysqlManager::new(opts()).write_timeout(zero)),
    ] {
        let error = refused(&manager);
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        assert!(manager.is_permanent(&error), "{error}");
    }
}

#[test]
fn a_failing_init_statement_fails_the_connect() {
    let server = MariaDb::shared();
    let opts = mysql::Opts::from_url(&server.url()).unwrap();
    let opts = OptsBuilder::from_opts(opts).init(vec!["SELECT nonsense"]);
    let manager = MysqlManager::new(opts);
    let error = refused(&manager);
    assert_eq!(code(&error), Some(1054), "{error}");
    assert!(error.to_string().contains("in the setting `init`: Unknown column"), "{error}");
    assert!(manager.is_permanent(&error), "it fails again until the setting is changed");
}

#[test]
fn init_of_a_url_holds_before_and_after_a_reset() {
    let url = format!("{}&init=SET%20wait_timeout=77", MariaDb::shared().url());
    let manager = manager_for(&url);
    let mut conn = connect(&manager);
    for _ in 0..2 {
        assert_eq!(ask::<u32>(&mut conn, "SELECT @@wait_timeout"), 77);
        conn.query_drop("SET @@wait_timeout = 88").unwrap();
        manager.reset(&mut conn).unwrap();
    }
}

/// Only a server with its performance schema on keeps attributes.
#[test]
fn the_names_of_program_and_pool_are_connection_attributes() {
    let server = MariaDb::builder().arg("--performance-schema=ON").start().unwrap();
    const ATTRIBUTES: &str = "SELECT ATTR_NAME, ATTR_VALUE \
        FROM performance_schema.session_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID()";
    let attributes = |manager: &MysqlManager| -> HashMap<String, String> {
        let rows: Vec<(String, String)> = connect(manager).query(ATTRIBUTES).unwrap();
        rows.into_iter().collect()
    };
    let own = std::env::current_exe().unwrap();
    let own = own.file_name().unwrap().to_str().unwrap();

    let mut manager = manager_for(&server.url());
    manager.set_pool_name("orders");
    let told = attributes(&manager);
    assert_eq!(told["program_name"], own);
    assert_eq!(told["pool_name"], "orders");
    assert!(told.contains_key("_pid"), "{told:?}");

    let named = manager_for(&format!("{}&program_name=shop", server.url()));
    assert_eq!(attributes(&named)["program_name"], "shop");
    let opts = mysql::Opts::from_url(&server.url()).unwrap();
    let opts = OptsBuilder::from_opts(opts).connect_attrs::<String, String>(None);
    let mut silent = MysqlManager::new(opts);
    silent.set_pool_name("orders");
    assert!(attributes(&silent).is_empty(), "switched off stays off");
}

#[test]
fn the_first_connection_asks_one_question_more_than_the_driver_and_each_later_one_less() {
    let server = MariaDb::start().unwrap();
    let mut admin = server.admin();
    let mut asked = || -> u64 {
        let row: Option<(String, u64)> =
            admin.query_first("SHOW GLOBAL STATUS LIKE 'Questions'").unwrap();
        row.unwrap().1
    };
    // All stay open, because the server counts a good-bye as a question whenever it arrives.
    let before = asked();
    let _bare = mysql::Conn::new(mysql::Opts::from_url(&server.url()).unwrap()).unwrap();
    let after_bare = asked();
    // A server that needs more than 20 ms for the answer is asked again, by a session of its own.
    let mut observer = server.admin();
    let mut late = Vec::new();
    let (manager, _conn, questions) = wait::until_some("an answer in time", || {
        let manager = manager_for(&server.url());
        let before_ours = asked();
        let mut conn = connect(&manager);
        let questions = asked() - before_ours;
        let _: u32 = ask(&mut conn, "SELECT 1");
        if !manager.has_changed(&mut conn) {
            return Some((manager, conn, questions));
        }
        wait::until("a late answer", || {
            manager.reset(&mut conn).unwrap(); // the statement ran before the answer came
            let _: u32 = ask(&mut conn, "SELECT 1");
            !manager.has_changed(&mut conn)
        });
        late.push((manager, conn));
        let sessions = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'test'";
        wait::until("the end of the session that asked", || {
            observer.query_first(sessions).unwrap() == Some(1 + late.len())
        });
        None
    });
    assert_eq!(questions, after_bare - before + 1, "the question about names");

    let before_known = asked();
    let _known = connect(&manager);
    let after_known = asked();
    assert_eq!(
        after_known - before_known,
        after_bare - before - 1,
        "its `max_allowed_packet` is known"
    );
}

#[test]
fn a_connection_opened_within_a_limit_has_the_configured_timeouts() {
    let manager = manager("limit").read_timeout(Some(Duration::from_secs(30)));
    let limit = Duration::from_millis(800);
    let mut conn = wait::until_some("a login in time", || manager.connect_within(limit).ok());
    // Longer than the limit for the handshake.
    conn.query_drop("DO SLEEP(1)").expect("the limit was for connecting only");
}
