//! Each kind of error, provoked on a real MariaDB and met through each of the three pools: what class
//! it has, what its borrower gets, what becomes of the connection, and that the pool serves again
//! when the trouble is over.
//!
//! The table of the classes is that of `threadwise::mysql::classify`. What this server cannot be
//! made to say (`simulated`) comes from a listener that says it in its place.
#![cfg(all(feature = "mysql", feature = "shared", feature = "queue", feature = "persistent"))]

mod kinds;
mod lost;
mod own_answers;
mod ordinary;
mod outages;
mod permanent;
mod simulated;
mod transient;
mod wire;
