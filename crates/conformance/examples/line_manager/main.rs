//! A manager for a line protocol, in a pool. `docs/managers.md` of the repository builds it step by step.
//!
//! The last lines that it prints:
//!
//! ```text
//! "alice" true
//! "" false
//! 1 connection was opened for both
//! ```

#![allow(unreachable_pub, reason = "in a crate of its own, the manager is public")]

/// The crate that the page builds.
#[path = "."]
mod line_manager {
    pub mod driver;
    pub mod manager;
    pub mod server;
}

// ANCHOR: main
use std::error::Error;

use line_manager::manager::LineManager;
use line_manager::server;
use threadwise_shared::SharedPool;

fn main() -> Result<(), Box<dyn Error>> {
    let manager = LineManager { address: server::serve()?, password: "sesame".into() };
    let pool = SharedPool::builder().max_size(1).build(manager)?;

    let mut first = pool.get()?;
    first.ask("name alice")?;
    println!("{}", first.ask("begin")?);
    drop(first); // comes back in the middle of a transaction

    println!("{}", pool.get()?.ask("session")?);
    println!("{} connection was opened for both", pool.state().counters.opened);
    Ok(())
}
// ANCHOR_END: main
