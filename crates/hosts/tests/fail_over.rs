//! What the pools do when hosts go, come back and change their roles.

mod common;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{Answer, Error, Server, await_health, build, hosts};
use threadwise_core::{BuildError, CloseReason, GetError, Pool};
use threadwise_hosts::{Condition, Health, HostsError, HostsManager, Order};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::wait;

type Manager = HostsManager<Server>;

fn shared(manager: Manager) -> SharedPool<Manager> {
    SharedPool::builder().max_size(4).build_lazy(manager).unwrap()
}

/// Runs `test` on a pool of each kind.
macro_rules! each_kind {
    ($manager:expr, $test:expr) => {
        $test(&shared($manager));
        $test(&PersistentPool::builder().build_lazy($manager).unwrap());
        $test(&QueuePool::builder().size(4).build($manager).unwrap());
    };
}

fn host_of<P: Pool<Manager = Manager>>(pool: &P) -> String {
    pool.get().expect("a host that serves").host().to_owned()
}

#[test]
fn the_writer_and_the_readers_are_found_by_what_they_say() {
    let (a, b, c) = (Server::reader("a"), Server::writer("b"), Server::reader("c"));
    let hosts = build(&[&a, &b, &c]);
    each_kind!(hosts.writer(), |pool: &_| assert_eq!(host_of(pool), "b"));
    each_kind!(hosts.readers(), |pool: &_| assert_ne!(host_of(pool), "b"));
    each_kind!(hosts.any(), |pool: &_| assert_eq!(host_of(pool), "a"));
}

#[test]
fn a_host_that_stops_is_left_by_each_kind_of_pool_and_not_returned_to() {
    let make = || {
        let (a, b) = (Server::writer("a"), Server::writer("b"));
        (build(&[&a, &b]), a)
    };
    fn fails_over<P: Pool<Manager = Manager>>(pool: &P, a: &Server) {
        assert_eq!(host_of(pool), "a");
        a.stop();
        assert_eq!(host_of(pool), "b");
        a.says(Condition::writer());
        assert_eq!(host_of(pool), "b");
        let held = pool.get().unwrap();
        assert_eq!(held.host(), "b", "no fail-back by itself");
    }
    let (hosts, a) = make();
    fails_over(&shared(hosts.writer()), &a);
    let (hosts, a) = make();
    fails_over(&PersistentPool::builder().build_lazy(hosts.writer()).unwrap(), &a);
    let (hosts, a) = make();
    fails_over(&QueuePool::builder().size(1).build(hosts.writer()).unwrap(), &a);
}

#[test]
fn connections_to_a_host_that_is_down_are_left_although_they_look_well() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.writer());
    let all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    drop(all);
    a.set(Answer::IsSilent); // its sessions live on
    hosts.ask_now();
    assert!(matches!(hosts.status()[0].health, Health::Down(_)));
    let all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    assert!(all.iter().all(|conn| conn.host() == "b"));
    wait::until("the others to be closed", || {
        pool.state().counters.closed(CloseReason::Broken) == 4
    });
}

#[test]
fn a_borrowed_connection_is_not_cut_off_when_its_host_is_down() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.writer());
    let mut held = pool.get().unwrap();
    held.in_transaction = true;
    a.set(Answer::IsSilent);
    hosts.ask_now();
    assert_eq!(held.host(), "a");
    assert_eq!(host_of(&pool), "b");
    held.in_transaction = false;
    drop(held);
    wait::until("it to be left on return", || {
        pool.state().counters.closed(CloseReason::Broken) == 1
    });
}

#[test]
fn hosts_that_change_their_roles_change_their_pools() {
    let (a, b) = (Server::writer("a"), Server::reader("b"));
    let hosts = build(&[&a, &b]);
    let (writer, readers, any) =
        (shared(hosts.writer()), shared(hosts.readers()), shared(hosts.any()));
    let all = || [host_of(&writer), host_of(&readers), host_of(&any)];
    assert_eq!(all(), ["a", "b", "a"]);
    a.says(Condition::reader());
    b.says(Condition::writer());
    hosts.ask_now();
    assert_eq!(all(), ["b", "a", "a"]);
    assert_eq!(any.state().counters.closed(CloseReason::Broken), 0);
}

#[test]
fn a_host_that_is_not_ready_is_not_used_and_causes_no_storm() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    a.says(Condition::not_ready("it has no quorum"));
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.writer());
    let all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    assert!(all.iter().all(|conn| conn.host() == "b"));
    // One question of `build`, one of the watcher when it begins at most.
    assert!(a.logins() <= 2, "{} logins", a.logins());
}

