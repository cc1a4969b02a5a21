//! Each pool calls those methods of a manager that have defaults, and does what they say.
//!
//! Each test runs on each kind of pool. `group` is the exception: only a shared pool suspects
//! connections.
#![cfg(all(feature = "shared", feature = "queue", feature = "persistent"))]

use std::error::Error;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use threadwise::shared::{SharedPool, Validation};
use threadwise::{
    AnyPool, BuildError, CloseReason, ConnectionInfo, Events, ManageConnection, Moment, Outcome,
    Pool, PoolKind, Reset,
};
use threadwise_testkit::wait;

const HOUR: Duration = Duration::from_secs(3600);

/// What the test tells the manager, and what the manager has noticed. All clones share it.
#[derive(Clone, Debug, Default)]
struct Server(Arc<Mutex<Facts>>);

#[derive(Debug, Default)]
struct Facts {
    /// How many attempts to connect fail from now on.
    refuses: u32,
    refuses_for_good: bool,
    quick_check_after: Option<Duration>,
    /// Sessions whose client has not noticed that the server closed them.
    hung_up: Vec<u64>,
    /// Sessions that are to leave.
    leaving: Vec<u64>,
    /// Sessions that no longer answer.
    dead: Vec<u64>,
    opened: u64,
    attempts: u32,
    moments: Vec<Moment>,
    quick_checks: u32,
    validated: Vec<u64>,
    closed_pools: u32,
    /// The value of `opened` when the manager was told that it is in a forked child.
    told_of_fork_at: Option<u64>,
}

impl Server {
    fn with<T>(&self, act: impl FnOnce(&mut Facts) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn pool(&self, kind: PoolKind, size: usize) -> AnyPool<Server> {
        // A shared pool validates a connection after half a second, which a busy machine may take. A quick
        // check is not made then.
        let builder = kind.builder().size(size).validation(Validation::Never);
        builder.build(self.clone()).unwrap()
    }

    /// A pool that has opened its connection. The test forgets the moments until then.
    fn opened_pool(&self, kind: PoolKind) -> AnyPool<Server> {
        let pool = self.pool(kind, 1);
        drop(pool.get().unwrap());
        self.with(|facts| facts.moments.clear());
        pool
    }
}

#[derive(Debug, Default)]
struct Session {
    id: u64,
    in_transaction: bool,
    is_broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Refused,
    WrongPassword,
    Silent,
    /// The connection was lost before the server did anything.
    Lost,
    /// The connection was lost in the middle of a commit.
    LostInCommit,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Error for Failure {}

impl ManageConnection for Server {
    type Connection = Session;
    type Error = Failure;

    fn connect(&self) -> Result<Session, Failure> {
        self.with(|facts| {
            facts.attempts += 1;
            if facts.refuses_for_good {
                return Err(Failure::WrongPassword);
            }
            if facts.refuses > 0 {
                facts.refuses -= 1;
                return Err(Failure::Refused);
            }
            facts.opened += 1;
            Ok(Session { id: facts.opened, ..Session::default() })
        })
    }

    fn is_valid(&self, conn: &mut Session) -> Result<(), Failure> {
        self.with(|facts| {
            facts.validated.push(conn.id);
            if facts.dead.contains(&conn.id) { Err(Failure::Silent) } else { Ok(()) }
        })
    }

    fn has_broken(&self, _: &mut Session) -> bool {
        unreachable!("the pools call `has_broken_at`")
    }

    /// Counts an open transaction as broken, except on return.
    fn has_broken_at(&self, conn: &mut Session, moment: Moment) -> bool {
        self.with(|facts| facts.moments.push(moment));
        conn.is_broken || conn.in_transaction && !matches!(moment, Moment::Return { .. })
    }

    fn quick_check(&self, conn: &mut Session) -> Result<(), Failure> {
        self.with(|facts| {
            facts.quick_checks += 1;
            if facts.hung_up.contains(&conn.id) { Err(Failure::Lost) } else { Ok(()) }
        })
    }

    fn quick_check_after(&self) -> Option<Duration> {
        self.with(|facts| facts.quick_check_after)
    }

    fn reset(&self, conn: &mut Session) -> Result<(), Failure> {
        conn.in_transaction = false;
        Ok(())
    }

    fn in_transaction(&self, conn: &mut Session) -> bool {
        conn.in_transaction
    }

    fn should_retire(&self, conn: &mut Session) -> bool {
        self.with(|facts| facts.leaving.contains(&conn.id))
    }

    /// Two hosts take turns.
    fn group(&self, conn: &Session) -> u64 {
        conn.id % 2
    }

