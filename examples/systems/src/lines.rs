//! Splits bytes into lines.

use std::collections::VecDeque;

/// Takes bytes as they come and returns lines. It drops the bytes of a line that is too long at
/// once, so that no client can fill the memory, and reports the line at its end.
#[derive(Debug)]
pub struct Lines {
    max: usize,
    begun: Vec<u8>,
    is_too_long: bool,
    done: VecDeque<Result<String, BadLine>>,
}

/// A line that cannot be used. Later lines are not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// The line is longer than this many bytes.
    #[error("the line is longer than {0} bytes")]
    TooLong(usize),
    /// The line is not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// The last line has no end: its sender left in the middle.
    #[error("the last line has no end (`\\n`)")]
    NoEnd,
}

impl Lines {
    /// Accepts lines of `max` bytes at most, without their line ends.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, begun: Vec::new(), is_too_long: false, done: VecDeque::new() }
    }

    /// Adds bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        let rest = parts.next_back().expect("at least one part");
        for end in parts {
            self.extend(end);
            self.finish();
        }
        self.extend(rest);
    }

    /// The next line, without its end (`\n` or `\r\n`).
    pub fn next_line(&mut self) -> Option<Result<String, BadLine>> {
        self.done.pop_front()
    }

    /// How many lines are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.done.len()
    }

    /// Whether there is a line without an end: its sender left in the middle.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.is_too_long || !self.begun.is_empty()
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = self.max + 1 - self.begun.len().min(self.max + 1); // 1 for a `\r`
        self.is_too_long |= bytes.len() > room;
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn finish(&mut self) {
        let mut line = std::mem::take(&mut self.begun);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let is_too_long = std::mem::take(&mut self.is_too_long) || line.len() > self.max;
        self.done.push_back(if is_too_long {
            Err(BadLine::TooLong(self.max))
        } else {
            String::from_utf8(line).map_err(|_| BadLine::NotUtf8)
        });
    }
}
