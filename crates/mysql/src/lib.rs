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
//! | `max_allowed_packet` | asked of the server at each connect | asked once a minute, with the question about views; for the first connection as the driver does |
//! | `init` | a failing statement fails the connect | the same, and it is said that it was this setting's, and not tried again for those who wait |
//! | `additional_capabilities` | whatever is set | `CLIENT_DEPRECATE_EOF` is refused: the driver cannot read what the server sends then |
//! | connection attributes | `program_name` is the path by which the program was started | the name of its file, unless set; and `pool_name`, if the pool has a name |
//! | `compress` | works | the same: nothing here looks at the bytes |
//!
//! [`set_credentials`](MysqlManager::set_credentials) changes user and password under a running pool.
//!
//! Each address of a host's name is tried, in the system's order, within one connect time-out.
//!
//! A time-out is a deadline, also for a thread that gets signals again and again: the driver alone begins
//! a read anew after each, with its whole time-out. A thread of this crate (`mysql-watchdog`, one for the
//! process, while connections are open) ends such a wait, up to a quarter of the time-out later, or two
//! seconds if that is more. It does not see the driver's own rows (`query_iter`, `exec_iter`) after the
//! first answer, nor `as_mut_conn`. While a connection is opened, signals other than those by which a
//! program is asked to end wait until that is done.
//!
//! # What the next user finds
//!
//! A session as a login makes it. `COM_RESET_CONNECTION`, a round trip, removes transactions, locks,
//! variables, temporary tables, prepared statements, modes and character sets. It leaves the default
//! database and the role; both are put back where the text of a statement shows that they may have
//! changed. If that is not possible (no database is configured, and one was chosen), the connection is
//! replaced. What the server runs at each login (`init_connect`) runs again, if it does for this user;
//! where that cannot be told, because the user has roles, the connection is replaced. On MySQL, `SET NAMES`
//! puts the driver's character set back, which MySQL's reset takes away; that costs a round trip. The
//! statements of the option `init` run again, and so does the pool's hook `on_connect`.
//!
//! A statement that certainly leaves the session as it was costs nothing, and its prepared statements
//! stay for the next user: a `SELECT`, `INSERT`, `REPLACE`, `UPDATE` or `DELETE` that calls nothing but
//! well-known functions of the server's own, has no variable, and uses base tables of the default
//! database only, without triggers where it writes; a `SHOW` or `EXPLAIN`; and the begin, the end and
//! the savepoints of transactions. Every other statement counts as a change. (`DESIGN.md` beside this
//! crate's source has each rule and why it is safe.)
//!
//! Which names are those of views, and of tables with triggers, the manager asks the server: on the
//! first connection, within 20 ms; after that once a minute, **on a thread and a session of its own**,
//! which end with the answer. Leave room for that session: while it lasts the server has one more than
//! the pool's limit. No user waits for the answer; while there is none, sessions are reset. What a
//! pool's own users define is known at once. What other programs define is seen within 65 seconds; if
//! that is too late, build the pool with `Reset::Always`. A user that the server would not tell of
//! triggers (MySQL, and MariaDB before 10.11: one without the right `TRIGGER` on its database) has its
//! sessions reset after each change of rows.
//!
//! Four things survive: an `XA PREPARE`d transaction, by design; a role that a stored function or
//! a trigger set, which no text shows (if you have such a thing, put `SET ROLE …` into `init`); and
//! where there was no reset, the answers of `LAST_INSERT_ID()` and the like about the last statement,
//! and the session's status counters.
//!
//! A prepared statement belongs to the connection and the session that prepared it: used on another one,
//! or after a reset, it is refused. With `stmt_cache_size=0`, a statement that was prepared by its text is
//! closed after use.
//!
//! Servers: MariaDB 10.2.7 or newer (tested), MySQL 5.7.9 or newer (9.7 tested). Older ones lack the reset;
//! the driver then logs in anew (`COM_CHANGE_USER`), and all of the above follows.
//!
//! # Errors
//!
//! [`classify`] sorts them; its table is the one the pools go by.

mod addresses;
mod catalog;
mod connection;
mod error;
mod flags;
mod functions;
mod login;
mod manager;
mod ping;
mod plain;
mod queryable;
mod record;
mod session;
mod setting;
mod socket;
mod statements;
mod tokens;
mod traces;
mod transaction;
mod url;
#[cfg_attr(not(unix), path = "no_watchdog.rs")]
mod watchdog;

pub use connection::Connection;
pub use error::{ErrorClass, classify};
pub use manager::MysqlManager;
pub use mysql;
pub use transaction::Transaction;
pub use url::UrlError;
