//! Several MariaDB servers behind one manager: their roles, a switch-over, a crash, and wrong lists.

use std::time::Duration;

use mysql::prelude::Queryable;
use threadwise_core::{CloseReason, chain};
use threadwise_hosts::{Health, Hosts, HostsError, HostsManager, Role};
use threadwise_mysql::MysqlManager;
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

type Manager = HostsManager<MysqlManager>;

/// Two servers. Each stands for a node, with a table of its own; the test copies nothing.
fn two() -> [MariaDb; 2] {
    let start = |id: u32| {
        let server = MariaDb::builder()
            .arg(format!("--server-id={id}"))
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        server.run_all(&[
            "CREATE TABLE test.node (id INT)",
            &format!("INSERT INTO test.node VALUES ({id})"),
        ]);
        server
    };
    [start(1), start(2)]
}

fn read_only(server: &MariaDb, is: bool) {
    server.run_all(&[&format!("SET GLOBAL read_only = {}", u8::from(is))]);
}

/// Through one URL with both hosts. The watchers ask when a test wants it, and when a borrower has trouble.
fn hosts_of(servers: &[MariaDb; 2]) -> Hosts<MysqlManager> {
    let ports = servers.each_ref().map(MariaDb::port);
    let url = format!("mysql://root@127.0.0.1:{},127.0.0.1:{}/test", ports[0], ports[1]);
    let managers = MysqlManager::each_from_url(&url).expect("a good URL");
    let builder = Hosts::builder(managers).ask_every(Duration::from_secs(3600));
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

fn pool(manager: Manager) -> SharedPool<Manager> {
    SharedPool::builder().max_size(3).build(manager).unwrap_or_else(|error| panic!("{error}"))
}

fn node(pool: &SharedPool<Manager>) -> u32 {
    let mut conn = pool.get().expect("a host");
    conn.query_first("SELECT id FROM node").expect("an answer").expect("a row")
}

#[test]
fn the_role_of_a_server_follows_its_read_only_switch() {
    let servers = two();
    read_only(&servers[0], true);
    let hosts = hosts_of(&servers);
    assert_eq!(hosts.status()[0].health, Health::Ready(Role::Reader));
    let (writer, readers) = (pool(hosts.writer()), pool(hosts.readers()));
    assert_eq!((node(&writer), node(&readers)), (2, 1));
    // A switch-over.
    read_only(&servers[1], true);
    read_only(&servers[0], false);
    hosts.ask_now();
    assert_eq!((node(&writer), node(&readers)), (1, 2));
    wait::until("the connection to the old writer to be closed", || {
        writer.state().counters.closed(CloseReason::Broken) == 1
    });
}

#[test]
fn a_writer_that_refuses_a_write_is_left_by_its_pool() {
    let servers = two();
    servers[0].run_all(&["CREATE USER app", "GRANT ALL ON test.* TO app"]);
    servers[1].run_all(&["CREATE USER app", "GRANT ALL ON test.* TO app"]);
    let url =
        format!("mysql://app@127.0.0.1:{},127.0.0.1:{}/test", servers[0].port(), servers[1].port());
    let managers = MysqlManager::each_from_url(&url).expect("a good URL");
    let builder = Hosts::builder(managers).ask_every(Duration::from_secs(3600));
    let hosts = builder.build().unwrap_or_else(|error| panic!("{error}"));
    let writer = pool(hosts.writer());
    read_only(&servers[0], true);
    // The watcher asks because a write was refused, not because its hour is over. A connection that
    // refuses within its first second does not count as broken.
    wait::until("the other server to be written to", || {
        let mut conn = writer.get().expect("a host");
        conn.query_drop("INSERT INTO node VALUES (3)").is_ok()
    });
    assert_eq!(hosts.status()[0].health, Health::Ready(Role::Reader));
    assert_eq!(node(&writer), 2);
}

#[test]
fn steady_takes_work_that_a_read_only_server_refuses_to_the_new_writer() {
    let servers = two();
    for server in &servers {
        server.run_all(&["CREATE USER app", "GRANT ALL ON test.* TO app"]);
    }
    let ports = servers.each_ref().map(MariaDb::port);
    let url = format!("mysql://app@127.0.0.1:{},127.0.0.1:{}/test", ports[0], ports[1]);
    let managers = MysqlManager::each_from_url(&url).expect("a good URL");
    let builder = Hosts::builder(managers).ask_every(Duration::from_secs(3600));
    let hosts = builder.build().unwrap_or_else(|error| panic!("{error}"));
    let (writer, any) = (pool(hosts.writer()), pool(hosts.any()));
    let mut conn = writer.get().expect("a host");
    let mut reads = any.get().expect("a host");
    read_only(&servers[0], true);
    let host = conn.steady(|conn| {
        conn.query_drop("INSERT INTO node VALUES (3)")?;
        Ok(conn.host().to_owned())
    });
    assert_eq!(host.expect("the other server writes"), format!("127.0.0.1:{}", ports[1]));
    let found: Option<u32> =
        reads.steady(|conn| conn.query_first("SELECT id FROM node")).expect("an answer");
    assert_eq!(found, Some(1));
    assert_eq!(servers[0].admin().query::<u32, _>("SELECT id FROM test.node").unwrap(), [1]);
}

#[test]
fn a_killed_server_is_left_and_used_again_after_the_other_one_is_gone() {
    let mut servers = two();
    let hosts = hosts_of(&servers);
    let writer = pool(hosts.writer());
    assert_eq!(node(&writer), 1);
    servers[0].kill9();
    assert_eq!(node(&writer), 2);
    wait::until("the host to be known as down", || {
        matches!(hosts.status()[0].health, Health::Down(_))
    });
    servers[0].restart().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(node(&writer), 2, "no fail-back by itself");
    servers[1].kill9();
    assert_eq!(node(&writer), 1);
}

#[test]
fn a_frozen_server_is_left_though_its_connections_look_well() {
    let servers = two();
    let ports = servers.each_ref().map(MariaDb::port);
    let url = format!("mysql://root@127.0.0.1:{},127.0.0.1:{}/test", ports[0], ports[1]);
    let managers = MysqlManager::each_from_url(&url).expect("a good URL");
    let builder = Hosts::builder(managers).ask_timeout(Duration::from_secs(1));
    let hosts = builder.build().unwrap_or_else(|error| panic!("{error}"));
    let writer = pool(hosts.writer());
    assert_eq!(node(&writer), 1);
    servers[0].freeze();
    wait::until("the host to be known as down", || {
        matches!(hosts.status()[0].health, Health::Down(_))
    });
    assert_eq!(node(&writer), 2);
    servers[0].thaw();
    wait::until("the host to be ready again", || {
        matches!(hosts.status()[0].health, Health::Ready(_))
    });
}

#[test]
fn two_names_of_one_server_are_refused() {
    let server = MariaDb::start().unwrap_or_else(|error| panic!("{error}"));
    let url = format!("mysql://root@127.0.0.1:{port},localhost:{port}/test", port = server.port());
    let managers = MysqlManager::each_from_url(&url).expect("a good URL");
    let error = Hosts::builder(managers).build().expect_err("one server");
    assert!(matches!(error, HostsError::Same { server: Some(_), .. }), "{error}");
}

#[test]
fn if_no_server_runs_each_is_named_with_its_error() {
    let managers = MysqlManager::each_from_url("mysql://app:secret@127.0.0.1:1,127.0.0.1:2/shop");
    let hosts = Hosts::builder(managers.expect("a good URL"));
    let text = hosts.build().expect_err("no server").to_string();
    assert!(text.contains("127.0.0.1:1: down: ") && text.contains("127.0.0.1:2: down: "), "{text}");
    let managers = MysqlManager::each_from_url("mysql://app:secret@127.0.0.1:1,127.0.0.1:2/shop");
    let hosts = Hosts::builder(managers.expect("a good URL")).build_lazy().expect("a good list");
    let builder = SharedPool::builder().get_timeout(Duration::from_millis(100));
    let Err(error) = builder.build(hosts.writer()) else { panic!("no server") };
    let text = chain(&error).to_string();
    assert!(text.contains("no host can be used as writer"), "{text}");
    assert!(text.contains("127.0.0.1:2") && !text.contains("secret"), "{text}");
}

#[test]
fn the_question_leaves_the_session_as_it_was() {
    let server = MariaDb::start().unwrap_or_else(|error| panic!("{error}"));
    let manager = MysqlManager::from_url(&server.url()).expect("a good URL");
    let hosts = Hosts::builder([manager]).build().unwrap_or_else(|error| panic!("{error}"));
    let pool = pool(hosts.any());
    drop(pool.get().expect("the server"));
    assert_eq!(pool.state().counters.resets, 0);
}
