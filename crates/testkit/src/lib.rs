//! The tools with which the threadwise pools are tested.
//!
//! | item | holds |
//! |---|---|
//! | [`Heard`] | events that record what they are told |
//! | [`FakeManager`] | a manager without a server |
//! | [`numbers`] | a manager whose connections are numbers, with the answers that a test sets |
//! | [`sessions`] | a manager whose sessions may be in a transaction, or changed |
//! | [`SessionState`], [`PgSessionState`] | the state of a session of MariaDB, of PostgreSQL, to compare it before and after a statement |
//! | [`await_names`], [`await_code`] | waiting until the MySQL manager knows what names mean, the PostgreSQL manager what code may do |
//! | [`LEAKY_SCHEMA`] | a MariaDB schema whose names have side effects on a session |
//! | [`ClosedPort`] | a port that refuses connections |
//! | [`stress`] | rounds of random choices, for a time, with a seed that repeats them |
//! | [`promised_output`] | the output that an example promises |
//! | [`forked`] | forked children, which end as told and report what is wrong |
//! | [`mariadb`], [`postgres`], [`redis`] | private servers of MariaDB, PostgreSQL and Redis: they never outlive their test |
//! | [`backend`] | the databases of the conformance suite: fake, SQLite, MariaDB, PostgreSQL |
//!
//! It re-exports [`conformance`], the suite of the promises, and its tools: the scripted manager and its
//! ledger, the proxy, gates, [`wait`] and [`panics`].

pub mod backend;
mod closed_port;
mod fake;
#[cfg(unix)]
pub mod forked;
mod head;
mod heard;
mod leaky_schema;
pub mod mariadb;
mod names;
pub mod numbers;
pub mod postgres;
pub mod redis;
mod server;
mod session_oracle;
pub mod sessions;
pub mod stress;

pub use closed_port::ClosedPort;
pub use fake::{FakeConnection, FakeManager};
pub use head::promised_output;
pub use heard::Heard;
pub use leaky_schema::LEAKY_SCHEMA;
pub use names::{await_code, await_names};
pub use postgres::PgSessionState;
pub use session_oracle::SessionState;
pub use threadwise_conformance as conformance;
pub use threadwise_conformance::{
    Call, Gate, Holding, Ledger, OpenAtEnd, Proxy, Script, Scripted, ScriptedConnection,
    ScriptedError, Step, panics, wait,
};
