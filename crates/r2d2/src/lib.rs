//! r2d2's connection managers in the threadwise pools, and r2d2's names on them.
//!
//! | you have | take |
//! |---|---|
//! | a manager written for r2d2, and want it in one of these pools | [`FromR2d2`] |
//! | a program on r2d2, and want it on a shared pool with few changes | [`compat`] |
//! | a manager of these pools, and a program that still uses r2d2 | [`IntoR2d2`] |
//!
//! ```
//! use std::io;
//! use threadwise_r2d2::FromR2d2;
//! use threadwise_shared::SharedPool;
//!
//! /// A manager that was written for r2d2.
//! struct Numbers;
//!
//! impl r2d2::ManageConnection for Numbers {
//!     type Connection = u32;
//!     type Error = io::Error;
//!
//!     fn connect(&self) -> io::Result<u32> {
//!         Ok(0)
//!     }
//!
//!     fn is_valid(&self, _: &mut u32) -> io::Result<()> {
//!         Ok(())
//!     }
//!
//!     fn has_broken(&self, _: &mut u32) -> bool {
//!         false
//!     }
//! }
//!
//! let pool = SharedPool::builder().max_size(3).build(FromR2d2::new(Numbers))?;
//! *pool.get()? += 1;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Tested with r2d2_sqlite, r2d2_mysql, r2d2_postgres, diesel's `ConnectionManager` and redis, each on all
//! three pools.
//! `docs/porting.md` has each of r2d2's settings beside ours.
//!
//! # Files
//!
//! `from_r2d2` with `opener` and `error`, `into_r2d2`, and `compat`. DESIGN.md has the decisions.

#![forbid(unsafe_code)]

pub mod compat;
mod error;
mod from_r2d2;
mod into_r2d2;
mod opener;

pub use error::Error;
pub use from_r2d2::FromR2d2;
pub use into_r2d2::IntoR2d2;
pub use r2d2;

/// Tests that the code in the README compiles and does what it says.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
