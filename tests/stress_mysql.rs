//! No wrong answer: many threads use a few connections to a real MariaDB. Each statement asks for a
//! random number, and every answer must be that number. Meanwhile the test kills and cuts
//! connections, statements run into read timeouts, and borrowers forget rows or panic between them.
//!
//! `THREADWISE_STRESS_SECONDS` is the length (3 by default, for the three pools together), and
//! `THREADWISE_STRESS_SEED` determines the random choices, but not the scheduling of threads. So a
//! seed that has failed often fails again, but not always.
//!
//! This test fails if a pool lends a connection again after a read timeout. It also fails if a
//! connection that may have seen errors does not have to prove that it is in step.
#![cfg(all(feature = "mysql", feature = "shared", feature = "queue", feature = "persistent"))]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use mysql::Error;
use mysql::prelude::Queryable;
use threadwise::mysql::{Connection, ErrorClass, MysqlManager, classify};
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{CloseReason, Pool, State};
use threadwise_testkit::Proxy;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::panics::{expect_planned, panic_as_planned};
use threadwise_testkit::stress::{self, Rng};
use threadwise_testkit::wait::{self, AtEnd};

const THREADS: u64 = 6;
const CONNECTIONS: usize = 3;
const READ_TIMEOUT: Duration = Duration::from_millis(60);
/// Near the timeout, so that some answers come just in time and others just too late.
const SLEEPS: &[&str] = &["0.03", "0.055", "0.06", "0.065", "0.09"];
const GET_TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn each_statement_gets_its_own_answer_while_connections_fail() {
    let rig = Rig::new(stress::time_or(3) / 3, stress::first_seed());
    rig.run("shared", |manager| {
        SharedPool::builder().max_size(CONNECTIONS).get_timeout(GET_TIMEOUT).build(manager).ok()
    });
    rig.run("queue", |manager| {
        QueuePool::builder().size(CONNECTIONS).get_timeout(GET_TIMEOUT).build(manager).ok()
    });
    rig.run("persistent", |manager| {
        PersistentPool::builder().get_timeout(GET_TIMEOUT).build(manager).ok()
    });
}

/// A server, and a network that can be cut.
struct Rig {
    server: MariaDb,
    proxy: Proxy,
    time: Duration,
    seed: u64,
}

impl Rig {
    fn new(time: Duration, seed: u64) -> Self {
        let server = MariaDb::start().unwrap_or_else(|error| panic!("{error}"));
        let proxy = Proxy::before(SocketAddr::from(([127, 0, 0, 1], server.port()))).unwrap();
        Self { server, proxy, time, seed }
    }

    fn manager(&self) -> MysqlManager {
        let url = format!("mysql://root@{}/test", self.proxy.address());
        MysqlManager::from_url(&url).unwrap().read_timeout(Some(READ_TIMEOUT))
    }

    fn run<P: Pool<Manager = MysqlManager>>(
        &self,
        name: &str,
        open: impl Fn(MysqlManager) -> Option<P>,
    ) {
        // A login can take longer than the read timeout, too.
        let pool = wait::until_some("a pool", || open(self.manager()));
        let over = AtomicBool::new(false);
        let done = Mutex::<Done>::default();
        let counts = || done.lock().expect("no panic");
        std::thread::scope(|scope| {
            let _over = AtEnd(|| over.store(true, SeqCst)); // ends the threads after a panic, too
            let users: Vec<_> = (1..=THREADS)
                .map(|thread| {
                    let (pool, over, done) = (&pool, &over, &done);
                    let rng = Rng::new(self.seed ^ thread.wrapping_mul(0x5851_F42D_4C95_7F2D));
                    scope.spawn(move || {
                        let mut rng = rng;
                        while !over.load(SeqCst) {
                            let round = use_once(pool, &mut rng);
                            done.lock().expect("no panic").add(round);
                        }
                    })
                })
                .collect();
            scope.spawn(|| self.make_trouble(&over));
            let has_all = || {
                counts().missing().is_none()
                    && pool.state().counters.closed(CloseReason::Broken) > 0
            };
            let end = Instant::now() + self.time;
            let patience = end + wait::PATIENCE; // a slow machine needs longer for all kinds of actions
            let is_over = || Instant::now() > if has_all() { end } else { patience };
            while !is_over() && !users.iter().any(ScopedJoinHandle::is_finished) {
                std::thread::sleep(Duration::from_millis(10));
            }
            over.store(true, SeqCst);
            for user in users {
                user.join().expect("no wrong answer");
            }
        });
        println!("{name}: {:?}", counts());
        assert_eq!(counts().missing(), None, "{:?}", counts());
        self.audit(name, &pool);
    }