#[test]
fn trouble_with_a_connection_has_its_host_asked_at_once() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.writer());
    drop(pool.get().unwrap());
    a.stop();
    drop(pool.get().unwrap());
    // Its next regular question is in an hour.
    await_health(&hosts, 0, "the host to be known as down", |health| {
        matches!(health, Health::Down(_))
    });
}

#[test]
fn lost_connections_alone_do_not_condemn_their_host() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.writer());
    let all: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    a.end_sessions();
    drop(all);
    assert_eq!(host_of(&pool), "a", "it accepts connections, so it stays the writer");
    wait::until("the host to be asked", || hosts.status()[0].answer_time.is_some());
    assert_eq!(host_of(&pool), "a");
    assert_eq!(b.logins(), 1, "that of the first question");
}

#[test]
fn a_dial_waits_only_shortly_for_a_host_whose_connection_has_just_broken() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = hosts(&[&a, &b]).ask_timeout(Duration::from_secs(600)).build().unwrap();
    let pool = shared(hosts.writer());
    let held = pool.get().unwrap();
    a.set(Answer::Hangs); // as a server that shuts down
    a.end_sessions();
    drop(held);
    assert_eq!(host_of(&pool), "b");
    a.set(Answer::Refuses); // lets the watcher end
}

#[test]
fn all_writers_of_a_process_use_the_same_host() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = build(&[&a, &b]);
    let first = shared(hosts.writer());
    a.stop();
    assert_eq!(host_of(&first), "b");
    a.says(Condition::writer());
    hosts.ask_now();
    assert_eq!(host_of(&shared(hosts.writer())), "b", "although an earlier host can be used");
    assert_eq!(host_of(&shared(hosts.any())), "a");
}

#[test]
fn connections_to_the_earlier_server_of_a_name_are_left_if_names_are_followed() {
    let says = |server: &str| Condition::writer().with_server(server);
    let moves = |log_in_every: Option<Duration>| {
        let a = Server::new("a", says("old"));
        let hosts = hosts(&[&a]).log_in_every(log_in_every).build().unwrap();
        let pool = shared(hosts.writer());
        drop(pool.get().unwrap());
        a.says(says("new"));
        hosts.ask_now(); // by a new connection
        drop(pool.get().unwrap());
        hosts.ask_now();
        drop(pool.get().unwrap());
        pool.state().counters.opened
    };
    assert_eq!(moves(Some(Duration::from_secs(3600))), 2);
    assert_eq!(moves(None), 1);
}

#[test]
fn a_watcher_opens_new_connections_to_follow_a_name() {
    let a = Server::new("a", Condition::writer().with_server("old"));
    let builder = hosts(&[&a]).ask_every(Duration::from_millis(1));
    let hosts = builder.log_in_every(Duration::from_millis(1)).build().unwrap();
    let pool = shared(hosts.writer());
    drop(pool.get().unwrap());
    a.says(Condition::writer().with_server("new"));
    wait::until("the connection to be left", || {
        drop(pool.get().unwrap());
        pool.state().counters.closed(CloseReason::Broken) == 1
    });
}

#[test]
fn in_turn_each_host_gets_the_next_connection() {
    let (a, b) = (Server::reader("a"), Server::reader("b"));
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.readers().order(Order::RoundRobin));
    let all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let hosts_of_all: Vec<_> = all.iter().map(|conn| conn.host()).collect();
    assert_eq!(hosts_of_all, ["a", "b", "a", "b"]);
}

#[test]
fn connections_go_back_one_by_one_if_that_is_wanted_and_never_in_a_transaction() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    a.set(Answer::Refuses);
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.writer().fail_back(Duration::ZERO));
    let mut held = pool.get().unwrap();
    assert_eq!(held.host(), "b");
    held.in_transaction = true;
    a.says(Condition::writer());
    hosts.ask_now();
    assert_eq!(host_of(&pool), "a", "new connections go to the first host again");
    held.in_transaction = false;
    assert_eq!(held.host(), "b");
    drop(held);
    wait::until("it to retire", || pool.state().counters.closed(CloseReason::Retired) == 1);
    wait::until("its host to have none", || hosts.status()[1].connections == 0);
}

#[test]
fn readers_spread_over_the_hosts_and_over_one_that_comes_back_on_request() {
    let (a, b) = (Server::reader("a"), Server::reader("b"));
    b.set(Answer::Refuses);
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.readers().fail_back(Duration::ZERO));
    let all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    b.says(Condition::reader());
    hosts.ask_now();
    drop(all);
    let all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let on_b = all.iter().filter(|conn| conn.host() == "b").count();
    assert_eq!(on_b, 2, "each host has its share");
}

