//! A server hangs up: what the pool does about it, what `steady` does, and what is left to you.
//!
//! What to look at: a connection that was lost while idle costs nobody anything. One that was lost
//! in your hands is an error, unless `steady` was told what to do again. A part of a transaction is
//! never done again: it would be done without the part before it, which is gone, and only you know
//! what that was. (The server and its manager are in `common/hangs_up.rs`. It answers with the
//! number of the session; the pool begins with session 1.)
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
    // Whether the server has done it before it hung up, nobody knows. So you are told.
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
