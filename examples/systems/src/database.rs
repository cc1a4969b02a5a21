//! One program for both kinds of database.
//!
//! A program that will only ever meet one database uses [`threadwise::sqlite`] or
//! [`threadwise::mysql`] directly, as the tour does. The systems take `--db`, and so they have a
//! connection that is either.

mod connection;
mod error;
mod manager;
mod source;
mod value;

pub use connection::{Connection, Dialect};
pub use error::Error;
pub use manager::Database;
pub use mysql::Value;
pub use source::{BadSource, Source};
pub use value::Row;
