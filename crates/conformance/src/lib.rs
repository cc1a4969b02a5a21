//! Tests for connection managers: whoever writes a [`ManageConnection`] for the threadwise pools
//! implements one trait, calls one macro, and gets each promise as a test with a name.
//!
//! ```no_run
//! # use std::io;
//! # use threadwise_core::ManageConnection;
//! # struct MyManager;
//! # impl MyManager { fn to(_: std::net::SocketAddr) -> Self { Self } }
//! # struct MyConnection;
//! # impl MyConnection { fn ask(&mut self, nonce: u64) -> io::Result<u64> { Ok(nonce) } }
//! # impl ManageConnection for MyManager {
//! #     type Connection = MyConnection;
//! #     type Error = io::Error;
//! #     fn connect(&self) -> io::Result<MyConnection> { Ok(MyConnection) }
//! #     fn is_valid(&self, _: &mut MyConnection) -> io::Result<()> { Ok(()) }
//! #     fn has_broken(&self, _: &mut MyConnection) -> bool { false }
//! # }
//! use threadwise_conformance::{ManagerUnderTest, Proxy, conformance};
//!
//! struct MyServer(Proxy);
//!
//! impl ManagerUnderTest for MyServer {
//!     type Manager = MyManager;
//!
//!     fn start() -> Self {
//!         let server = "127.0.0.1:7000".parse().unwrap();
//!         Self(Proxy::before(server).unwrap())
//!     }
//!
//!     fn manager(&self) -> MyManager {
//!         MyManager::to(self.0.address())
//!     }
//!
//!     fn echo(&self, conn: &mut MyConnection, nonce: u64) -> io::Result<u64> {
//!         conn.ask(nonce)
//!     }
//!
//!     fn proxy(&self) -> Option<&Proxy> {
//!         Some(&self.0)
//!     }
//! }
//!
//! conformance!(MyServer: cut, notice, outage);
//! # fn main() {}
//! ```
//!
//! Put this into a file under `tests/` of your crate, with `threadwise-conformance` among its
//! `dev-dependencies`. `cargo test` then runs the tests of the manager, and the tests of each pool with the
//! manager: about 190 tests. `docs/managers.md` of the repository writes a manager and its conformance
//! test step by step.
//!
//! # Parts
//!
//! Some tests need something from the server, and some methods of a manager have defaults that promise
//! nothing. These tests belong to parts. Name in the macro call the parts that your manager and your
//! [`ManagerUnderTest`] can do. `cargo test` lists the tests of the other parts as ignored, "not tried".
//!
//! | part | the tests show | it needs, of [`ManagerUnderTest`] | and of the manager |
//! |---|---|---|---|
//! | (always) | the limit, capacity, deadlines, closing, and that the checks accept a connection that works | `start`, `manager`, `echo` | the three required methods |
//! | `cut` | a validation finds a connection that the server closed; a pool does not lend it again | `cut` | `is_valid`, `has_broken` or `on_error` |
//! | `notice` | the free check, or the quick check, finds it before the next use | `cut` | `has_broken`, or `quick_check` and `quick_check_after` |
//! | `quick_check` | the quick check finds it | `cut` | `quick_check`, `quick_check_after` |
//! | `silence` | connect, validation and reset end at their limits | `freeze`, `thaw` | the `…_within` methods |
//! | `patience` | a validation whose answer is late can be continued | `freeze`, `thaw` | `is_valid_patient` |
//! | `last_answer` | a validation moves the time of the last answer | | `last_answer` |
//! | `outage` | an outage is not permanent, and a pool comes back after it | `stop_server`, `start_server` | `is_permanent` |
//! | `refusal` | a refusal is permanent, can be printed, and shows no password | `refused_manager`, `PASSWORD` | `is_permanent` |
//! | `lost` | `steady` goes on after a connection was lost | `cut` | `is_lost` or `on_error` |
//! | `failure` | work that the server refuses does not count as a lost connection | `fail` | `is_lost` or `on_error` |
//! | `session` | a reset removes what a user left | `soil`, `is_fresh` | `reset`, `has_changed` |
//! | `changes` | an unchanged session is not reset | | `has_changed`, `begin_session` |
//! | `transaction` | the manager knows a transaction until it ends, and the reset ends it | `begin` | `in_transaction`, `has_broken_at`, `reset` |
//! | `shared_transaction` | the same for threads that share a connection | `begin` | `in_transaction_shared` |
//! | `commit` | an error of a commit has the outcome `Unknown` | `begin`, `commit`, `cut` | `on_error` |
//! | `count` | a connect opens one connection, and a close ends it | `open_connections`, `freeze`, `thaw` | `connect`, `close` |
//! | `labels` | events can tell connections apart | | `info` |
//! | `retire` | a connection that should leave is closed on return | `retire` | `should_retire` |
//! | `threads` | a closed pool ends the threads of its manager | `threads` | `pool_closed` |
//! | `fork` | a forked child opens its own connection and leaves its parent's alone (Unix) | | `forget_in_child`, `forked` |
//!
//! `group` has tests that always run: its default passes them.
//!
//! # Files
//!
//! | item | holds |
//! |---|---|
//! | [`conformance!`], [`manager_conformance!`], [`pool_conformance!`] | the tests of a manager and of all pools with it; of the manager; of one pool |
//! | [`ManagerUnderTest`] | what you implement |
//! | [`pools`] | what the suite needs of a pool: for writers of pools |
//! | [`promises`] | the functions behind the tests |
//! | [`Proxy`] | a TCP proxy that delays, freezes, cuts and refuses connections |
//! | [`Scripted`], [`Script`], [`Ledger`] | a manager that fails, hangs and panics as its script says, and keeps book |
//! | [`Gate`], [`wait`], [`panics`], [`forked`] | hangs that end when the test says so; waiting for conditions; planned panics; forked children |
//!
//! [`ManageConnection`]: threadwise_core::ManageConnection

#[cfg(unix)]
pub mod forked;
mod gate;
mod ledger;
mod macros;
pub mod panics;
pub mod pools;
pub mod promises;
mod proxy;
mod rig;
mod script;
mod scripted;
mod subject;
pub mod wait;

pub use gate::{Gate, OpenAtEnd};
pub use ledger::{Holding, Ledger};
pub use proxy::Proxy;
pub use script::{Call, Script, Step};
pub use scripted::{Scripted, ScriptedConnection, ScriptedError};
pub use subject::{ConnectionOf, ErrorOf, ManagerUnderTest};
