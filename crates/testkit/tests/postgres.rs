//! The private PostgreSQL: it serves, survives what tests do to it, and leaves nothing behind.

use std::fs;

use threadwise_testkit::postgres::Postgres;
use threadwise_testkit::wait;

fn processes_naming(path: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(path)).collect()
}

#[test]
fn a_server_serves_over_tcp_and_its_socket() {
    let server = Postgres::start().unwrap();
    for url in [server.url(), server.socket_url_for("postgres")] {
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        let sum: i32 = client.query_one("SELECT 40 + 2", &[]).unwrap().get(0);
        assert_eq!(sum, 42, "{url}");
    }
}

#[test]
fn committed_data_survives_a_stop_and_a_kill() {
    let mut server = Postgres::start().unwrap();
    let port = server.port();
    server.run_all("postgres", &["CREATE TABLE t (id INT)"]);
    for id in 0..2 {
        server.run_all("postgres", &[&format!("INSERT INTO t VALUES ({id})")]);
        if id == 0 {
            server.stop();
        } else {
            server.kill9();
        }
        assert_eq!(server.pid(), None);
        server.restart().unwrap();
        assert_eq!(server.port(), port);
    }
    let rows = server.admin().query("SELECT id FROM t", &[]).unwrap();
    assert_eq!(rows.len(), 2);
}

#[test]
fn a_frozen_server_answers_after_it_was_thawed() {
    let server = Postgres::start().unwrap();
    let mut client = server.admin();
    server.freeze();
    let limit = std::time::Duration::from_millis(50);
    assert!(client.is_valid(limit).is_err());
    server.thaw();
    client.is_valid(wait::PATIENCE).unwrap();
}

#[test]
fn a_dropped_server_leaves_no_process_and_no_file() {
    let server = Postgres::start().unwrap();
    let directory = server.directory().to_owned();
    let name = directory.display().to_string();
    assert!(!processes_naming(&name).is_empty());
    drop(server);
    assert!(!directory.exists());
    wait::until("the processes to end", || processes_naming(&name).is_empty());
}

#[test]
fn sessions_are_listed_and_can_be_ended() {
    let server = Postgres::start().unwrap();
    let database = server.create_database("sessions");
    let mut client =
        postgres::Client::connect(&server.url_for(&database), postgres::NoTls).unwrap();
    let ids = server.session_ids(&database);
    assert_eq!(ids.len(), 1);
    server.kill_session(ids[0]);
    assert!(client.simple_query("").is_err());
    wait::until("the session to be gone", || server.session_ids(&database).is_empty());
}
