//! The tools with which the threadwise pools are tested.
//!
//! | item | holds |
//! |---|---|
//! | [`Scripted`], [`Script`] | a manager that fails, hangs and panics as its script says |
//! | [`Ledger`] | every connection that was opened, and what happened to it |
//! | [`Heard`] | events that record what they are told |
//! | [`FakeManager`] | a manager without a server |
//! | [`numbers`] | a manager whose connections are numbers, with the answers that a test sets |
//! | [`sessions`] | a manager whose sessions may be in a transaction, or changed |
//! | [`SessionState`], [`PgSessionState`] | the state of a session of MariaDB, of PostgreSQL, to compare it before and after a statement |
//! | [`await_names`], [`await_code`] | waiting until the MySQL manager knows what names mean, the PostgreSQL manager what code may do |
//! | [`LEAKY_SCHEMA`] | a MariaDB schema whose names have side effects on a session |
//! | [`Proxy`] | a TCP proxy that delays, cuts and refuses connections |
//! | [`ClosedPort`] | a port that refuses connections |
//! | [`Gate`], [`wait`] | hangs that end when the test says so; waiting for conditions instead of times |
//! | [`stress`] | rounds of random choices, for a time, with a seed that repeats them |
//! | [`panics`] | panics on purpose, which are not printed |
//! | [`promised_output`] | the output that an example promises |
//! | [`forked`] | forked children, which end as told and report what is wrong |
//! | [`mariadb`], [`postgres`], [`redis`] | private servers of MariaDB, PostgreSQL and Redis: they never outlive their test |
//! | [`backend`] | the databases of the conformance suite: fake, SQLite, MariaDB, PostgreSQL |
//! | [`conformance`] | the promises of every pool, one test each |

pub mod backend;
mod closed_port;
pub mod conformance;
mod fake;
#[cfg(unix)]
pub mod forked;
mod gate;
mod head;
mod heard;
mod leaky_schema;
mod ledger;
pub mod mariadb;
mod names;
pub mod numbers;
pub mod panics;
pub mod postgres;
mod proxy;
pub mod redis;
mod script;
mod scripted;
mod server;
mod session_oracle;
pub mod sessions;
pub mod stress;
pub mod wait;

pub use closed_port::ClosedPort;
pub use fake::{FakeConnection, FakeManager};
pub use gate::{Gate, OpenAtEnd};
pub use head::promised_output;
pub use heard::Heard;
pub use leaky_schema::LEAKY_SCHEMA;
pub use ledger::{Holding, Ledger};
pub use names::{await_code, await_names};
pub use postgres::PgSessionState;
pub use proxy::Proxy;
pub use script::{Call, Script, Step};
pub use scripted::{Scripted, ScriptedConnection, ScriptedError};
pub use session_oracle::SessionState;
