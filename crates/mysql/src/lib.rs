//! MySQL and MariaDB connections for the threadwise pools.
//!
//! [`MysqlManager`] opens [`Connection`]s. Each contains a [`mysql::Conn`] and notices its errors.
//! A connection cannot be used again after an error that may have left it out of step with the
//! server. Give the manager to any pool of the family.
//!
//! ```no_run
//! use mysql::prelude::*;
//! use threadwise_core::ManageConnection;
//! use threadwise_mysql::{MysqlManager, mysql};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = MysqlManager::from_url("mysql://app:secret@db.example:3306/shop")?;
//!
//! // A pool does this, and gives the connection to its users.
//! let mut conn = manager.connect()?;
//! let names: Vec<String> = conn.exec("SELECT name FROM item WHERE price < ?", (100,))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Settings
//!
//! Settings come from a URL with the driver's parameters, from the driver's `OptsBuilder`, or from
//! the methods of the manager. They differ from the driver's in these points:
//!
//! | setting | driver | here |
//! |---|---|---|
//! | connect, read, write timeout | none | 10 s, 60 s, 60 s; [`without_timeouts`](MysqlManager::without_timeouts) |
//! | TCP keepalive | off | after 60 s, then every 10 s, 6 times |
//! | `prefer_socket` | on | off, because it connects twice; [`prefer_socket`](MysqlManager::prefer_socket) |
//! | `pool_min`, `pool_max`, `reset_connection`, `check_health` | for its pool | refused, because they would have no effect |
//! | `max_allowed_packet` | asked at each connect | asked once a minute, with the question about views; for the first connection as the driver does |
//! | `init` | a failing statement fails the connect | the same; the error names the setting, and a pool's waiters get it at once |
//! | `additional_capabilities` | whatever is set | `CLIENT_DEPRECATE_EOF` is refused: the driver cannot read what the server then sends |
//! | connection attributes | `program_name` is the path by which the program was started | the name of its file, unless set; and `pool_name`, if the pool has a name |
//! | `compress` | works | the same |
//!
//! [`set_credentials`](MysqlManager::set_credentials) changes user and password while a pool is at
//! work. [`credentials_from`](MysqlManager::credentials_from) asks a function for them at each
//! connect.
//!
//! The manager tries each address of a host name, in the system's order, within one connect
//! timeout.
//!
//! A timeout is a deadline, also for a thread that gets signals again and again. The driver alone
//! starts a read again after each signal, with its whole timeout. A thread of this crate ends such
//! a wait (`mysql-watchdog`, one for the process, while connections are open). It does so up to a
//! quarter of the timeout late, or up to two seconds if that is more. It does not watch the
//! driver's own rows (`query_iter`, `exec_iter`) after the first answer, nor `as_mut_conn`. While a
//! connection is opened, signals are held back, except those that ask a program to end.
//!
//! # What the next user finds
//!
//! The next user finds a session like that of a new login. `COM_RESET_CONNECTION`, one round trip,
//! removes transactions, locks, variables, temporary tables, prepared statements, modes and
//! character sets. It leaves the default database and the role. The manager restores both if the
//! text of a statement shows that they may have changed. If that is impossible (no database is
//! configured, and one was chosen), the pool replaces the connection.
//!
//! What the server runs at each login (`init_connect`) runs again, if the server runs it for this
//! user. If that is unknown because the user has roles, the pool replaces the connection. On MySQL,
//! `SET NAMES` restores the driver's character set, which MySQL's reset removes; that costs one
//! more round trip. The statements of the option `init` run again, and so does the pool's hook
//! `on_connect`.
//!
//! A statement without side effects on the session needs no reset, and its prepared statements stay
//! for the next user. These are:
//!
//! * one `SELECT`, `INSERT`, `REPLACE`, `UPDATE` or `DELETE` that calls only well-known built-in
//!   functions, uses no user variable, and only base tables of the default database, without
//!   triggers where it writes;
//! * one `SHOW` or `EXPLAIN`;
//! * the beginning, the end and the savepoints of transactions.
//!
//! Every other statement counts as a change. (`DESIGN.md` in this crate's source has each rule, and
//! why it is safe.)
//!
//! The manager asks the server which names are views, and which tables have triggers: on the first
//! connection, within 20 ms; after that once a minute, **on a thread and a session of its own**,
//! which end with the answer. Leave room for that session: while it lasts the server has one
//! session more than the pool's limit. No user waits for the answer. Without an answer, sessions
//! are reset.
//!
//! The manager knows at once what a pool's own users define. It sees what other programs define
//! within 65 seconds. If that is too late, build the pool with `Reset::Always`. Some users are not
//! told of triggers (on MySQL, and on MariaDB before 10.11: a user without the right `TRIGGER` on
//! its database). Their sessions are reset after each change of rows.
//!
//! Four things survive:
//!
//! * an `XA PREPARE`d transaction, by design;
//! * a role that a stored function or a trigger set, which no text shows (if you have one, put `SET
//!   ROLE …` into `init`);
//! * without a reset, the answers of `LAST_INSERT_ID()` and the like about the last statement;
//! * without a reset, the session's status counters.
//!
//! A prepared statement belongs to the connection and the session that prepared it. On another
//! connection, or after a reset, it is refused. With `stmt_cache_size=0`, a statement that was
//! prepared by its text is closed after use.
//!
//! Servers: MariaDB 10.2.7 or newer (tested), MySQL 5.7.9 or newer (9.7 tested). Older ones lack
//! the reset. The driver then logs in again (`COM_CHANGE_USER`) instead of resetting. The rest is
//! the same.
//!
//! # Several hosts
//!
//! A manager has one host. [`MysqlManager::each_from_url`] makes a manager for each host of a URL. With the
//! feature `hosts`, the crate `threadwise-hosts` makes one manager of these. It follows the writer of a
//! primary with replicas, or of a Galera cluster. It recognises a replica by `read_only`, so set that.
//!
//! # Errors
//!
//! The table of [`classify`] says what each error means, and how the pools treat it.
//!
//! If an error comes while the server may be committing, the program cannot tell whether the server has
//! committed. The server may be committing while it runs a `COMMIT`, a change outside of a transaction, or a
//! statement that commits by itself. The connection knows when one of these runs. Such an error has the class
//! [`ErrorClass::Unknown`], and its message says so. `steady` returns the error and does not run the work
//! again ([`Outcome::Unknown`](threadwise_core::Outcome::Unknown)). Look for the changes before you make them
//! again, or give them a unique key, so that a second try does no harm.
//!
//! Before each change, the connection looks at the socket, which costs 0.4 µs. If the server has already
//! closed the connection, nothing is sent, and the connection is only lost.
//!
//! The manager cannot help in two cases. In a table without transactions, every error can leave a part of a
//! statement's changes. And if a query reads a view that calls a stored function that writes, the query
//! counts as one that only reads.

mod addresses;
mod connection;
mod credentials;
mod error;
#[cfg(feature = "hosts")]
mod hosts;
mod manager;
mod ping;
mod queryable;
mod session;
mod socket;
mod transaction;
mod url;
#[cfg_attr(not(unix), path = "watchdog_stub.rs")]
mod watchdog;

pub use connection::Connection;
pub use credentials::Credentials;
pub use error::{ErrorClass, classify};
pub use manager::MysqlManager;
pub use mysql;
pub use transaction::Transaction;
pub use url::UrlError;
