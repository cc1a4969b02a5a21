//! Forked children, for tests with the MySQL driver.
#![allow(unsafe_code)]

use std::env;
use std::sync::Once;

pub use threadwise_conformance::forked::*;

/// Makes the MySQL driver keep no buffers that all threads share. It would keep them in a queue
/// without locks, which is unusable in a child if another thread was changing it at the fork. Each
/// test of the program calls this before anything else.
pub fn keep_no_buffers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the threads of the other tests wait here, and the harness reads the environment
        // only through the standard library, which has a lock for that.
        unsafe { env::set_var("RUST_MYSQL_BUFFER_POOL_CAP", "0") };
    });
}
