//! The contenders, one file for each kind of pool.

mod build_your_own;
mod channel;
mod compat;
mod connect_per_use;
mod dedicated;
mod fifo;
mod floor;
mod mutex;
mod mysql_pool;
mod per_thread;
mod r2d2;
mod threadwise;

pub use self::build_your_own::BuildYourOwn;
pub use self::channel::Channel;
pub use self::compat::Compat;
pub use self::connect_per_use::ConnectPerUse;
pub use self::dedicated::Dedicated;
pub use self::fifo::{Fifo, FifoWorker};
pub use self::floor::Floor;
pub use self::mutex::MutexPool;
pub use self::mysql_pool::MysqlPool;
pub use self::per_thread::PerThread;
pub use self::r2d2::R2d2;
pub use self::threadwise::{Threadwise, persistent, queue, shared};
