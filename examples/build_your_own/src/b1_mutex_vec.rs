//! Step 1: a `Vec` of idle connections behind a `Mutex`.
//!
//! **New**: a thread that no longer needs a connection puts it aside, and the next thread uses it.
//!
//! **The flaw**: if none is idle, `get` opens another one. So the pool has as many connections as
//! threads ever used at the same time, until the server refuses more.
//!
//! ```text
//! cargo run -p build-your-own --bin b1_mutex_vec
//! ```
//!
//! It prints:
//!
//! ```text
//! 3 uses, one after the other: 1 connection opened
//! 8 threads at the same time:  8 connections open
//! ```

use std::sync::Barrier;

use crate::server::{Manage, Refused, Server};
use crate::sync::Mutex;

// ANCHOR: pool
/// The idle connections.
pub struct Pool<M: Manage> {
    manager: M,
    idle: Mutex<Vec<M::Connection>>,
}

impl<M: Manage> Pool<M> {
    /// An empty pool.
    pub fn new(manager: M) -> Self {
        Self { manager, idle: Mutex::new(Vec::new()) }
    }

    /// Takes an idle connection, or opens one.
    ///
    /// # Errors
    ///
    /// If the server refuses the connection.
    pub fn get(&self) -> Result<M::Connection, Refused> {
        // This statement releases the lock at its end, before a connection is opened.
        let idle = self.idle.lock().unwrap().pop();
        match idle {
            Some(conn) => Ok(conn),
            None => self.manager.connect(),
        }
    }

    /// Puts the connection aside for the next thread.
    pub fn put(&self, conn: M::Connection) {
        self.idle.lock().unwrap().push(conn);
    }
}
// ANCHOR_END: pool

/// The demonstration.
pub fn main() {
    let server = Server::default();
    let pool = Pool::new(server.clone());
    for _ in 0..3 {
        use_and_put(&pool, || ());
    }
    println!("3 uses, one after the other: {} connection opened", server.opened());

    let all_have_one = Barrier::new(8);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| use_and_put(&pool, || _ = all_have_one.wait()));
        }
    });
    println!("8 threads at the same time:  {} connections open", server.open());
}

fn use_and_put(pool: &Pool<Server>, work: impl FnOnce()) {
    let mut conn = pool.get().expect("the server accepts connections");
    conn.query().expect("the server is there");
    work();
    pool.put(conn);
}
