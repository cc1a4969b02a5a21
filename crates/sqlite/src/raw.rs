//! The result of the last call on a connection, which rusqlite returns only to the caller; and the
//! system's coarse clock.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::time::Duration;

use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::{Connection, Error, ffi};

/// The extended result code of the last call on this connection. A call that succeeds replaces an
/// earlier error, and so does binding a parameter.
#[inline]
pub(crate) fn last_result(conn: &Connection) -> c_int {
    // SAFETY: the handle is only read from, and not kept beyond the borrow of the connection.
    let db = unsafe { conn.handle() };
    // SAFETY: a connection that can be borrowed is open. It is not `Sync`, so no other thread is in
    // a call on it.
    unsafe { ffi::sqlite3_extended_errcode(db) }
}

/// The time since some moment, with a precision of a few milliseconds. Reading the exact clock
/// takes five times as long.
#[cfg(target_os = "linux")]
pub(crate) fn coarse_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is that of a `timespec`, which the call fills. The call fails only for a
    // clock that does not exist, and then leaves the value as it is.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
}

/// The time since some moment, by a clock that can be set back.
#[cfg(not(target_os = "linux"))]
pub(crate) fn coarse_time() -> Duration {
    std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Sets the connection's authorizer. It also gets the result of the call before the one that it is
/// asked about.
pub(crate) fn set_authorizer<F>(conn: &mut Connection, mut authorizer: F) -> Result<(), Error>
where
    F: FnMut(AuthContext<'_>, c_int) -> Authorization + Send + 'static,
{
    // SAFETY: only the closure below has the handle.
    let db = unsafe { conn.handle() };
    let db = AtomicPtr::new(db); // only to be `Send`: it never changes
    conn.authorizer(Some(move |context: AuthContext<'_>| {
        // SAFETY: only SQLite can call this closure, and it does so only inside a call on this very
        // connection, on the thread of that call. So the connection is open, and no other thread is
        // in a call on it. An authorizer may read from its connection.
        let last_result = unsafe { ffi::sqlite3_extended_errcode(db.load(Relaxed)) };
        authorizer(context, last_result)
    }))
}