    /// Kills and cuts connections until `over` is set.
    fn make_trouble(&self, over: &AtomicBool) {
        let mut rng = Rng::new(self.seed);
        while !over.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(5 + rng.below(20)));
            if rng.one_in(8) {
                self.cut();
            } else if let ids = self.server.connection_ids(Some("test"))
                && !ids.is_empty()
            {
                self.server.kill_connection(rng.one_of(&ids));
            }
        }
    }

    /// Cuts all connections, and then lets new ones pass.
    fn cut(&self) {
        self.proxy.refuse();
        let refuses = || TcpStream::connect(self.proxy.address()).is_err();
        wait::until("the proxy to refuse", refuses);
        self.proxy.serve();
        wait::until("the proxy to serve", || !refuses());
    }

    /// Asserts that the counters agree, and that no connection is left at the server.
    fn audit<P: Pool>(&self, name: &str, pool: &P) {
        let opened = |state: &State| state.counters.opened - state.counters.closed_total();
        let settled = |state: &State| {
            let is_unused = (state.borrowed, state.waiting, state.connecting) == (0, 0, 0);
            is_unused && opened(state) == state.open as u64
        };
        wait::until("the counters to agree", || settled(&pool.state()));
        let state = pool.state();
        println!("{name}: {state}; {:?}", state.counters);
        assert!(state.max_size.is_none_or(|max| state.open <= max), "{name}: {state}");
        assert!(state.counters.closed(CloseReason::Broken) > 0, "{name}: {state:?}");

        pool.close();
        let closed = |state: &State| state.open == 0 && opened(state) == 0;
        wait::until("the pool to close its connections", || closed(&pool.state()));
        let left = || self.server.process_count(Some("test"));
        wait::until("the server to close all connections", || left() == 0);
    }
}

/// Counts the actions and their outcomes.
#[derive(Debug, Default)]
struct Done(BTreeMap<&'static str, u64>);

impl Done {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// An action or outcome that has to occur and has not yet.
    fn missing(&self) -> Option<&'static str> {
        ["right answers", "lost", "text", "prepared", "slow", "forgotten", "panic"]
            .into_iter()
            .find(|what| !self.0.contains_key(what))
    }
}

/// An action of a borrower. `Ok` means that the answer was right.
type Action = fn(&mut Connection, &mut Rng) -> Result<(), Error>;

const GENTLE: &[(&str, Action)] =
    &[("text", text), ("text", text_rows), ("prepared", prepared), ("prepared", prepared_rows)];

const ROUGH: &[(&str, Action)] = &[
    ("slow", slow),
    ("slow, unseen", slow_unseen),
    ("slow, unseen", slow_behind_its_back),
    ("forgotten", forgotten),
    ("half read", half_read),
    ("panic", panics),
];

/// Borrows a connection for some statements.
fn use_once<P: Pool<Manager = MysqlManager>>(pool: &P, rng: &mut Rng) -> Done {
    let mut done = Done::default();
    let Ok(mut conn) = pool.get() else {
        done.count("no connection");
        return done;
    };
    for _ in 0..=rng.below(3) {
        let actions = if rng.one_in(4) { ROUGH } else { GENTLE };
        let (name, action) = rng.one_of(actions);
        done.count(name);
        match expect_planned(|| action(&mut conn, rng)) {
            Some(Ok(())) => done.count("right answers"),
            Some(Err(error)) => done.count(failure(&error)),
            None => {} // the next statement on this connection must fail
        }
    }
    if rng.one_in(10) {
        expect_planned(|| {
            let _conn = conn; // returned while the holder panics
            panic_as_planned();
        });
    }
    done
}