#[test]
fn readers_use_the_writer_if_there_is_no_other() {
    let (a, b) = (Server::writer("a"), Server::reader("b"));
    b.set(Answer::Refuses);
    let hosts = build(&[&a, &b]);
    assert_eq!(host_of(&shared(hosts.readers())), "a");
}

#[test]
fn the_fastest_host_is_the_nearest() {
    let (mut a, b) = (Server::reader("a"), Server::reader("b"));
    a.thinks = Duration::from_millis(50);
    let hosts = build(&[&a, &b]);
    assert_eq!(host_of(&shared(hosts.any().order(Order::Nearest))), "b");
}

#[test]
fn if_no_host_serves_the_error_names_each_and_its_cause() {
    let (a, b, c) = (Server::writer("a"), Server::writer("b"), Server::reader("c"));
    let hosts = build(&[&a, &b, &c]);
    a.set(Answer::Refuses);
    b.says(Condition::not_ready("it joins"));
    let pool = PersistentPool::builder().get_timeout(Duration::from_millis(50));
    let pool = pool.build_lazy(hosts.writer()).unwrap();
    let Err(error) = pool.get() else { panic!("no host can serve") };
    let text = threadwise_core::chain(&error).to_string();
    for part in ["no host can be used as writer", "a: a refuses", "b: not ready: it joins", "c: "] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_host_that_comes_back_is_found_by_the_next_dial_before_its_watcher_asks() {
    let a = Server::writer("a");
    let hosts = build(&[&a, &Server::reader("b")]);
    a.set(Answer::Refuses);
    hosts.ask_now();
    a.says(Condition::writer());
    assert_eq!(host_of(&shared(hosts.writer())), "a");
}

#[test]
fn a_permanent_error_of_all_hosts_is_permanent() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    a.set(Answer::Denies);
    b.set(Answer::Denies);
    let hosts = hosts(&[&a, &b]).build_lazy().unwrap();
    let Err(GetError::ConnectFailed(error)) = shared(hosts.writer()).get() else {
        panic!("access is denied");
    };
    assert!(threadwise_core::chain(&error).to_string().contains("a denies access"), "{error}");
    // One that may pass keeps the waiters waiting.
    b.set(Answer::Refuses);
    let pool = SharedPool::builder().get_timeout(Duration::from_millis(20));
    let error = pool.build_lazy(hosts.writer()).unwrap().get().err();
    assert!(matches!(error, Some(GetError::TimedOut(_))), "{error:?}");
}

#[test]
fn a_lack_of_the_process_condemns_no_host() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = build(&[&a, &b]);
    a.set(Answer::Lacks);
    b.set(Answer::Lacks);
    let pool = PersistentPool::builder().get_timeout(Duration::from_millis(20));
    let pool = pool.build_lazy(hosts.writer()).unwrap();
    let Err(error) = pool.get() else { panic!("there is no descriptor") };
    assert!(threadwise_core::chain(&error).to_string().contains("no descriptor"), "{error}");
    hosts.ask_now();
    let ready = |host: usize| matches!(hosts.status()[host].health, Health::Ready(_));
    assert!(ready(0) && ready(1), "{:?}", hosts.status());
}

#[test]
fn a_pool_suspects_only_connections_to_the_same_host() {
    let (a, b) = (Server::reader("a"), Server::reader("b"));
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.readers());
    let all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    drop(all);
    a.stop();
    let all: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    assert!(all.iter().all(|conn| conn.host() == "b"));
    assert_eq!(hosts.status()[1].connections, 2, "those to the other host stay");
}

#[test]
fn a_connection_tells_its_host_in_events() {
    use std::sync::Mutex;
    use threadwise_core::{ConnectionInfo, Events};
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<String>>>);
    impl Events for Heard {
        fn opened(&self, info: &ConnectionInfo<'_>, _: Duration) {
            self.0.lock().unwrap().push(info.to_string());
        }
    }
    let hosts = build(&[&Server::writer("a")]);
    let heard = Heard::default();
    let pool = SharedPool::builder().events(heard.clone()).build_lazy(hosts.any()).unwrap();
    drop(pool.get().unwrap());
    assert_eq!(*heard.0.lock().unwrap(), ["connection 7 of a"]);
}

