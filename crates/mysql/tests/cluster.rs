//! Inserts on many threads into a Galera cluster of three nodes, while its nodes fail, stop and come back.
//! Each test counts on each node what has become of every insert, and prints how long none was acknowledged.
//!
//! `just cluster` runs them. They need Galera's library, which the other tests do not.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use threadwise_core::{GetError, Guard, Pool};
use threadwise_hosts::{Health, Hosts, HostsManager};
use threadwise_mysql::MysqlManager;
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::mariadb::galera::{Galera, Timers};
use threadwise_testkit::wait;

type Manager = HostsManager<MysqlManager>;

const THREADS: usize = 16;
const SIZE: usize = 8;
const GET_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two inserts of a thread: what a node misses while it is away must fit into another one's memory.
const PAUSE: Duration = Duration::from_millis(4);
/// Longer than Galera itself stops when a node is gone.
const READ_TIMEOUT: Duration = Duration::from_secs(12);
/// Longer than a busy node takes to answer: the tests know which host must not be left.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// Galera's error for a node that is not ready.
const NOT_READY: u16 = 1047;
/// How many inserts must succeed until a test believes that all is well.
const MANY: usize = 300;

/// What its client knows of an insert.
enum Fate {
    Acknowledged {
        at: Instant,
        host: String,
    },
    /// The server refused it: it was not done.
    Refused(u16),
    /// The connection broke, or the commit failed: it may have been done.
    Unknown,
}

fn code(error: &mysql::Error) -> Option<u16> {
    match error {
        mysql::Error::MySqlError(answer) => Some(answer.code),
        _ => None,
    }
}

/// What has become of all inserts; a tag for each.
#[derive(Default)]
struct Log {
    fates: Mutex<HashMap<u64, Fate>>,
    next_tag: AtomicU64,
    time_outs: AtomicU64,
    is_over: AtomicBool,
    of_cluster: Mutex<Option<Duration>>,
}

impl Log {
    fn insert<P: Pool<Manager = Manager>>(&self, pool: &P) {
        let mut conn = match pool.get() {
            Ok(conn) => conn,
            Err(GetError::TimedOut(_)) => {
                self.time_outs.fetch_add(1, SeqCst);
                return;
            }
            Err(error) => panic!("{}", threadwise_core::chain(&error)),
        };
        let tag = self.next_tag.fetch_add(1, SeqCst);
        let fate = conn.steady(|conn| {
            let host = conn.host().to_owned();
            match conn.exec_drop("INSERT INTO tags (tag) VALUES (?)", (tag,)) {
                Ok(()) => Ok(Fate::Acknowledged { at: Instant::now(), host }),
                Err(error) => match code(&error) {
                    // It has done nothing: `steady` takes the work to another node, once.
                    Some(NOT_READY) => Err(error),
                    // The server has rolled back.
                    Some(code @ (1205 | 1213)) => Ok(Fate::Refused(code)),
                    // An end in `Err` here would let `steady` insert it once more.
                    _ => Ok(Fate::Unknown),
                },
            }
        });
        let fate = fate.unwrap_or_else(|error| match code(&error) {
            Some(code) => Fate::Refused(code),
            None => Fate::Refused(NOT_READY), // and no other node could be reached
        });
        self.fates.lock().unwrap().insert(tag, fate);
    }

    /// The acknowledged inserts since then: when, and on which host, in their order.
    fn acknowledged_since(&self, begun: Instant) -> Vec<(Instant, String)> {
        let fates = self.fates.lock().unwrap();
        let mut found: Vec<_> = fates
            .values()
            .filter_map(|fate| match fate {
                Fate::Acknowledged { at, host } if *at >= begun => Some((*at, host.clone())),
                _ => None,
            })
            .collect();
        found.sort();
        found
    }

    /// Waits for many inserts from now on.
    fn await_many(&self, what: &str) {
        let begun = Instant::now();
        wait::until(what, || self.acknowledged_since(begun).len() >= MANY);
    }

    fn current_host(&self) -> String {
        let begun = Instant::now();
        wait::until_some("an insert", || self.acknowledged_since(begun).pop()).1
    }

