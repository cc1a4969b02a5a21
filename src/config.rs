//! Settings as texts: from a configuration file, the environment or a URL.
//!
//! | file | holds |
//! |---|---|
//! | [`entry`] | one setting: its key, its value, and where it comes from; variables and parameters |
//! | [`value`] | how a text becomes a value |
//! | [`pool`] | [`PoolConfig`], the settings of a pool |
//! | [`manager`] | [`ManagerConfig`], the settings of a connection manager, and the keys of each |
//! | [`serialized`] | both as a part of a configuration file |
//! | [`error`] | the error of a setting |

#[allow(dead_code, reason = "each feature uses a part")]
mod entry;
mod error;
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
mod manager;
#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
mod pool;
#[cfg(feature = "serde")]
mod serialized;
#[allow(dead_code, reason = "each feature uses a part")]
mod value;

pub use error::ConfigError;
#[cfg(feature = "mysql")]
pub use manager::MysqlConfig;
#[cfg(feature = "postgres")]
pub use manager::PostgresConfig;
#[cfg(feature = "sqlite")]
pub use manager::SqliteConfig;
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
pub use manager::{Configured, ManagerConfig};
#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
pub use pool::PoolConfig;
