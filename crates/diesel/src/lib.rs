//! diesel's connections in the threadwise pools.
//!
//! [`DieselManager`] opens connections of any diesel backend and gives them to any pool of the family. It
//! knows what diesel knows of a connection: whether a transaction is open, and whether the connection can
//! still be used.
//!
//! ```
//! use diesel::prelude::*;
//! use diesel::sqlite::Sqlite;
//! use threadwise::shared::SharedPool;
//! use threadwise_diesel::DieselManager;
//!
//! diesel::table! {
//!     task (id) {
//!         id -> Integer,
//!         title -> Text,
//!     }
//! }
//!
//! /// diesel's own way to ask for a connection.
//! fn add(conn: &mut impl Connection<Backend = Sqlite>, text: &str) -> QueryResult<usize> {
//!     diesel::insert_into(task::table).values(task::title.eq(text)).execute(conn)
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tasks.db");
//! # let url = path.to_str().expect("a path in UTF-8");
//!
//! let pool = SharedPool::builder().max_size(4).build(DieselManager::<SqliteConnection>::new(url))?;
//! let mut conn = pool.get()?;
//! diesel::sql_query("CREATE TABLE task (id INTEGER PRIMARY KEY, title TEXT NOT NULL)")
//!     .execute(&mut *conn)?; // the connection behind the guard
//! add(&mut *conn, "water the plants")?;
//! let titles: Vec<String> = task::table.select(task::title).load(&mut *conn)?;
//! assert_eq!(titles, ["water the plants"]);
//! # Ok(())
//! # }
//! ```
//!
//! Pass `&mut *conn` wherever diesel wants a connection. `&mut conn` does not compile, because the guard
//! is not itself a `Connection`: diesel seals that trait. Methods need no star:
//! `conn.transaction(|conn| …)`.
//!
//! # What the next user finds
//!
//! | left behind | then |
//! |---|---|
//! | a transaction that diesel began (`begin_transaction`, `transaction`) | it is rolled back |
//! | a transaction that diesel could not end | the connection is replaced |
//! | anything else: `BEGIN` as SQL, `SET`, a pragma, temporary tables | it stays, unless [`reset_with`](DieselManager::reset_with) removes it |
//!
//! # Tests that change nothing
//!
//! [`test_transaction`] is for the hook `on_connect`. Each connection is then in a transaction that is
//! never committed. It is what `TestCustomizer` is for r2d2.
//!
//! ```
//! use diesel::prelude::*;
//! use threadwise::shared::SharedPool;
//! use threadwise_diesel::{DieselManager, test_transaction};
//!
//! let pool = SharedPool::builder()
//!     .max_size(1) // so that all parts of a test share the transaction
//!     .on_connect(test_transaction)
//!     .build(DieselManager::<SqliteConnection>::new(":memory:"))?;
//! diesel::sql_query("CREATE TABLE gone (id INTEGER)").execute(&mut *pool.get()?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which versions go together
//!
//! diesel 2.3. Its feature `sqlite` takes `libsqlite3-sys` before 0.39, and a program can have one copy of
//! that crate. So a program with that feature cannot have `threadwise-sqlite` (rusqlite 0.41,
//! `libsqlite3-sys` 0.39) as well. It can have `r2d2_sqlite` 0.35 (rusqlite 0.40, `libsqlite3-sys` 0.38).
//!
//! # Files
//!
//! `manager`, with `error`, `status` (what diesel knows of transactions) and `address`; `test_transaction`.

#![forbid(unsafe_code)]

mod address;
mod error;
mod manager;
mod status;
mod test_transaction;

pub use error::Error;
pub use manager::DieselManager;
pub use test_transaction::test_transaction;

/// Tests that the code in the README compiles and does what it says.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
