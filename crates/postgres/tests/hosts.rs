//! Several PostgreSQL servers behind one manager.

use std::time::Duration;

use threadwise_hosts::{Health, Hosts, HostsManager, Role};
use threadwise_postgres::PostgresManager;
use threadwise_shared::SharedPool;
use threadwise_testkit::postgres::Postgres;

fn start() -> Postgres {
    Postgres::start().unwrap_or_else(|error| panic!("{error}"))
}

fn port(pool: &SharedPool<HostsManager<PostgresManager>>) -> String {
    let mut conn = pool.get().expect("a host");
    conn.query_one("SHOW port", &[]).expect("an answer").get(0)
}

#[test]
fn a_read_only_server_is_a_reader_and_a_killed_writer_is_left() {
    let mut servers = [start(), start()];
    let managers = servers
        .each_ref()
        .map(|server| PostgresManager::from_url(&server.url()).expect("a good URL"));
    let builder = Hosts::builder(managers).ask_every(Duration::from_secs(3600));
    let hosts = builder.build().unwrap_or_else(|error| panic!("{error}"));
    let ports = servers.each_ref().map(|server| server.port().to_string());
    let pool = |manager| {
        let builder = SharedPool::builder().max_size(2);
        builder.build(manager).unwrap_or_else(|error| panic!("{error}"))
    };
    let (writer, readers) = (pool(hosts.writer()), pool(hosts.readers()));
    assert_eq!(port(&writer), ports[0]);
    let mut held = writer.get().expect("a host");

    let mut admin = servers[0].admin();
    admin.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").unwrap();
    drop(admin);
    threadwise_testkit::wait::until("the setting to hold", || {
        hosts.ask_now();
        hosts.status()[0].health == Health::Ready(Role::Reader)
    });
    let host = held.steady(|conn| {
        conn.batch_execute("CREATE TABLE refused_by_the_first ()")?;
        Ok(conn.host().to_owned())
    });
    assert!(host.expect("the other server writes").ends_with(&ports[1]));
    drop(held);
    assert_eq!(port(&writer), ports[1]);
    drop(readers);
    let readers = pool(hosts.readers());
    assert_eq!(port(&readers), ports[0]);

    servers[0].kill9();
    assert_eq!(port(&readers), ports[1]);
}