    fn info<'c>(&'c self, conn: &'c Session) -> ConnectionInfo<'c> {
        ConnectionInfo::new().with_id(conn.id).with_host("db1")
    }

    fn on_error(&self, conn: &mut Session, error: &Failure) -> Outcome {
        match error {
            Failure::Lost => {
                conn.is_broken = true;
                Outcome::Lost
            }
            Failure::LostInCommit => {
                conn.is_broken = true;
                Outcome::Unknown
            }
            _ => Outcome::Failed,
        }
    }

    fn is_permanent(&self, error: &Failure) -> bool {
        *error == Failure::WrongPassword
    }

    fn pool_closed(&self) {
        self.with(|facts| facts.closed_pools += 1);
    }

    fn forked(&self) {
        self.with(|facts| facts.told_of_fork_at = Some(facts.opened));
    }
}

#[test]
fn the_free_check_is_told_the_moment_at_which_a_pool_asks() {
    for kind in PoolKind::ALL {
        for reset in [Reset::WhenChanged, Reset::Never] {
            let server = Server::default();
            let pool = kind.builder().size(1).reset(reset).build(server.clone()).unwrap();
            drop(pool.get().unwrap());
            let moments = server.with(|facts| std::mem::take(&mut facts.moments));
            assert_eq!(moments[0], Moment::Opened, "{kind}");
            drop(pool.get().unwrap());
            let moments = server.with(|facts| facts.moments.clone());
            assert_eq!(moments, [Moment::Checkout, Moment::Return { reset }], "{kind}");
        }
    }
}

#[test]
fn a_transaction_that_counts_as_broken_at_checkout_only_is_rolled_back_on_return() {
    for kind in PoolKind::ALL {
        let server = Server::default();
        let pool = server.opened_pool(*kind);
        pool.get().unwrap().in_transaction = true;
        assert!(!pool.get().unwrap().in_transaction, "{kind}");
        assert_eq!(pool.state().counters.closed(CloseReason::Broken), 0, "{kind}");
    }
}

#[test]
fn a_quick_check_finds_what_the_free_check_does_not_see() {
    for kind in PoolKind::ALL {
        let server = Server::default();
        server.with(|facts| facts.quick_check_after = Some(Duration::ZERO));
        let pool = server.opened_pool(*kind);
        let id = pool.get().unwrap().id;
        assert!(server.with(|facts| facts.quick_checks) > 0, "{kind}");
        server.with(|facts| facts.hung_up.push(id));
        assert_ne!(pool.get().unwrap().id, id, "{kind}");
        assert_eq!(pool.state().counters.closed(CloseReason::Broken), 1, "{kind}");
    }
}

#[test]
fn a_quick_check_is_made_only_after_the_managers_idle_time() {
    for kind in PoolKind::ALL {
        for after in [None, Some(HOUR)] {
            let server = Server::default();
            server.with(|facts| facts.quick_check_after = after);
            let pool = server.opened_pool(*kind);
            drop(pool.get().unwrap());
            assert_eq!(server.with(|facts| facts.quick_checks), 0, "{kind}, {after:?}");
        }
    }
}

#[test]
fn no_quick_check_follows_a_validation() {
    for kind in PoolKind::ALL {
        let server = Server::default();
        server.with(|facts| facts.quick_check_after = Some(Duration::ZERO));
        let builder = kind.builder().size(1).validation(Validation::OnCheckout);
        let pool = builder.build(server.clone()).unwrap();
        drop(pool.get().unwrap());
        drop(pool.get().unwrap());
        let (validated, quick) = server.with(|facts| (facts.validated.len(), facts.quick_checks));
        assert!(validated > 0 && quick == 0, "{kind}: {validated} and {quick}");
    }
}

#[test]
fn a_connection_that_should_retire_is_closed_on_return_but_not_in_a_transaction() {
    for kind in PoolKind::ALL {
        let server = Server::default();
        let builder = kind.builder().size(1).reset(Reset::Never);
        let pool = builder.build(server.clone()).unwrap();
        let mut conn = pool.get().unwrap();
        let id = conn.id;
        server.with(|facts| facts.leaving.push(id));
        conn.in_transaction = true;
        drop(conn);
        assert_eq!(pool.state().counters.closed(CloseReason::Retired), 0, "{kind}");
        drop(pool.get()); // the free check of this manager closes it
        let conn = pool.get().unwrap();
        let id = conn.id;
        server.with(|facts| facts.leaving.push(id));
        drop(conn);
        let retired = || pool.state().counters.closed(CloseReason::Retired);
        wait::until("the connection to be closed", || retired() == 1);
        assert_ne!(pool.get().unwrap().id, id, "{kind}");
    }
}

#[test]
fn steady_repeats_work_whose_connection_was_lost_and_not_work_that_may_have_been_done() {
    for kind in PoolKind::ALL {
        let server = Server::default();
        let pool = server.opened_pool(*kind);
        let run = |failure: Failure| {
            let mut runs = 0;
            let result = pool.get().unwrap().steady(|_| {
                runs += 1;
                if runs == 1 { Err(failure) } else { Ok(()) }
            });
            (runs, result)
        };
        assert_eq!(run(Failure::Lost), (2, Ok(())), "{kind}");
        assert_eq!(run(Failure::LostInCommit), (1, Err(Failure::LostInCommit)), "{kind}");
        assert_eq!(run(Failure::Refused), (1, Err(Failure::Refused)), "{kind}");
    }
}

#[test]
fn an_error_that_the_guard_is_told_of_closes_the_connection_on_return() {
    for kind in PoolKind::ALL {
        for (failure, outcome) in [
            (Failure::Lost, Outcome::Lost),
            (Failure::LostInCommit, Outcome::Unknown),
            (Failure::Silent, Outcome::Failed),
        ] {
            let server = Server::default();
            let pool = server.opened_pool(*kind);
            let mut conn = pool.get().unwrap();
            let id = conn.id;
            assert_eq!(conn.outcome(&failure), outcome, "{kind}");
            drop(conn);
            let is_kept = pool.get().unwrap().id == id;
            assert_eq!(is_kept, outcome == Outcome::Failed, "{kind}, {failure}");
        }
    }
}

#[test]
fn events_say_which_connection_they_are_about() {
    #[derive(Clone, Default)]
    struct Listener(Arc<Mutex<Vec<String>>>);

    impl Listener {
        fn say(&self, what: &str, conn: &ConnectionInfo<'_>) {
            self.0.lock().unwrap().push(format!("{what} {conn}"));
        }
    }

    impl Events for Listener {
        fn opened(&self, conn: &ConnectionInfo<'_>, _: Duration) {
            self.say("opened", conn);
        }

        fn closed(&self, conn: &ConnectionInfo<'_>, _: CloseReason) {
            self.say("closed", conn);
        }

        fn acquired(&self, conn: &ConnectionInfo<'_>, _: Duration) {
            self.say("acquired", conn);
        }

        fn returned(&self, conn: &ConnectionInfo<'_>, _: Duration) {
            self.say("returned", conn);
        }
    }

    for kind in PoolKind::ALL {
        let listener = Listener::default();
        let builder = kind.builder().size(1).events(listener.clone());
        let pool = builder.build(Server::default()).unwrap();
        let conn = pool.get().unwrap();
        let id = conn.id;
        drop(conn);
        drop(pool.get().unwrap().detach());
        drop(pool);
        let said = listener.0.lock().unwrap().clone();
        for what in ["opened", "acquired", "returned", "closed"] {
            let line = format!("{what} connection {id} of db1");
            assert!(said.contains(&line), "{kind}: {line:?} in {said:?}");
        }
    }
}

#[test]
fn the_manager_is_told_once_that_its_pool_is_closed() {
    for kind in PoolKind::ALL {
        let server = Server::default();
        let pool = server.opened_pool(*kind);
        let other = pool.clone();
        drop(pool);
        assert_eq!(server.with(|facts| facts.closed_pools), 0, "{kind}: a handle is left");
        other.close();
        other.close();
        drop(other);
        assert_eq!(server.with(|facts| facts.closed_pools), 1, "{kind}");
    }
}

#[cfg(unix)]
#[test]
fn the_manager_is_told_in_a_forked_child_before_it_opens_a_connection_there() {
    use threadwise_testkit::forked::{self, End};

    forked::alone(|| {
        forked::keep_no_buffers();
        for kind in PoolKind::ALL {
            let server = Server::default();
            let pool = server.opened_pool(*kind);
            forked::run(End::Exit, || {
                assert_eq!(server.with(|facts| facts.told_of_fork_at), None);
                let opened = server.with(|facts| facts.opened);
                drop(pool.get().unwrap());
                assert_eq!(server.with(|facts| facts.told_of_fork_at), Some(opened));
            });
            let told = server.with(|facts| facts.told_of_fork_at);
            assert_eq!(told, None, "{kind}: not in the parent");
        }
    });
}

#[test]
fn a_build_that_waits_for_a_server_succeeds_when_the_server_accepts_connections() {
    for kind in PoolKind::ALL {
        let server = Server::default();
        server.with(|facts| facts.refuses = 4);
        let pool = kind.builder().size(2).build_within(HOUR, server.clone()).unwrap();
        assert!(server.with(|facts| facts.refuses == 0 && facts.attempts > 4), "{kind}");
        drop(pool.get().unwrap());
    }
}

#[test]
fn a_build_that_waits_for_a_server_goes_on_while_its_dialer_pauses() {
    let server = Server::default();
    server.with(|facts| facts.refuses = 2);
    let pause = Duration::from_millis(50); // longer than the caller's first one
    let builder = SharedPool::builder().connect_backoff(pause, pause);
    let pool = builder.build_within(wait::PATIENCE, server.clone()).unwrap();
    assert_eq!(server.with(|facts| facts.attempts), 3);
    drop(pool.get().unwrap());
}

#[test]
fn a_build_that_waits_for_a_server_opens_no_second_connection_beside_its_dialers() {
    for _ in 0..50 {
        let server = Server::default();
        server.with(|facts| facts.refuses = 1);
        let pause = Duration::from_millis(1); // shorter than the caller's first one
        let builder = SharedPool::builder().connect_backoff(pause, pause);
        let pool = builder.build_within(wait::PATIENCE, server.clone()).unwrap();
        wait::until("all dials to end", || pool.state().connecting == 0);
        assert_eq!(server.with(|facts| facts.attempts), 2);
    }
}

#[test]
fn a_build_that_waits_for_a_server_ends_at_once_after_a_permanent_error() {
    for kind in PoolKind::ALL {
        let server = Server::default();
        server.with(|facts| facts.refuses_for_good = true);
        let refused = kind.builder().size(1).build_within(HOUR, server.clone());
        let Err(BuildError::ConnectFailed(error)) = refused else { panic!("{kind}: {refused:?}") };
        assert!(error.to_string().contains("WrongPassword"), "{kind}: {error}");
        assert_eq!(server.with(|facts| facts.attempts), 1, "{kind}");
    }
}

#[test]
fn a_build_that_waits_for_a_server_gives_up_in_time_with_the_last_error() {
    for kind in PoolKind::ALL {
        let server = Server::default();
        server.with(|facts| facts.refuses = u32::MAX);
        let limit = Duration::from_millis(500);
        let start = Instant::now();
        let refused = kind.builder().size(1).build_within(limit, server.clone());
        let Err(BuildError::ConnectFailed(error)) = refused else { panic!("{kind}: {refused:?}") };
        assert!(error.to_string().contains("Refused"), "{kind}: {error}");
        assert!(server.with(|facts| facts.attempts) > 1, "{kind}");
        assert!(start.elapsed() < HOUR, "{kind}");
    }
}

#[test]
fn evict_if_closes_the_idle_connections_that_are_meant_and_those_on_which_it_panics() {
    let shared = SharedPool::builder().max_size(3).build(Server::default()).unwrap();
    let queue = threadwise::queue::QueuePool::builder().size(3).build(Server::default()).unwrap();
    let ids = |held: Vec<u64>| held.into_iter().collect::<std::collections::BTreeSet<_>>();

    let guards: Vec<_> = (0..3).map(|_| shared.get().unwrap()).collect();
    drop(guards);
    let is_meant = |conn: &mut Session| match conn.id {
        1 => true,
        2 => resume_unwind(Box::new("as planned")),
        _ => false,
    };
    shared.evict_if(is_meant);
    queue.evict_if(is_meant);
    let is_done = || shared.state().counters.closed(CloseReason::Evicted) == 2;
    wait::until("the connections to be closed", is_done);
    assert_eq!(queue.state().counters.closed(CloseReason::Evicted), 2);
    let held: Vec<_> = (0..3).map(|_| shared.get().unwrap()).collect();
    assert_eq!(ids(held.iter().map(|conn| conn.id).collect()), ids(vec![3, 4, 5]));
    let held: Vec<_> = (0..3).map(|_| queue.get().unwrap()).collect();
    assert_eq!(ids(held.iter().map(|conn| conn.id).collect()), ids(vec![3, 4, 5]));
}

#[test]
fn a_dead_connection_makes_a_shared_pool_suspect_only_those_of_its_group() {
    let server = Server::default();
    let pool = SharedPool::builder()
        .max_size(4)
        .validation(Validation::IdleLongerThan(HOUR))
        .build(server.clone())
        .unwrap();
    let held: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    drop(held);
    let mut conn = pool.get().unwrap();
    let lost = conn.id;
    conn.steady(|conn| if conn.id == lost { Err(Failure::Lost) } else { Ok(()) }).unwrap();
    let validated = || server.with(|facts| facts.validated.clone());
    wait::until("the other connection of the group to be validated", || !validated().is_empty());
    let held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    assert_eq!(held.len(), 3);
    assert!(validated().iter().all(|id| id % 2 == lost % 2), "{lost} of {:?}", validated());
}
