//! Tests for connection managers. If you write a [`ManageConnection`] for the threadwise pools, implement
//! one trait and call one macro. You get a named test for each promise.
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
//! `dev-dependencies`. `cargo test` then has about 190 tests: those of the manager, and those of each pool
//! with the manager. It runs the tests of the parts that the macro call names. `docs/managers.md` of the
//! repository writes a manager and its conformance test step by step.
//!
//! # Parts
//!
//! Some tests need help from the server. Others test a method of the manager whose default promises
//! nothing. These tests belong to parts. In the macro call, name the parts that your manager and your
//! [`ManagerUnderTest`] support. `cargo test` lists the tests of the other parts as ignored, "not tried".
//!
//! | part | the tests show | methods of [`ManagerUnderTest`] | methods of the manager |
//! |---|---|---|---|
//! | (always) | the limit, capacity, deadlines, closing, and that the checks accept a connection that works | `start`, `manager`, `echo` | the three required methods |
//! | `cut` | a validation finds a connection that the server closed; a pool does not lend it again | `cut` | `is_valid`, `has_broken` or `on_error` |
//! | `notice` | the free check, or the quick check, finds such a connection before the next use | `cut` | `has_broken`, or `quick_check` and `quick_check_after` |
//! | `quick_check` | the quick check finds such a connection | `cut` | `quick_check`, `quick_check_after` |
//! | `silence` | connect, validation and reset end at their limits | `freeze`, `thaw` | the `…_within` methods |
//! | `patience` | the manager can continue a validation whose answer is late | `freeze`, `thaw` | `is_valid_patient` |
//! | `last_answer` | a validation moves the time of the last answer | | `last_answer` |
//! | `outage` | an outage is not permanent, and a pool comes back after it | `stop_server`, `start_server` | `is_permanent` |
//! | `refusal` | the error of a refused login is permanent, has a text, and shows no password | `refused_manager`, `PASSWORD` | `is_permanent` |
//! | `lost` | `steady` goes on after a connection was lost | `cut` | `is_lost` or `on_error` |
//! | `failure` | work that the server refuses does not count as a lost connection | `fail` | `is_lost` or `on_error` |
//! | `session` | a reset removes what a borrower left | `soil`, `is_fresh` | `reset`, `has_changed` |
//! | `changes` | the pool does not reset an unchanged session | | `has_changed`, `begin_session` |
//! | `transaction` | the manager knows a transaction until it ends, and the reset ends it | `begin` | `in_transaction`, `has_broken_at`, `reset` |
//! | `shared_transaction` | the same for threads that share a connection | `begin` | `in_transaction_shared` |
//! | `commit` | an error of a commit has the outcome `Unknown` | `begin`, `commit`, `cut` | `on_error` |
//! | `count` | a connect opens one connection, and a close ends it | `open_connections`, `freeze`, `thaw` | `connect`, `close` |
//! | `labels` | events can tell connections apart | | `info` |
//! | `retire` | on its return, the pool closes a connection that should retire | `retire` | `should_retire` |
//! | `threads` | a closed pool ends the threads of its manager | `threads` | `pool_closed` |
//! | `fork` | a forked child opens its own connection and leaves its parent's alone (Unix) | | `forget_in_child`, `forked` |
//!
//! The test of `group` always runs, because the default of `group` passes it.
//!
//! # Items
//!
//! | item | what it is |
//! |---|---|
//! | [`conformance!`], [`manager_conformance!`], [`pool_conformance!`] | the tests of a manager and of all pools with it; of the manager; of one pool |
//! | [`ManagerUnderTest`] | what you implement |
//! | [`pools`] | what the suite needs from a pool, for authors of pools |
//! | [`promises`] | the functions behind the tests |
//! | [`Proxy`] | a TCP proxy that delays, freezes, cuts and refuses connections |
//! | [`Scripted`], [`Script`], [`Ledger`] | a manager that fails, hangs and panics as its script says, and records each connection in a ledger |
//! | [`Gate`], [`wait`], [`panics`], [`forked`] | hangs until the test opens a gate; waits for conditions; planned panics; forked children |
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