    /// No acknowledged insert is lost or doubled, no refused one was done, and no other one was done twice.
    fn check(&self, cluster: &Galera) -> usize {
        let fates = self.fates.lock().unwrap();
        let mut done_of_unknown = 0;
        for node in 0..cluster.len() {
            let rows = counted(cluster.node(node));
            done_of_unknown = 0;
            for (tag, fate) in &*fates {
                let count = rows.get(tag).copied().unwrap_or(0);
                match fate {
                    Fate::Acknowledged { host, .. } => {
                        assert_eq!(count, 1, "{tag}, acknowledged by {host}, on node {node}");
                    }
                    Fate::Refused(code) => {
                        assert_eq!(count, 0, "{tag}, refused with {code}, on node {node}");
                    }
                    Fate::Unknown => {
                        assert!(count <= 1, "{tag} was done {count} times on node {node}");
                        done_of_unknown += count;
                    }
                }
            }
        }
        done_of_unknown
    }
}

/// How often each tag is in the table of a node, once that has all that the others have.
fn counted(node: &MariaDb) -> HashMap<u64, usize> {
    let mut admin = node.admin();
    admin.query_drop("SET SESSION wsrep_sync_wait = 1").expect("a setting");
    let counted: Vec<(u64, usize)> = wait::until_some("a node to have all", || {
        admin.query("SELECT tag, COUNT(*) FROM test.tags GROUP BY tag").ok()
    });
    counted.into_iter().collect()
}

/// What a pool's users had of an event.
struct Seen {
    event: String,
    /// The longest time without an acknowledged insert.
    silence: Duration,
    refused: usize,
    not_ready: usize,
    unknown: usize,
    done_of_unknown: usize,
    time_outs: u64,
    /// The longest time in which another node itself took no insert.
    of_cluster: Option<Duration>,
}

impl Seen {
    fn of(event: &str, log: &Log, begun: Instant, cluster: &Galera) -> Self {
        let times = log.acknowledged_since(begun);
        let times: Vec<_> =
            [begun].into_iter().chain(times.into_iter().map(|(at, _)| at)).collect();
        let silences = times.windows(2).map(|pair| pair[1] - pair[0]);
        let silence = silences.max().unwrap_or_default();
        let done_of_unknown = log.check(cluster);
        let fates = log.fates.lock().unwrap();
        let count = |is: fn(&Fate) -> bool| fates.values().filter(|fate| is(fate)).count();
        let seen = Self {
            event: event.to_owned(),
            silence,
            refused: count(|fate| matches!(fate, Fate::Refused(_))),
            not_ready: count(|fate| matches!(fate, Fate::Refused(NOT_READY))),
            unknown: count(|fate| matches!(fate, Fate::Unknown)),
            done_of_unknown,
            time_outs: log.time_outs.load(SeqCst),
            of_cluster: log.of_cluster.lock().unwrap().take(),
        };
        println!("{seen}");
        seen
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {:.2} s without an acknowledged insert; refused {} ({} of them with 1047), unknown {} ({} of \
             them done), time-outs {}; none lost, none doubled",
            self.event,
            self.silence.as_secs_f64(),
            self.refused,
            self.not_ready,
            self.unknown,
            self.done_of_unknown,
            self.time_outs
        )?;
        match self.of_cluster {
            Some(own) => write!(f, "; the cluster itself took none for {:.2} s", own.as_secs_f64()),
            None => Ok(()),
        }
    }
}

/// Inserts into another table of a node, without a pool, and returns the longest time without one.
fn insert_directly(mut conn: mysql::Conn, is_over: impl Fn() -> bool) -> Duration {
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    while !is_over() {
        conn.query_drop("INSERT INTO test.direct VALUES (NULL)").expect("a node that stays");
        longest = longest.max(last.elapsed());
        last = Instant::now();
        thread::sleep(PAUSE);
    }
    longest
}

fn start(timers: Timers) -> Galera {
    let cluster = Galera::start(3, timers)
        .unwrap_or_else(|error| panic!("{}", threadwise_core::chain(&error)));
    cluster.node(0).run_all(&[
        "CREATE TABLE test.tags (id BIGINT AUTO_INCREMENT PRIMARY KEY, tag BIGINT UNSIGNED NOT NULL)",
        "CREATE TABLE test.direct (id BIGINT AUTO_INCREMENT PRIMARY KEY)",
    ]);
    cluster
}

fn address(cluster: &Galera, node: usize) -> String {
    format!("127.0.0.1:{}", cluster.node(node).port())
}

