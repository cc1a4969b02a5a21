//! A forked child watches the hosts itself, and counts its own connections.
#![cfg(unix)]

mod common;

use common::{Server, build};
use threadwise_shared::SharedPool;
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::wait;

#[test]
fn a_child_has_watchers_and_counts_of_its_own() {
    forked::alone(child_has_watchers_and_counts);
}

fn child_has_watchers_and_counts() {
    let a = Server::writer("a");
    let hosts = build(&[&a]);
    let pool = |manager| SharedPool::builder().max_size(4).build_lazy(manager).unwrap();
    let (pool, other) = (pool(hosts.writer()), pool(hosts.any()));
    let held = pool.get().unwrap();
    drop(other.get().unwrap());
    let connections = || hosts.status()[0].connections;
    assert_eq!(connections(), 2);
    forked::run(End::AtOnce, || {
        assert_eq!(connections(), 0, "those of the parent do not count");
        drop(held);
        assert_eq!(connections(), 0, "nor do they when they are dropped");
        let own = pool.get().unwrap();
        drop(other.get().unwrap());
        assert_eq!(connections(), 2);
        assert_eq!(a.forks(), 1, "its manager learns it once, for both pools");
        // The parent's watcher would not ask here.
        let logins = a.logins();
        a.end_sessions();
        drop(own);
        wait::until("a watcher of the child to log in", || a.logins() > logins);
    });
    assert_eq!(a.forks(), 0);
}
