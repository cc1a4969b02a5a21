//! MySQL and MariaDB connections for the threadwise pools.
//!
//! [`MysqlManager`] opens [`Connection`]s: a [`mysql::Conn`] that sees every error and is not used
//! again after one that may have left it out of step with the server. Give the manager to any pool
//! of the family.
//!
//! ```no_run
//! use mysql::prelude::*;
//! use threadwise_core::ManageConnection;
//! use threadwise_mysql::{MysqlManager, mysql};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = MysqlManager::from_url("mysql://app:secret@db.example:3306/shop")?;
//!
//! // A pool does this; the connection is what its users get.
//! let mut conn = manager.connect()?;
//! let names: Vec<String> = conn.exec("SELECT name FROM item WHERE price < ?", (100,))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Settings
//!
//! By URL with the driver's parameters, by the driver's `OptsBuilder`, or by the methods of the
//! manager. What differs from the driver:
//!
//! | setting | driver | here |
//! |---|---|---|
//! | connect, read, write time-out | none | 10 s, 60 s, 60 s; [`without_timeouts`](MysqlManager::without_timeouts) |
//! | TCP keep-alive | off | after 60 s, then every 10 s, 6 times |
//! | `prefer_socket` | on | off, since it connects twice; [`prefer_socket`](MysqlManager::prefer_socket) |
//! | `pool_min`, `pool_max`, `reset_connection`, `check_health` | for its pool | refused: they would have no effect |
//! | `max_allowed_packet` | asked of the server at each connect | asked once a minute, with the question about views; before that as the driver does |
//! | `init` | a failing statement fails the connect | the same, and it is said that it was this setting's, and not tried again for those who wait |
//! | `additional_capabilities` | whatever is set | `CLIENT_DEPRECATE_EOF` is refused: the driver cannot read what the server sends then |
//! | connection attributes | `program_name` is the path by which the program was started | the name of its file, unless set; and `pool_name`, if the pool has a name |
//! | `compress` | works | the same: nothing here looks at the bytes |
//!
//! [`set_credentials`](MysqlManager::set_credentials) changes user and password under a running pool.
//!
//! A host name whose first address refuses the connection is not tried at its other addresses; where
//! `localhost` means `::1` first and the server listens on IPv4 only, write `127.0.0.1`.
//!
//! # What the next user finds
//!
//! A session as new. `COM_RESET_CONNECTION`, a round trip, removes transactions, locks, variables,
//! temporary tables, prepared statements, modes and character sets. It leaves the default database
//! and the role; both are put back where the text of a statement shows that they may have changed. If
//! that is not possible (no database is configured, and one was chosen), the connection is replaced.
//! Statements of the option `init` run again.
//!
//! What certainly leaves the session as it was costs nothing, and its prepared statements stay for
//! the next user: a `SELECT`, `INSERT`, `REPLACE`, `UPDATE` or `DELETE` that calls nothing but
//! well-known functions of the server's own, has no variable, and uses base tables of the default
//! database only, without triggers where it writes; and `BEGIN`, `START TRANSACTION`, `COMMIT` and
//! `ROLLBACK` around such. Whatever is not understood counts as a change, and so does every other
//! statement. (`DESIGN.md` beside this crate's source has each rule and why it is safe.) Which names are
//! those of views, and of tables with triggers, the manager asks the server once a minute, when a
//! connection is reset. So one that calls a function which changes the session is not seen for up to a
//! minute after somebody else has created it; where that cannot be had, build the pool with
//! `Reset::Always`. A user without the right `TRIGGER` on its database is not told of triggers, so its
//! sessions are reset after each change of rows.
//!
//! Four things survive: an `XA PREPARE`d transaction, by design; a role that a stored function or
//! a trigger set, which no text shows (if you have such a thing, put `SET ROLE …` into `init`); and
//! where there was no reset, the answers of `LAST_INSERT_ID()` and the like about the last statement,
//! and the session's status counters.
//!
//! Servers: MariaDB 10.2.7 or newer (tested), MySQL 5.7.9 or newer. Older ones lack the reset, and
//! the driver then logs in anew without running `init`.
//!
//! # Errors
//!
//! [`classify`] sorts them; its table is the one the pools go by.

mod catalog;
mod connection;
mod error;
mod manager;
mod plain;
mod queryable;
mod record;
mod session;
mod socket;
mod traces;
mod transaction;
mod url;

pub use connection::Connection;
pub use error::{ErrorClass, classify};
pub use manager::MysqlManager;
pub use mysql;
pub use transaction::Transaction;
pub use url::UrlError;