/// Names an error that this test may cause: a lost connection, or a killed statement.
fn failure(error: &Error) -> &'static str {
    match error {
        Error::MySqlError(answer) if answer.code == 1317 => "killed",
        error if classify(error) == ErrorClass::Lost => "lost",
        error => panic!("an error that this test does not cause: {error}"),
    }
}

fn text(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let nonce = rng.number();
    let answer: Option<u64> = conn.query_first(format!("SELECT {nonce}"))?;
    assert_eq!(answer, Some(nonce));
    Ok(())
}

fn text_rows(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let (nonce, count) = (rng.number(), 1 + rng.below(500));
    let rows: Vec<(u64, u64)> = conn.query(format!("SELECT {nonce}, seq FROM seq_1_to_{count}"))?;
    assert_own(&rows, nonce, count);
    Ok(())
}

fn prepared(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let nonce = rng.number();
    let answer: Option<u64> = conn.exec_first("SELECT ?", (nonce,))?;
    assert_eq!(answer, Some(nonce));
    Ok(())
}

fn prepared_rows(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let (nonce, count) = (rng.number(), 1 + rng.below(500));
    let sql = "SELECT ?, seq FROM seq_1_to_500 WHERE seq <= ?";
    let rows: Vec<(u64, u64)> = conn.exec(sql, (nonce, count))?;
    assert_own(&rows, nonce, count);
    Ok(())
}

fn assert_own(rows: &[(u64, u64)], nonce: u64, count: u64) {
    assert!(rows.iter().copied().eq((1..=count).map(|seq| (nonce, seq))), "{nonce}: {rows:?}");
}

/// The answer may come too late. The next borrower must not get it.
fn slow(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let (nonce, time) = (rng.number(), rng.one_of(SLEEPS));
    let answer: Option<(u64, u8)> = conn.query_first(format!("SELECT {nonce}, SLEEP({time})"))?;
    assert_eq!(answer.map(|(own, _)| own), Some(nonce));
    Ok(())
}

/// The same, but the connection does not see the error.
fn slow_unseen(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let (nonce, time) = (rng.number(), rng.one_of(SLEEPS));
    let rows = conn.query_iter(format!("SELECT {nonce}, seq, SLEEP({time}) FROM seq_1_to_2"))?;
    for row in rows {
        let Ok(row) = row else { return Ok(()) }; // the error is not reported
        assert_eq!(row.get(0), Some(nonce));
    }
    Ok(())
}

/// The same on the driver's own connection. A reset could take the late "done" for its own answer.
fn slow_behind_its_back(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let _ = conn.as_mut_conn().query_drop(format!("DO SLEEP({})", rng.one_of(SLEEPS)));
    Ok(())
}

/// Leaves rows unread, without the driver's knowledge.
fn forgotten(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let (nonce, count) = (rng.number(), 1 + rng.below(3000));
    let sql = format!("SELECT {nonce}, REPEAT('x', 100) FROM seq_1_to_{count}");
    let mut rows = conn.query_iter(sql)?;
    let first = rows.next().transpose();
    std::mem::forget(rows);
    assert_eq!(first?.and_then(|row| row.get(0)), Some(nonce));
    Ok(())
}

/// Leaves rows unread, which the driver then reads.
fn half_read(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let (nonce, count) = (rng.number(), 1 + rng.below(3000));
    let mut rows = conn.exec_iter(
        "SELECT ?, REPEAT('x', 100) FROM seq_1_to_3000 WHERE seq <= ?",
        (nonce, count),
    )?;
    assert_eq!(rows.next().transpose()?.and_then(|row| row.get(0)), Some(nonce));
    Ok(())
}

/// Panics between its rows.
fn panics(conn: &mut Connection, rng: &mut Rng) -> Result<(), Error> {
    let (nonce, count) = (rng.number(), 1 + rng.below(500));
    let last = 1 + rng.below(count);
    conn.query_map(
        format!("SELECT {nonce}, seq FROM seq_1_to_{count}"),
        |(own, seq): (u64, u64)| {
            assert_eq!(own, nonce);
            if seq == last {
                panic_as_planned();
            }
        },
    )?;
    Ok(())
}
