//! A server, a network or a process that cannot do something at the moment: which connections are
//! closed, what is tried again, and what the errors say.
#![cfg(unix)]
#![allow(unsafe_code)] // to leave this process without file descriptors

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{ask, await_answer, connect, connect_patiently, manager_for};
use mysql::prelude::Queryable;
use mysql::{AccessMode, DriverError, Error, MySqlError, OptsBuilder, SslOpts, TxOpts};
use threadwise_core::{ManageConnection, Pool};
use threadwise_mysql::{Connection, ErrorClass, MysqlManager, classify};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::{ClosedPort, wait};

/// Creates a user that may not write while the server is read-only. Returns the URL.
fn writer(server: &MariaDb) -> String {
    let mut admin = server.admin();
    admin.query_drop("CREATE USER writer@'%'").unwrap();
    admin.query_drop("GRANT ALL ON test.* TO writer@'%'").unwrap();
    admin.query_drop("CREATE TABLE test.t (x INT)").unwrap();
    server.url().replace("root@", "writer@")
}

const WRITE: &str = "INSERT INTO t VALUES (1)";
/// The manager keeps a new connection for a second, whatever its server refuses.
const SETTLED: Duration = Duration::from_millis(1_100);

fn assert_leaves_a_read_only_server<P: Pool<Manager = MysqlManager>>(server: &MariaDb, pool: &P) {
    let mut admin = server.admin();
    let mut conn = pool.get().unwrap();
    let before = conn.connection_id();
    conn.query_drop(WRITE).unwrap();
    drop(conn);
    thread::sleep(SETTLED);
    admin.query_drop("SET GLOBAL read_only = 1").unwrap();
    let mut conn = pool.get().unwrap();
    assert_eq!(conn.connection_id(), before);
    conn.query_drop(WRITE).unwrap_err();
    conn.query_drop("SELECT 1").expect("it works until it is returned");
    drop(conn);
    assert_ne!(
        pool.get().unwrap().connection_id(),
        before,
        "a new connection may reach another server"
    );

    // The server stays read-only: no storm of connects follows.
    let opened = pool.state().counters.opened;
    let start = Instant::now();
    let mut uses = 0;
    while uses <= 10 || start.elapsed() < Duration::from_millis(500) {
        pool.get().unwrap().query_drop(WRITE).unwrap_err();
        uses += 1;
    }
    let more = pool.state().counters.opened - opened;
    assert!(more <= 1 + start.elapsed().as_secs(), "{more} in {uses} uses");
    admin.query_drop("SET GLOBAL read_only = 0").unwrap();
    pool.get().unwrap().query_drop(WRITE).unwrap();
}

#[test]
fn a_connection_to_a_server_that_became_read_only_is_replaced() {
    let server = MariaDb::start().unwrap();
    let url = writer(&server);
    let manager = || manager_for(&url);
    let pool = SharedPool::builder().max_size(1).build(manager()).unwrap();
    assert_leaves_a_read_only_server(&server, &pool);
    assert_leaves_a_read_only_server(
        &server,
        &QueuePool::builder().size(1).build(manager()).unwrap(),
    );
    assert_leaves_a_read_only_server(&server, &PersistentPool::builder().build(manager()).unwrap());
}

#[test]
fn a_transaction_that_is_read_only_by_request_keeps_its_connection() {
    let server = MariaDb::start().unwrap();
    let manager = manager_for(&writer(&server));
    let write_anyway: [fn(&mut Connection) -> mysql::Result<()>; 3] = [
        |conn| {
            let options = TxOpts::default().set_access_mode(Some(AccessMode::ReadOnly));
            conn.start_transaction(options)?.query_drop(WRITE)
        },
        |conn| {
            conn.query_drop("start transaction read only")?;
            conn.exec_drop(WRITE, ())
        },
        |conn| {
            conn.query_drop("SET SESSION TRANSACTION READ ONLY")?;
            conn.query_drop(WRITE)
        },
    ];
    for write in write_anyway {
        let mut conn = connect(&manager);
        manager.begin_session(&mut conn);
        thread::sleep(SETTLED);
        let Err(Error::MySqlError(answer)) = write(&mut conn) else { panic!("it was written") };
        assert_eq!(answer.code, 1792);
        assert!(!manager.has_broken(&mut conn));
    }
    // A setting of the server is not a request of the user.
    server.admin().query_drop("SET GLOBAL tx_read_only = 1").unwrap();
    let mut conn = connect(&manager);
    thread::sleep(SETTLED);
    conn.query_drop(WRITE).unwrap_err();
    assert!(manager.has_broken(&mut conn));
}

