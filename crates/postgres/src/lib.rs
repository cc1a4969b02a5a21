//! PostgreSQL connections for the threadwise pools.
//!
//! [`PostgresManager`] opens [`Connection`]s: each dereferences to a [`postgres::Client`], and sees
//! what goes over its wire. Give the manager to any pool of the family.
//!
//! ```no_run
//! use threadwise_core::ManageConnection;
//! use threadwise_postgres::PostgresManager;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = PostgresManager::from_url("postgres://app:secret@db.example/shop")?;
//!
//! // A pool does this, and gives the connection to its users.
//! let mut conn = manager.connect()?;
//! for row in conn.query("SELECT name FROM item WHERE price < $1", &[&100_i32])? {
//!     println!("{}", row.get::<_, &str>("name"));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Settings
//!
//! Settings come from a URL, from libpq's text, from the driver's [`Config`](postgres::Config), or from
//! the methods of the manager. They differ from the driver's in these points:
//!
//! | setting | driver | here |
//! |---|---|---|
//! | connect timeout | none; if set, for each address, and for the TCP connect only | 10 s for the whole connect: all hosts and addresses, TLS, login |
//! | read timeout | none | 60 s for the server's next bytes, while it owes an answer |
//! | `tcp_user_timeout` | the system's | 30 s |
//! | `keepalives_idle`, `…_interval`, `…_retries` | two hours, the system's | 60 s, 10 s, 6 |
//! | several hosts | each may take the whole timeout | they share it evenly; what one does not use is left for the next |
//! | TLS | a connector for each connect | [`tls`](PostgresManager::tls): any connector of the driver |
//! | notices | a callback in `Config` | [`notice_callback`](PostgresManager::notice_callback) |
//! | `application_name` | none | the pool's name, if it has one |
//! | `init` | none | statements that run on each new session, and again after each reset |
//!
//! [`set_credentials`](PostgresManager::set_credentials) changes user and password while a pool is at
//! work. [`credentials_from`](PostgresManager::credentials_from) asks a function for them at each
//! connect, for tokens that expire.
//!
//! `sslmode=require` without a connector is an error, and so is `prefer` if the TLS handshake fails. If the
//! server offers no TLS, `prefer` connects without it. The connector checks the certificates.
//!
//! # What the next user finds
//!
//! The next user finds a session like that of a new login. The reset costs one round trip. It rolls
//! back an open transaction and then does the parts of `DISCARD ALL`: cursors, user and role, settings,
//! `LISTEN`, temporary objects, sequences, advisory locks. It also drops statements of SQL's `PREPARE`
//! and notifications that were not read, and gives `random()` another seed. (`DISCARD ALL` itself is
//! refused in a transaction, and drops statements that the driver keeps for itself.) Statements that
//! were prepared through the driver stay.
//!
//! A statement without side effects on the session needs no reset. These are:
//!
//! * one `SELECT`, `VALUES`, `TABLE`, `INSERT`, `UPDATE`, `DELETE` or `MERGE`, with or without `WITH`,
//!   that calls only well-known built-in functions; and an `EXPLAIN` of it;
//! * one `COPY`, `LOCK`, `TRUNCATE`, `NOTIFY` or `SHOW`, and cursors that end with their transaction;
//! * the begin, the end and the savepoints of transactions, and `SET LOCAL`.
//!
//! Every other statement counts as a change. The manager sees each statement on the wire, whatever
//! method or library sends it.
//!
//! No text shows the code that users have defined: functions behind views, triggers, defaults,
//! operators. So the manager asks the server for all of it: after the first connect, and then once a
//! minute, **on a thread and a session of its own**, which end with the answer. Leave room for that
//! session: while it lasts the server has one session more than the pool's limit. No user waits for the
//! answer. If any of it could change a session, or cannot be read (dynamic SQL, other languages than
//! SQL and PL/pgSQL), and while there is no answer, every session on which a statement ran is reset.
//! The code of extensions counts as harmless unless a statement or a user's code calls it by a name.
//! The manager knows at once what a pool's own users define. It sees what other programs define within
//! 65 seconds. If that is too late, build the pool with `Reset::Always`.
//!
//! These things survive:
//!
//! * a prepared transaction (`PREPARE TRANSACTION`), by design;
//! * without a reset, the last number that a column's default took from a sequence (`lastval()`);
//! * a setting of a made-up name (`my.name`) is an empty string afterwards, where a new session has none.
//!
//! What no reset removes (temporary replication slots, a backup, the origin of what is replicated)
//! costs the connection.
//!
//! # How it watches
//!
//! The driver takes its stream from its user, because its TLS works that way. The manager provides a
//! stream that passes the bytes on and reads them, with or without TLS. So it knows the transaction's
//! status from the server itself, limits each wait, and looks at an idle socket in some microseconds
//! without a round trip. For a Unix socket, the driver does not let its user provide the stream. There, the
//! driver first connects to a listener of the manager on the loopback address. This listener accepts
//! nothing, and the manager closes it at once. (`DESIGN.md` in this crate's source has the reasons.)
//!
//! Servers: PostgreSQL 15 (tested); nothing that is newer than 12 is used, but for `MERGE` and the like
//! in your statements. A proxy that shares sessions between clients by transaction (PgBouncer) keeps no
//! session state anyway; use its session mode if you need any.
//!
//! The driver waits on a runtime of its own in each connection, so a connection cannot be used on a
//! thread that runs async tasks. There, use a thread for blocking work.
//!
//! # Errors
//!
//! The table of [`classify`] says what each error means, and how the pools treat it.
//!
//! If the connection is lost while the server may be committing, the program cannot tell whether the server
//! has committed. The server may be committing while it runs a `COMMIT`, a change outside of a transaction,
//! or a text with several statements. The manager reads the requests and the answers on the wire, so it knows
//! when one of these runs. The driver's error does not say so. The outcome does
//! ([`Outcome::Unknown`](threadwise_core::Outcome::Unknown)), and `steady` returns the error and does not run
//! the work again. Look for the changes before you make them again, or give them a unique key, so that a
//! second try does no harm.
//!
//! If the server ended the session before the request was sent, the connection is only lost.
//!
//! If a query reads a view that calls a function that writes, the query counts as one that only reads.
//!
//! # Several hosts
//!
//! A manager can have several hosts, and connects to the first one that answers and has the wanted
//! `target_session_attrs`. Between two connects, it notices a change of roles only if a server refuses a
//! write. With the feature `hosts`, the crate `threadwise-hosts` makes one manager of several managers, one
//! for each host. It watches the hosts. A standby, and a server with `default_transaction_read_only`, is a
//! reader.

mod cancel;
mod connection;
mod credentials;
mod error;
#[cfg(feature = "hosts")]
mod hosts;
mod manager;
mod session;
mod url;
mod wire;

pub use cancel::CancelToken;
pub use connection::Connection;
pub use credentials::Credentials;
pub use error::{ErrorClass, classify};
pub use manager::PostgresManager;
pub use postgres;
pub use url::UrlError;
