//! Watches a program while it runs: until it prints some words, or until it ends.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::common;

/// A program that ends with its test.
pub struct Watched {
    child: Child,
    output: BufReader<ChildStdout>,
    said: String,
}

impl Watched {
    /// Starts the program.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env_remove("THREADWISE_DB");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, output, said: String::new() }
    }

    /// Waits for a line with these words in it.
    pub fn until(&mut self, words: &str) {
        loop {
            let from = self.said.len();
            let read = self.output.read_line(&mut self.said).expect("UTF-8");
            assert!(read > 0, "no {words:?} in: {}", self.said);
            if self.said[from..].contains(words) {
                return;
            }
        }
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        common::signal(self.child.id(), "INT");
    }

    /// Waits for the program's end, expects success, and returns its output.
    pub fn finish(mut self) -> String {
        let status = common::wait(&mut self.child);
        self.output.read_to_string(&mut self.said).expect("UTF-8");
        assert!(status.success(), "{status}; it said: {}", self.said);
        std::mem::take(&mut self.said)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended, unless the test failed
        let _ = self.child.wait();
    }
}
