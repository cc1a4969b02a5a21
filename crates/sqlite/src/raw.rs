//! What SQLite last said on a connection: rusqlite tells its caller, and only its caller. And the
//! system's coarse clock.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::time::Duration;

use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::{Connection, Error, ffi};

/// The extended result code of the last call on this connection. A call that succeeds, and the
/// binding of a parameter, take the place of an error before.
#[inline]
pub(crate) fn last_result(conn: &Connection) -> c_int {
    // SAFETY: the handle is read from only, and not kept beyond the borrow of the connection.
    let db = unsafe { conn.handle() };
    // SAFETY: a connection that can be borrowed is open, and as it is not `Sync`, no other thread is
    // in a call on it.
    unsafe { ffi::sqlite3_extended_errcode(db) }
}

/// The time since some moment, to a few milliseconds. Reading the exact clock takes five times as long.
#[cfg(target_os = "linux")]
pub(crate) fn coarse_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is that of a `timespec`, which the call fills. It fails only for a clock that
    // does not exist, and then the value is left as it is.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
}

/// The time since some moment, by a clock that may be set.
#[cfg(not(target_os = "linux"))]
pub(crate) fn coarse_time() -> Duration {
    std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Sets the connection's authorizer, which is also given the result of the call before the one that
/// it is asked about.
pub(crate) fn set_authorizer<F>(conn: &mut Connection, mut authorizer: F) -> Result<(), Error>
where
    F: FnMut(AuthContext<'_>, c_int) -> Authorization + Send + 'static,
{
    // SAFETY: the handle is kept where only the closure below has it.
    let db = unsafe { conn.handle() };
    let db = AtomicPtr::new(db); // for `Send` only: it never changes
    conn.authorizer(Some(move |context: AuthContext<'_>| {
        // SAFETY: only SQLite can call this closure, and SQLite does so only in the middle of
        // a call on this very connection, on the thread of that call. So the connection is open,
        // and no other thread is in a call on it. An authorizer may read from its connection.
        let last_result = unsafe { ffi::sqlite3_extended_errcode(db.load(Relaxed)) };
        authorizer(context, last_result)
    }))
}
