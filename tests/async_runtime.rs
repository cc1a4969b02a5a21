//! In a build with debug assertions, a pool reports a `get` that waits on a thread of an async
//! runtime, but not in a closure that may block. See docs/async.md.
#![cfg(all(feature = "shared", feature = "queue", feature = "sqlite", debug_assertions))]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;
use threadwise_core::{Events, Report};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{block_in_place, spawn_blocking};

/// Collects reports.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<String>>>);

impl Events for Reports {
    fn watches_uses(&self) -> bool {
        false
    }

    fn report(&self, report: &Report<'_>) {
        if matches!(report, Report::BlocksRuntime { .. }) {
            self.0.lock().unwrap().push(report.to_string());
        }
    }
}

impl Reports {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).build().unwrap()
}

/// Returns a closure that calls `get`, waits for a short time and times out.
macro_rules! wait {
    ($pool:expr) => {{
        let pool = $pool.clone();
        move || {
            // Long enough for a busy machine to begin the wait in time.
            pool.get_timeout(Duration::from_millis(300)).map(drop).expect_err("it is borrowed");
        }
    }};
}

macro_rules! check {
    ($reports:expr, $pool:expr) => {{
        let (reports, pool) = ($reports, $pool);
        let runtime = runtime();
        let _in_use = pool.get().unwrap();
        wait!(pool)();
        let wait = wait!(pool);
        runtime.block_on(async { spawn_blocking(wait).await.unwrap() });
        let wait = wait!(pool);
        runtime
            .block_on(async { tokio::spawn(async move { block_in_place(wait) }).await.unwrap() });
        assert_eq!(reports.take(), [""; 0], "all of these may wait");

        let wait = wait!(pool);
        runtime.block_on(async { tokio::spawn(async move { wait() }).await.unwrap() });
        let said = reports.take();
        assert_eq!(said.len(), 1, "{said:?}");
        for word in ["orders", "spawn_blocking", "docs/async.md"] {
            assert!(said[0].contains(word), "{said:?}");
        }
        let wait = wait!(pool);
        runtime.block_on(async { tokio::spawn(async move { wait() }).await.unwrap() });
        assert_eq!(reports.take(), [""; 0], "once is enough");
    }};
}

#[test]
fn a_get_that_blocks_a_runtime_is_reported_once_and_one_that_may_block_is_not() {
    let reports = Reports::default();
    let builder = QueuePool::builder().size(1).name("orders").events(reports.clone());
    check!(reports.clone(), builder.build(SqliteManager::memory()).unwrap());
    let builder = SharedPool::builder().max_size(1).name("orders").events(reports.clone());
    check!(reports.clone(), builder.build(SqliteManager::memory()).unwrap());
}

#[test]
fn a_get_that_does_not_wait_is_not_reported() {
    let reports = Reports::default();
    let builder = SharedPool::builder().name("orders").events(reports.clone());
    let pool = builder.build(SqliteManager::memory()).unwrap();
    let runtime = runtime();
    runtime.block_on(async { tokio::spawn(async move { drop(pool.get()) }).await.unwrap() });
    assert_eq!(reports.take(), [""; 0]);
}
