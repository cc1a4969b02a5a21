//! What the threadwise pools are tested with, and against.
//!
//! | file | holds |
//! |---|---|
//! | [`Scripted`], [`Script`] | a manager that fails, hangs and panics on order |
//! | [`Ledger`] | every connection that was opened, and what became of it |
//! | [`Heard`] | events that write down what they hear |
//! | [`FakeManager`] | a manager without a server |
//! | [`sessions`] | a manager whose sessions may be in a transaction, or changed |
//! | [`SessionState`] | what a session of MariaDB is like, to compare it before and after a statement |
//! | [`Gate`], [`wait`] | hangs that end on command; waiting for conditions instead of times |
//! | [`stress`] | rounds of random choices, for a time, with a seed that repeats them |
//! | [`panics`] | panics on purpose, which nobody needs to read about |
//! | [`promised_output`] | what an example says that it prints |
//! | [`forked`] | forked children, which end as told and say what is wrong |
//! | [`mariadb`] | a private MariaDB that never outlives its test |
//! | [`backend`] | what the suite asks of a database: fake, SQLite, MariaDB |
//! | [`conformance`] | what every pool promises, one test each |

pub mod backend;
pub mod conformance;
mod fake;
#[cfg(unix)]
pub mod forked;
mod gate;
mod head;
mod heard;
mod ledger;
pub mod mariadb;
pub mod panics;
mod proxy;
mod script;
mod scripted;
mod session_oracle;
pub mod sessions;
pub mod stress;
pub mod wait;

pub use fake::{FakeConnection, FakeManager};
pub use gate::{Gate, OpenAtEnd};
pub use head::promised_output;
pub use heard::Heard;
pub use ledger::{Holding, Ledger};
pub use proxy::Proxy;
pub use script::{Call, Script, Step};
pub use scripted::{Scripted, ScriptedConnection, ScriptedError};
pub use session_oracle::SessionState;
