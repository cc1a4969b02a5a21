//! Each kind of error, caused on a real MariaDB, with each of the three pools: its class, what the
//! borrower gets, whether the pool keeps the connection, and that the pool serves again afterwards.
//!
//! The table of the classes is that of `threadwise::mysql::classify`. For errors that this server
//! cannot be made to report, a listener answers in its place (`simulated`).
#![cfg(all(feature = "mysql", feature = "shared", feature = "queue", feature = "persistent"))]

mod kinds;
mod lost;
mod ordinary;
mod outages;
mod own_answers;
mod permanent;
mod simulated;
mod transient;
mod wire;