#[test]
fn wrong_lists_of_hosts_are_refused() {
    let refusal = |servers: &[&Server]| hosts(servers).build().unwrap_err();
    assert_eq!(refusal(&[]), HostsError::Empty);
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    assert_eq!(refusal(&[&a; 65]), HostsError::TooMany(65));
    assert!(matches!(refusal(&[&a, &b, &a]), HostsError::Same { server: None, .. }));
    a.says(Condition::writer().with_server("s1").with_cluster("k"));
    b.says(Condition::writer().with_server("s1").with_cluster("k"));
    let text = refusal(&[&a, &b]).to_string();
    assert!(text.contains("a and b lead to the same server (s1)"), "{text}");
    b.says(Condition::writer().with_server("s2").with_cluster("other"));
    let text = refusal(&[&a, &b]).to_string();
    assert!(text.contains("a to k, and b to other"), "{text}");
    a.set(Answer::Refuses);
    b.set(Answer::Denies);
    let text = refusal(&[&a, &b]).to_string();
    assert!(text.contains("a: down: a refuses; b: down: b denies access"), "{text}");
}

#[test]
fn a_host_of_another_cluster_that_appears_later_is_never_used() {
    let (a, b) = (Server::new("a", Condition::writer().with_cluster("k")), Server::writer("b"));
    b.set(Answer::Refuses);
    let hosts = build(&[&a, &b]);
    b.says(Condition::writer().with_cluster("other"));
    hosts.ask_now();
    a.stop();
    let pool = PersistentPool::builder().get_timeout(Duration::from_millis(20));
    let pool = pool.build_lazy(hosts.writer()).unwrap();
    let Err(error) = pool.get() else { panic!("b is foreign") };
    let text = threadwise_core::chain(&error).to_string();
    assert!(text.contains("b: not ready: it belongs to the cluster other"), "{text}");
}

#[test]
fn steady_replaces_a_lost_connection_by_one_of_another_host() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = build(&[&a, &b]);
    let pool = shared(hosts.writer());
    let mut conn = pool.get().unwrap();
    a.stop();
    let used = conn.steady(|conn| match conn.host() {
        "a" => Err(Error::Lost("a")),
        other => Ok(other.to_owned()),
    });
    assert_eq!(used.unwrap(), "b");
}

#[test]
fn building_a_pool_fails_with_the_cause_of_each_host() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = build(&[&a, &b]);
    a.stop();
    b.stop();
    let builder = SharedPool::builder().get_timeout(Duration::from_millis(20));
    let Err(error) = builder.build(hosts.writer()) else { panic!("all are down") };
    assert!(matches!(error, BuildError::ConnectFailed(_)), "{error:?}");
    let text = threadwise_core::chain(&error).to_string();
    assert!(text.contains("a: a refuses") && text.contains("b: b refuses"), "{text}");
}

#[test]
fn the_watchers_end_with_the_last_pool_and_begin_again_with_the_next() {
    let a = Server::writer("a");
    let builder = hosts(&[&a]).ask_every(Duration::from_millis(1));
    let hosts = builder.build().unwrap();
    let asked = || hosts.status()[0].answer_time;
    {
        let (one, two) = (shared(hosts.writer()), shared(hosts.any()));
        drop((one.get().unwrap(), two.get().unwrap()));
        one.close();
        wait::until("the watcher to ask", || asked().is_some());
    }
    // The last manager is gone. Its watcher ends, and closes its own session.
    wait::until("no session", || Arc::strong_count(a.life()) == 1 + 1);
    let pool = shared(hosts.writer());
    drop(pool.get().unwrap());
    let logins = a.logins();
    a.end_sessions();
    wait::until("a watcher to log in again", || a.logins() > logins);
}

#[test]
fn pools_that_come_and_go_on_many_threads_leave_watchers_if_and_only_if_one_is_in_use() {
    let a = Server::writer("a");
    let hosts = hosts(&[&a]).ask_every(Duration::from_millis(1)).build().unwrap();
    let come_and_go = || {
        for _ in 0..50 {
            drop(host_of(&shared(hosts.writer())));
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(come_and_go);
        }
    });
    let sessions = || Arc::strong_count(a.life()) - 2; // the test's handle and the manager
    wait::until("the watchers to end", || sessions() == 0);
    let pool = shared(hosts.writer());
    drop(pool.get().unwrap());
    wait::until("a watcher's session beside the pool's", || sessions() == 2);
}

#[test]
fn a_manager_explains_which_host_it_uses_and_how_the_others_are() {
    let (a, b) = (Server::writer("a"), Server::writer("b"));
    let hosts = build(&[&a, &b]);
    a.stop();
    let pool = shared(hosts.writer());
    drop(pool.get().unwrap());
    let text = pool.manager().explain();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("a: ") && !lines[0].contains("(current)"), "{text}");
    assert!(lines[1].starts_with("b: writer"), "{text}");
    assert!(lines[1].ends_with("1 connections (current)"), "{text}");
}
