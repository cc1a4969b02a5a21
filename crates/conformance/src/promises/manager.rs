//! What a manager promises by itself, whatever the pool. These tests call the manager's methods.

mod checks;
mod errors;
mod facts;
mod sessions;
mod silence;

use threadwise_core::ManageConnection;

use crate::subject::{ConnectionOf, ManagerUnderTest};

pub use checks::*;
pub use errors::*;
pub use facts::*;
pub use sessions::*;
pub use silence::*;

/// Opens a connection and begins its session, as a pool does.
fn open<B: ManagerUnderTest>(manager: &B::Manager) -> ConnectionOf<B> {
    let mut conn = manager.connect().unwrap_or_else(|error| {
        panic!("the manager cannot connect to the server that `start` made: {error:?}")
    });
    manager.begin_session(&mut conn);
    conn
}