fn hosts_of(
    cluster: &Galera,
    read_timeout: Duration,
    ask_timeout: Duration,
) -> Hosts<MysqlManager> {
    let addresses: Vec<_> = (0..cluster.len()).map(|node| address(cluster, node)).collect();
    let (addresses, millis) = (addresses.join(","), read_timeout.as_millis());
    let url = format!("mysql://root@{addresses}/test?read_timeout_ms={millis}");
    let managers = MysqlManager::each_from_url(&url).expect("a good URL");
    let builder =
        Hosts::builder(managers).ask_every(Duration::from_millis(200)).ask_timeout(ask_timeout);
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

fn shared_of(manager: Manager) -> SharedPool<Manager> {
    let builder = SharedPool::builder().max_size(SIZE).get_timeout(GET_TIMEOUT);
    builder.build(manager).unwrap_or_else(|error| panic!("{error}"))
}

/// Inserts on all threads while `act` runs, and on `direct`, a connection to a node that stays.
fn under_load<P: Pool<Manager = Manager> + Sync>(
    pool: &P,
    direct: Option<mysql::Conn>,
    act: impl FnOnce(&Log),
) -> Log {
    let log = Log::default();
    thread::scope(|scope| {
        let _end = wait::AtEnd(|| log.is_over.store(true, SeqCst));
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !log.is_over.load(SeqCst) {
                    log.insert(pool);
                    thread::sleep(PAUSE);
                }
            });
        }
        if let Some(direct) = direct {
            scope.spawn(|| {
                let longest = insert_directly(direct, || log.is_over.load(SeqCst));
                *log.of_cluster.lock().unwrap() = Some(longest);
            });
        }
        log.await_many("inserts before the event");
        act(&log);
    });
    log
}

fn writer_is_killed<P: Pool<Manager = Manager> + Sync>(
    kind: &str,
    timers: Timers,
    make: impl FnOnce(Manager) -> P,
) {
    let mut cluster = start(timers);
    let hosts = hosts_of(&cluster, READ_TIMEOUT, ASK_TIMEOUT);
    let pool = make(hosts.writer());
    let direct = cluster.node(1).admin();
    let mut begun = Instant::now();
    let log = under_load(&pool, Some(direct), |log| {
        assert_eq!(log.current_host(), address(&cluster, 0));
        begun = Instant::now();
        cluster.node_mut(0).kill9();
        log.await_many("inserts on another node");
        assert_eq!(log.current_host(), address(&cluster, 1));
        cluster.rejoin(0).unwrap_or_else(|error| panic!("{}", threadwise_core::chain(&error)));
        log.await_many("inserts after the rejoin");
        assert_eq!(log.current_host(), address(&cluster, 1), "no fail-back by itself");
    });
    let seen =
        Seen::of(&format!("{kind}, kill -9 and rejoin, {timers:?} timers"), &log, begun, &cluster);
    assert_eq!((seen.not_ready, seen.time_outs), (0, 0));
    let most = if kind == "PersistentPool" { THREADS } else { SIZE };
    assert!(seen.unknown <= most, "at most one for each connection");
}

#[test]
#[ignore = "needs Galera's library: run `just cluster`"]
fn a_killed_writer_is_left_by_a_shared_pool() {
    writer_is_killed("SharedPool", Timers::Fast, shared_of);
}

#[test]
#[ignore = "needs Galera's library: run `just cluster`"]
fn a_killed_writer_is_left_as_soon_as_galeras_own_timers_allow() {
    writer_is_killed("SharedPool", Timers::Stock, shared_of);
}

#[test]
#[ignore = "needs Galera's library: run `just cluster`"]
fn a_killed_writer_is_left_by_a_persistent_pool() {
    writer_is_killed("PersistentPool", Timers::Fast, |manager| {
        let builder = PersistentPool::builder().get_timeout(GET_TIMEOUT);
        builder.build(manager).unwrap_or_else(|error| panic!("{error}"))
    });
}

#[test]
#[ignore = "needs Galera's library: run `just cluster`"]
fn a_killed_writer_is_left_by_a_queue_pool() {
    writer_is_killed("QueuePool", Timers::Fast, |manager| {
        let builder = QueuePool::builder().size(SIZE).get_timeout(GET_TIMEOUT);
        builder.build(manager).unwrap_or_else(|error| panic!("{error}"))
    });
}

