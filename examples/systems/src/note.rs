//! Printing that cannot end the program.

use std::fmt;
use std::io::{self, Write};

/// Like `eprintln!`, but does not panic when no reader is left, because the terminal was closed or
/// the program behind the pipe has ended. A server goes on.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => { $crate::note_line(::std::format_args!($($text)*)) };
}

/// The function behind [`note!`].
pub fn note_line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}"); // fails if no reader is left
}

/// Like `println!`, but does not panic when no reader is left.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::say_line(::std::format_args!($($text)*)) };
}

/// The function behind [`say!`].
pub fn say_line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}
