//! Advice on a pool, from measurements on the user's own database with the user's own query.
//!
//! | file | holds |
//! |---|---|
//! | [`question`] | what the user asks |
//! | [`address`] | the database's address, and connections that can only read |
//! | `reads` | checks that a query's text only reads |
//! | `explore` | what is known before the measurement: limits, and the query alone |
//! | [`turn`] | one pool in use for a while |
//! | [`point`] | the figures of one setup |
//! | `study` | which setups are measured, in which order, and for how long |
//! | `knee` | the smallest size that does as well as the best |
//! | `trust` | whether the figures are reliable, and if not, why |
//! | `choice` | the choice of the pool, with reasons |
//! | `session` | a whole run: measures, and draws the conclusions |
//! | `reasons` | the reasons for the size, and what may make the advice wrong |
//! | [`fleet`] | a fleet on one server, simulated |
//! | `fleets` | fleets, simulated from the figures and real |
//! | [`code`] | the advice as Rust code |
//! | [`advice`] | the whole advice, as the file has it |
//! | [`text`] | the same as text for people |
//! | [`watch`] | the progress of a run |
//!
//! `docs/advise.md` shows an output and says how `advise` gets each number.

#![allow(clippy::must_use_candidate)] // for crates that others use; this one is not published

pub mod address;
pub mod advice;
pub mod code;
pub mod fleet;
pub mod point;
pub mod question;
pub mod text;
pub mod turn;
pub mod watch;

mod by_name;
mod choice;
mod explore;
mod fleets;
mod knee;
mod reads;
mod reasons;
mod session;
mod study;
mod trust;

pub use session::advise;
