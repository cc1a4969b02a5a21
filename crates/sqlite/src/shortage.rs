//! A shortage of this process, as the reason why SQLite could not open a file.
//!
//! SQLite says "unable to open database file" both for a missing folder and for a process without a
//! free file descriptor, and rusqlite closes the handle that could tell more.

use std::ffi::c_int;
use std::fs::File;
use std::io;

use rusqlite::{Error, ErrorCode, ffi};

/// The extended code of this crate's own errors of this kind. SQLite's own codes are a few dozens
/// at most.
const CANTOPEN_BY_SHORTAGE: c_int = ffi::SQLITE_CANTOPEN | (0x7d << 8);

/// The system's error numbers, which are the same on all Unixes.
const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// How many descriptors a connection needs: for the database, its log, the log's index, and for a
/// moment the folder.
const DESCRIPTORS: usize = 4;

/// Whether this error says that the process lacks something.
pub(crate) fn is_shortage(error: &Error) -> bool {
    match error {
        Error::SqliteFailure(error, _) => {
            error.code == ErrorCode::OutOfMemory || error.extended_code == CANTOPEN_BY_SHORTAGE
        }
        _ => false,
    }
}

/// The shortage behind an error that was met a moment ago, if there is one: SQLite could not open
/// or enlarge a file, and this process cannot open one either.
pub(crate) fn behind(error: &Error) -> Option<io::Error> {
    let may_be = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory)
    );
    if may_be { probe() } else { None }
}

/// Opens as many descriptors as a connection needs, on another file. Never on the database's own
/// file: closing any descriptor of it releases all locks that the process has on it.
fn probe() -> Option<io::Error> {
    let mut opened = Vec::with_capacity(DESCRIPTORS);
    for _ in 0..DESCRIPTORS {
        match File::open("/dev/null") {
            Ok(file) => opened.push(file),
            Err(error) if matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOMEM)) => {
                return Some(error);
            }
            Err(_) => return None, // no such file on this system
        }
    }
    None
}

/// The text for a shortage.
pub(crate) fn text(shortage: &io::Error) -> String {
    match shortage.raw_os_error() {
        Some(EMFILE) => format!(
            "this process has no file descriptor left ({shortage}): raise its limit (`ulimit -n`), or \
             open fewer files and sockets"
        ),
        Some(ENFILE) => {
            format!("this machine has no file descriptor left ({shortage}): raise its limit")
        }
        _ => format!("the system has no memory left for this process ({shortage})"),
    }
}

/// The error for a shortage.
pub(crate) fn error(message: String) -> Error {
    Error::SqliteFailure(ffi::Error::new(CANTOPEN_BY_SHORTAGE), Some(message))
}