/// A Galera node without its cluster accepts logins, and answers each statement with 1047.
#[test]
fn a_connect_to_a_node_that_is_not_ready_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || not_ready(stream.unwrap()));
        }
    });
    let url = format!("mysql://root@{address}/test?max_allowed_packet=1000000");
    let manager = manager_for(&url);
    for _ in 0..3 {
        let Err(error) = manager.connect() else { panic!("it is not ready") };
        assert!(matches!(&error, Error::MySqlError(answer) if answer.code == 1047), "{error}");
        assert_eq!(classify(&error), ErrorClass::Transient, "{error}");
        assert!(!manager.is_permanent(&error));
    }
}

fn not_ready(mut stream: std::net::TcpStream) {
    let greeting = [
        &[10][..],
        b"5.5.5-10.11.1-MariaDB\0",
        &[1, 0, 0, 0],
        b"abcdefgh\0",
        &[0x00, 0xa2, 45, 2, 0, 0x08, 0x00, 21],
        &[0; 10],
        b"abcdefghijkl\0",
        b"mysql_native_password\0",
    ]
    .concat();
    let mut send = |number: u8, payload: &[u8]| {
        let mut packet = vec![payload.len() as u8, 0, 0, number];
        packet.extend(payload);
        stream.write_all(&packet).and_then(|()| {
            let mut header = [0; 4];
            stream.read_exact(&mut header)?;
            let length = usize::from(header[0]) | usize::from(header[1]) << 8;
            let mut command = vec![0; length];
            stream.read_exact(&mut command)?;
            Ok(header[3])
        })
    };
    let Ok(number) = send(0, &greeting) else { return };
    if send(number + 1, &[0, 0, 0, 2, 0, 0, 0]).is_err() {
        return;
    }
    let error = [&[0xff, 0x17, 0x04][..], b"#08S01WSREP has not yet prepared node"].concat();
    while send(1, &error).is_ok() {}
}

#[test]
fn each_address_of_a_host_name_is_tried() {
    let server = MariaDb::shared();
    // The server listens on 127.0.0.1 only. If the name has two addresses, the first may be another
    // one.
    let url = server.url().replace("127.0.0.1", "localhost");
    assert_eq!(ask::<u32>(&mut connect(&manager_for(&url)), "SELECT 42"), 42);
}

#[test]
fn a_connect_error_names_the_address_and_the_cause_once() {
    let closed = ClosedPort::take();
    let port = closed.port();
    for host in ["127.0.0.1", "localhost"] {
        let manager = manager_for(&format!("mysql://root@{host}:{port}/test"));
        let Err(error) = manager.connect() else { panic!("no server listens") };
        let text = threadwise_core::chain(&error).to_string();
        assert_eq!(text.matches(&format!("`{host}:{port}'")).count(), 1, "{text}");
        assert!(text.contains("refused"), "{text}");
        assert_eq!(manager.address().as_deref(), Some(&*format!("{host}:{port}")));
    }
    let manager = manager_for("mysql://root@no-such-host.invalid/test");
    let Err(error) = manager.connect() else { panic!("there is none") };
    let text = error.to_string();
    assert_eq!(text.matches("no-such-host.invalid:3306").count(), 1, "{text}");
    assert!(!manager.is_permanent(&error) && !manager.is_shortage(&error), "{text}");
}

#[test]
fn a_timeout_names_the_address() {
    let server = MariaDb::shared();
    let manager = manager_for(&server.url()).read_timeout(Some(Duration::from_millis(200)));
    let error = wait::until_some("a read timeout", || {
        connect_patiently(&manager).query_drop("DO SLEEP(1)").err()
    });
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{}", server.port())), "{text}");
}