#[test]
#[ignore = "needs Galera's library: run `just cluster`"]
fn a_node_without_a_quorum_is_not_used_until_it_has_one() {
    let mut cluster = start(Timers::Fast);
    let hosts = hosts_of(&cluster, READ_TIMEOUT, ASK_TIMEOUT);
    let pool = shared_of(hosts.writer());
    let mut begun = Instant::now();
    let mut logins = 0;
    let log = under_load(&pool, None, |log| {
        cluster.node_mut(1).kill9();
        cluster.node_mut(2).kill9();
        wait::until("the node to be known as not ready", || {
            matches!(hosts.status()[0].health, Health::NotReady(_))
        });
        let before = cluster.node(0).status("Connections");
        thread::sleep(Duration::from_secs(2)); // the time is the subject: how many logins are in it
        logins = cluster.node(0).status("Connections") - before;
        begun = Instant::now();
        let mut admin = cluster.node(0).admin();
        admin
            .query_drop("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'")
            .expect("a quorum");
        log.await_many("inserts on the node that has a quorum again");
        for node in [1, 2] {
            cluster
                .rejoin(node)
                .unwrap_or_else(|error| panic!("{}", threadwise_core::chain(&error)));
        }
        assert_eq!(log.current_host(), address(&cluster, 0));
    });
    let seen = Seen::of("SharedPool, quorum lost, from its return on", &log, begun, &cluster);
    println!("{logins} logins in 2 s without a quorum");
    assert!(logins < 200, "{logins} logins in 2 s are a storm");
    assert!(seen.unknown + seen.not_ready <= 3 * SIZE, "{seen}");
}

#[test]
#[ignore = "needs Galera's library: run `just cluster`"]
fn a_writer_that_is_stopped_on_purpose_is_left_and_not_returned_to() {
    let mut cluster = start(Timers::Fast);
    let hosts = hosts_of(&cluster, READ_TIMEOUT, ASK_TIMEOUT);
    let pool = shared_of(hosts.writer());
    let direct = cluster.node(1).admin();
    let mut begun = Instant::now();
    let log = under_load(&pool, Some(direct), |log| {
        begun = Instant::now();
        cluster.node_mut(0).stop();
        log.await_many("inserts on another node");
        cluster.rejoin(0).unwrap_or_else(|error| panic!("{}", threadwise_core::chain(&error)));
        log.await_many("inserts after the rejoin");
        assert_eq!(log.current_host(), address(&cluster, 1), "no fail-back by itself");
    });
    let seen = Seen::of("SharedPool, planned stop and rejoin", &log, begun, &cluster);
    assert_eq!((seen.not_ready, seen.time_outs), (0, 0));
    assert!(seen.unknown <= 2 * SIZE, "{seen}");
}

#[test]
#[ignore = "needs Galera's library: run `just cluster`"]
fn a_frozen_writer_is_left() {
    let cluster = start(Timers::Fast);
    let hosts = hosts_of(&cluster, Duration::from_secs(3), Duration::from_millis(500));
    let pool = shared_of(hosts.writer());
    let direct = cluster.node(1).admin();
    let mut begun = Instant::now();
    let log = under_load(&pool, Some(direct), |log| {
        begun = Instant::now();
        cluster.node(0).freeze();
        wait::until("inserts on another node", || log.current_host() == address(&cluster, 1));
        log.await_many("inserts on another node");
        cluster.node(0).thaw();
        cluster.await_joined(0).unwrap_or_else(|error| panic!("{error}"));
        log.await_many("inserts after the node is back");
    });
    let seen = Seen::of("SharedPool, frozen node", &log, begun, &cluster);
    assert_eq!(seen.time_outs, 0);
}

#[test]
#[ignore = "needs Galera's library: run `just cluster`"]
fn all_nodes_are_restarted_one_after_the_other_under_load() {
    let mut cluster = start(Timers::Fast);
    let hosts = hosts_of(&cluster, READ_TIMEOUT, ASK_TIMEOUT);
    let pool = shared_of(hosts.writer());
    let mut begun = Instant::now();
    let log = under_load(&pool, None, |log| {
        begun = Instant::now();
        for node in 0..cluster.len() {
            cluster.node_mut(node).stop();
            cluster
                .rejoin(node)
                .unwrap_or_else(|error| panic!("{}", threadwise_core::chain(&error)));
            log.await_many("inserts after a restart");
        }
    });
    let seen = Seen::of("SharedPool, rolling restart of all three", &log, begun, &cluster);
    assert_eq!((seen.not_ready, seen.time_outs), (0, 0));
}
