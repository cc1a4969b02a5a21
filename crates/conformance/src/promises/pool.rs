//! What a pool and a manager promise together. These tests run on each pool.

mod capacity;
mod closing;
mod deadlines;
mod errors;
mod limits;
mod server;
mod sessions;

pub use capacity::*;
pub use closing::*;
pub use deadlines::*;
pub use errors::*;
pub use limits::*;
pub use server::*;
pub use sessions::*;