#[test]
fn steady_says_why_it_could_not_reconnect() {
    let mut server = MariaDb::start().unwrap();
    let pool = QueuePool::builder().size(1).get_timeout(Duration::from_secs(5));
    let pool = pool.build(manager_for(&server.url())).unwrap();
    let mut conn = pool.get().unwrap();
    server.kill9();
    let error = threadwise_core::Guard::steady(&mut conn, |conn| conn.query_drop("SELECT 1"));
    let error = error.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no new connection could be opened") && text.contains("refused"),
        "{text}"
    );
    assert!(pool.manager().is_lost(&error), "{text}");
}

#[test]
fn the_reason_of_a_failed_reconnect_is_added_to_each_kind_of_error() {
    let manager = manager_for("mysql://h/");
    let cause = std::io::Error::other("invalid peer certificate: Expired");
    for error in [
        Error::MySqlError(MySqlError { code: 1927, state: "70100".into(), message: "gone".into() }),
        Error::IoError(std::io::ErrorKind::BrokenPipe.into()),
        Error::CodecError(std::io::Error::other("gone").into()),
        Error::DriverError(DriverError::UnexpectedPacket),
    ] {
        let before = error.to_string();
        let error = manager.not_reconnected(error, &cause);
        assert!(manager.is_lost(&error), "{before}: {error}");
        assert_eq!(error.to_string().matches("Expired").count(), 1, "{error}");
    }
}

/// Holds all file descriptors of the process but `left`.
struct Exhausted(#[allow(dead_code)] Vec<OwnedFd>);

impl Exhausted {
    fn but(left: usize) -> Self {
        let limit = libc::rlimit { rlim_cur: 256, rlim_max: 256 };
        // SAFETY: the pointer is that of a local, which the call reads.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        let mut all: Vec<OwnedFd> =
            std::iter::from_fn(|| Some(File::open("/dev/null").ok()?.into())).collect();
        all.truncate(all.len() - left);
        Self(all)
    }
}

/// Runs this one test in a process of its own, because it takes all descriptors.
fn alone(test: &str, play: impl FnOnce()) {
    if std::env::var_os("ALONE").is_some() {
        return play();
    }
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program).args(["--exact", test]).env("ALONE", "1").status().unwrap();
    assert!(status.success());
}

#[test]
fn a_process_without_descriptors_keeps_its_connections_and_the_error_names_the_shortage() {
    alone(
        "a_process_without_descriptors_keeps_its_connections_and_the_error_names_the_shortage",
        || {
            let server = MariaDb::start().unwrap();
            let url = server.url();
            let manager = manager_for(&url);
            let by_name = manager_for(&url.replace("127.0.0.1", "localhost"));
            let mut conn = connect(&manager);
            await_answer(&manager, &mut conn); // the session that asks gives descriptors back later
            let exhausted = Exhausted::but(0);

            manager.is_valid(&mut conn).expect("no descriptor is needed");
            let limit = Duration::from_secs(60);
            manager.is_valid_within(&mut conn, limit).expect("none");
            manager.is_valid_patient(&mut conn, limit, limit).expect("in time").expect("none");
            conn.query_drop("SET @a = 1").expect("none");
            manager.reset_within(&mut conn, limit).expect("none");
            assert!(!manager.has_broken(&mut conn));

            for manager in [&manager, &by_name] {
                let Err(error) = manager.connect() else { panic!("there is no descriptor") };
                assert!(manager.is_shortage(&error), "{error}");
                assert!(!manager.is_permanent(&error), "{error}");
                assert!(error.to_string().contains("Too many open files"), "{error}");
            }
            drop(exhausted);
            connect(&manager);
            connect(&by_name);
        },
    );
}

#[test]
fn a_missing_certificate_file_is_a_permanent_error() {
    let manager = |opts| MysqlManager::new(OptsBuilder::new().ssl_opts(Some(opts)));
    let opts = SslOpts::default().with_root_cert_path(Some(PathBuf::from("/no/such/file.pem")));
    let Err(error) = manager(opts).connect() else { panic!("there is no such file") };
    // If the driver has no TLS, the error says that instead.
    assert_eq!(classify(&error), ErrorClass::Permanent, "{error}");
}
