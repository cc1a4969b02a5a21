//! The main thread of a program may end without running the destructors of its thread-local values. So
//! the drop of the pool closes its connection.

use threadwise_core::CloseReason;
use threadwise_mysql::MysqlManager;
use threadwise_persistent::PersistentPool;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::{Scripted, wait};

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let server = MariaDb::start().unwrap(); // nothing would stop a shared one, since this test has its own `main`
    let database = server.create_database("main_thread");
    the_main_threads_connection_is_closed_at_pool_drop(&server, &database);
    the_main_threads_connection_is_closed_by_another_thread_that_closes_the_pool();
    wait::until("the server to notice", || server.process_count(Some(&database)) == 0);
}

fn the_main_threads_connection_is_closed_at_pool_drop(server: &MariaDb, database: &str) {
    let manager = Scripted::new(MysqlManager::from_url(&server.url_for(database)).unwrap());
    let ledger = manager.ledger();
    let pool = PersistentPool::builder().build_lazy(manager).unwrap();
    drop(pool.get().unwrap());
    assert_eq!(pool.get().unwrap().id(), 1);
    assert_eq!(server.process_count(Some(database)), 1);
    drop(pool);
    assert_eq!(ledger.open(), 0);
}

fn the_main_threads_connection_is_closed_by_another_thread_that_closes_the_pool() {
    let manager = Scripted::new(threadwise_testkit::FakeManager);
    let ledger = manager.ledger();
    let pool = PersistentPool::builder().build_lazy(manager).unwrap();
    drop(pool.get().unwrap());
    std::thread::scope(|scope| drop(scope.spawn(|| pool.close())));
    assert_eq!(ledger.open(), 0);
    assert_eq!(pool.state().counters.closed(CloseReason::PoolClosed), 1);
}
