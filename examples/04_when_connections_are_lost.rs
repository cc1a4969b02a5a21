//! A server closes connections: what the pool does, what `steady` does, and what you must do.
//!
//! If a connection breaks while idle, no borrower notices. If it breaks while you hold it, you get
//! an error, unless `steady` has a closure to run again. `steady` never runs a part of a
//! transaction again, because the part before it is lost and only you know what it was. (The server
//! and its manager are in `common/hangs_up.rs`. The server answers with the number of the session;
//! the pool begins with 1.)
//!
//! ```text
//! cargo run --example 04_when_connections_are_lost --all-features
//! ```
//!
//! It prints:
//!
//! ```text
//! lost while idle:           answered in session 2
//! lost in use:               connection reset
//! lost in use, steady:       answered in session 3
//! in a transaction, steady:  connection reset
//! and after that:            answered in session 4
//! all of it in `steady`:     answered in session 5
//! ```

use threadwise::Validation;
use threadwise::shared::SharedPool;

#[path = "common/hangs_up.rs"]
mod hangs_up;

use hangs_up::{Manager, hang_up, serve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // At each checkout, since this program is over before the half second of idleness after which
    // the server is asked by default.
    let pool = SharedPool::builder().validation(Validation::OnCheckout).build(Manager(serve()?))?;

    // ANCHOR: use
    hang_up();
    println!("lost while idle:           answered in session {}", pool.get()?.ask("hello")?);

    let mut conn = pool.get()?;
    hang_up();
    // The server may or may not have done it, so you get an error.
    println!("lost in use:               {}", conn.ask("insert 1").expect_err("it is lost"));
    let session = conn.steady(|conn| conn.ask("hello"))?;
    println!("lost in use, steady:       answered in session {session}");
    // ANCHOR_END: use

    // ANCHOR: transaction
    conn.ask("begin").and_then(|_| conn.ask("insert 1"))?;
    hang_up();
    let part = conn.steady(|conn| conn.ask("insert 2"));
    println!("in a transaction, steady:  {}", part.expect_err("the part before it is lost"));
    println!("and after that:            answered in session {}", conn.ask("hello")?);

    hang_up();
    let session = conn.steady(|conn| conn.ask("begin").and_then(|_| conn.ask("insert 1")))?;
    println!("all of it in `steady`:     answered in session {session}");
    conn.ask("commit")?; // not in `steady`: if it is lost, it may have been done
    // ANCHOR_END: transaction
    Ok(())
}
