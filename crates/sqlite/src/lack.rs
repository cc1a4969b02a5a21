//! What this process lacks, as the reason why SQLite could not open a file.
//!
//! SQLite says "unable to open database file" for a missing folder and for a process without a free
//! file descriptor alike, and rusqlite closes the handle that could tell more.

use std::ffi::c_int;
use std::fs::File;
use std::io;

use rusqlite::{Error, ErrorCode, ffi};

/// The extended code of our own errors of this kind. SQLite's own go by a few dozens at most.
const CANTOPEN_FOR_LACK: c_int = ffi::SQLITE_CANTOPEN | (0x7d << 8);

/// The system's numbers, which all Unixes share.
const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// A connection needs one for the database, one for its log, one for the log's index, and a folder's
/// for a moment.
const DESCRIPTORS: usize = 4;

/// Whether this error says that the process lacks something.
pub(crate) fn is_lack(error: &Error) -> bool {
    match error {
        Error::SqliteFailure(error, _) => {
            error.code == ErrorCode::OutOfMemory || error.extended_code == CANTOPEN_FOR_LACK
        }
        _ => false,
    }
}

/// The lack behind an error that was met a moment ago, if there is one: SQLite could not open or
/// enlarge a file, and this process cannot open any either.
pub(crate) fn behind(error: &Error) -> Option<io::Error> {
    let may_be = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory)
    );
    if may_be { probe() } else { None }
}

/// Opens what a connection would, somewhere else. Never the database's own file: closing any
/// descriptor of it releases all locks that the process has on it.
fn probe() -> Option<io::Error> {
    let mut opened = Vec::with_capacity(DESCRIPTORS);
    for _ in 0..DESCRIPTORS {
        match File::open("/dev/null") {
            Ok(file) => opened.push(file),
            Err(error) if matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOMEM)) => {
                return Some(error);
            }
            Err(_) => return None, // there is no such thing here
        }
    }
    None
}

/// The words for it.
pub(crate) fn text(lack: &io::Error) -> String {
    match lack.raw_os_error() {
        Some(EMFILE) => format!(
            "this process has no file descriptor left ({lack}): raise its limit (`ulimit -n`), or \
             let it open fewer files and sockets"
        ),
        Some(ENFILE) => format!("this machine has no file descriptor left ({lack})"),
        _ => format!("this machine has no memory left ({lack})"),
    }
}

/// The error for it.
pub(crate) fn error(message: String) -> Error {
    Error::SqliteFailure(ffi::Error::new(CANTOPEN_FOR_LACK), Some(message))
}
