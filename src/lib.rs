//! Connection pools for threads: one for each threading model, behind one trait.
//!
//! | your threads | pool | feature (on by default) |
//! |---|---|---|
//! | many threads share a few connections | [`shared::SharedPool`] | `shared` |
//! | a stable set of threads, each busy with its own connection | [`persistent::PersistentPool`] | `persistent` |
//! | a fixed number of connections behind a queue, no background threads | [`queue::QueuePool`] | `queue` |
//!
//! A connection manager, [`ManageConnection`], opens the connections. The features `sqlite`
//! (`SqliteManager`, over rusqlite), `mysql` (`MysqlManager`, over mysql) and `postgres`
//! (`PostgresManager`, over postgres) bring one each; `r2d2` takes the managers that were written for r2d2;
//! a manager for another driver takes a few lines. With `hosts`, one manager opens connections to several
//! hosts: a primary with its replicas, or a cluster.
//!
#![cfg_attr(
    all(feature = "shared", feature = "sqlite"),
    doc = r#"
```
use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;

let pool = SharedPool::builder().max_size(3).build(SqliteManager::memory())?;
pool.get()?.execute_batch("CREATE TABLE visit (page TEXT)")?;

std::thread::scope(|threads| {
    for page in ["home", "shop", "cart", "help"] {
        let pool = &pool;
        threads.spawn(move || {
            let conn = pool.get().unwrap(); // waits for a free connection
            conn.execute("INSERT INTO visit VALUES (?1)", [page]).unwrap();
        }); // the guard returns the connection
    }
});

let visits: u32 = pool.get()?.query_row("SELECT count(*) FROM visit", [], |row| row.get(0))?;
assert_eq!(visits, 4);
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
)]
//!
//! Code that is generic over [`Pool`] changes its threading model by changing one type. A program that
//! chooses its pool at run time uses [`PoolKind`]. With the feature `config`, `PoolConfig` reads all
//! settings, the kind among them, from the environment or a URL; with `serde` from a configuration file.
//! `ManagerConfig` does so for the settings of a connection manager.
//!
//! Every pool keeps the same promises: see [`Pool`]. Apart from [`PoolKind`], this crate only
//! re-exports the crates of the family, each of which can be used alone.

#![forbid(unsafe_code)]

#[cfg(feature = "hosts")]
pub use threadwise_hosts as hosts;
#[cfg(feature = "mysql")]
pub use threadwise_mysql as mysql;
#[cfg(feature = "persistent")]
pub use threadwise_persistent as persistent;
#[cfg(feature = "postgres")]
pub use threadwise_postgres as postgres;
#[cfg(feature = "queue")]
pub use threadwise_queue as queue;
#[cfg(feature = "r2d2")]
pub use threadwise_r2d2 as r2d2;
#[cfg(feature = "shared")]
pub use threadwise_shared as shared;
#[cfg(feature = "sqlite")]
pub use threadwise_sqlite as sqlite;

pub use threadwise_core::{
    BuildError, Clock, CloseReason, ConnectError, ConnectionInfo, Counters, Events, Exhausted,
    GetError, GetResult, Guard, Holder, HookError, LogReports, ManageConnection, Moment, Outcome,
    Pool, Report, Reset, State, TimedOut, Validation, VirtualClock, chain,
};

#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
mod any_pool;
#[cfg(all(
    feature = "config",
    any(
        feature = "shared",
        feature = "persistent",
        feature = "queue",
        feature = "sqlite",
        feature = "mysql",
        feature = "postgres"
    )
))]
mod config;
#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
mod pool_kind;
#[cfg(all(feature = "shared", feature = "sqlite"))]
mod readers_and_writer;

#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
pub use any_pool::{AnyBuilder, AnyConnection, AnyPool, UsePool};
#[cfg(all(
    feature = "config",
    any(
        feature = "shared",
        feature = "persistent",
        feature = "queue",
        feature = "sqlite",
        feature = "mysql",
        feature = "postgres"
    )
))]
pub use config::*;
#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
pub use pool_kind::{PoolKind, UnknownPoolKind};
#[cfg(all(feature = "shared", feature = "sqlite"))]
pub use readers_and_writer::{ReadersAndWriter, ReadersAndWriterBuilder};

/// Tests that the code in the documents compiles and does what they say.
#[cfg(all(doctest, feature = "shared", feature = "persistent", feature = "sqlite"))]
mod documents {
    #[doc = include_str!("../README.md")]
    mod readme {}
    #[doc = include_str!("../docs/async.md")]
    mod programs_that_are_async {}
    #[cfg(feature = "serde")]
    #[doc = include_str!("../docs/configuration.md")]
    mod configuration {}
}
