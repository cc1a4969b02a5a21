//! PostgreSQL connections for the threadwise pools.

mod cancel;
mod connection;
mod credentials;
mod error;
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
