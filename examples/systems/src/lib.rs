//! The code that the example systems share, so that each of them shows its own idea and little else.
//!
//! | file | holds |
//! |---|---|
//! | [`Source`], [`Database`], [`Connection`] | one program on SQLite or on MySQL and MariaDB |
//! | [`PoolChoice`] | the pool by name, chosen on the command line |
//! | [`Shutdown`] | Ctrl-C, once: what to wake and what to call |
//! | [`Lines`], [`LineServer`] | lines out of bytes, with a limit, and a server whose clients send lines |
//! | [`Figures`], [`Turn`] | operations of many clients, their throughput and how long they took |
//! | [`Program`] | a server, started by its load generator |
//! | [`exit_code`], [`Interrupted`] | the end of a program |
//! | [`sockets`] | one thread for the sockets of all clients |
//! | [`http`] | HTTP/1.1: connections for a pool, a server to try them on, and one for real clients |
//! | [`note!`], [`say!`] | messages of programs that go on when no reader is left |
//! | [`Troubles`] | the same trouble, many times |
//! | [`args`] | the options that all of them take |

#![allow(clippy::missing_panics_doc, reason = "each `expect` says why it cannot happen")]

pub mod args;
pub mod database;
mod exit;
mod figures;
pub mod http;
mod line_server;
mod lines;
mod note;
mod pools;
mod program;
mod shutdown;
pub mod sockets;
mod troubles;

pub use database::{Connection, Database, Error, Row, Source, Value};
pub use exit::{Interrupted, exit_code};
pub use figures::{Figures, Turn, columns, table};
pub use line_server::{Job, Line, LineServer, Reply, Served};
pub use lines::{BadLine, Lines};
pub use note::{note_line, say_line};
pub use pools::PoolChoice;
pub use program::Program;
pub use shutdown::Shutdown;
pub use troubles::Troubles;
