//! Forked children: what a test does in one, how the child ends, and what it reports.
//!
//! A child has the thread that forked, and no other thread of the test program. It must not print,
//! because the lock of standard output may be held by a thread that does not exist in the child. It
//! panics to report what is wrong, and its parent reads that from a pipe.
//!
//! The standard library takes a lock of the whole process when a thread starts and when it ends. A child
//! that is forked meanwhile can start no thread. So a test whose child starts one, as a shared pool does,
//! runs [`alone`].
#![allow(unsafe_code)]

use std::any::Any;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{env, io, process, thread};

use std::os::unix::process::ExitStatusExt;

use crate::panics::{Planned, panic_as_planned};

/// How long a child may take. After that it is killed, and its test fails. A child that waits for a
/// condition fails before that, and says why.
const PATIENCE: Duration = crate::wait::PATIENCE.saturating_mul(2);

/// How a child ends once it has done its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By `exit`: the handlers for the end of the process run.
    Exit,
    /// By `_exit`: no handler runs.
    AtOnce,
    /// By a panic, which unwinds the child's work; then the child exits like a program that
    /// panicked. It may panic earlier, by [`panic_as_planned`].
    Panic,
}

impl End {
    /// All ways to end.
    pub const ALL: [Self; 3] = [Self::Exit, Self::AtOnce, Self::Panic];
}

/// The exit code of a program that panicked.
const PANICKED: i32 = 101;

/// A forked child that is running.
#[must_use = "a child must be waited for"]
pub struct Child {
    id: libc::pid_t,
    end: End,
    says: PipeReader,
}

/// The environment variable of a process that runs one test alone.
const ALONE: &str = "THREADWISE_ALONE";

/// Runs the calling test in a process of its own, in which no thread of another test starts or ends.
///
/// Starts the test program again for that, with this test only. Call it on the test's own thread.
///
/// # Panics
///
/// If the test fails there, with all that it printed.
pub fn alone(test: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return test();
    }
    let this = thread::current();
    let name = this.name().expect("the harness names a test's thread");
    let program = env::current_exe().expect("the path of this program");
    let output = Command::new(program)
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .env(ALONE, "")
        .output();
    let output = output.expect("this program can be started again");
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{name}, alone: {said}");
}

/// Runs `act` in a forked child, and waits for its end.
///
/// # Panics
///
/// With the child's panic message; also if the child ends otherwise than `end` says, or takes too
/// long.
pub fn run(end: End, act: impl FnOnce()) {
    start(end, |_| act()).wait();
}

/// Runs `act` in a forked child, which may write words to its parent.
///
/// # Panics
///
/// If the process cannot be forked.
pub fn start(end: End, act: impl FnOnce(&mut PipeWriter)) -> Child {
    // Reads the environment before the fork: in the child its lock may be held.
    crate::wait::until("the environment", || true);
    let (says, writer) = io::pipe().expect("a pipe");
    // SAFETY: the child runs the code under test, which must work in a child. It prints nothing,
    // and never returns to its caller's frames.
    match unsafe { libc::fork() } {
        -1 => panic!("no child process: {}", io::Error::last_os_error()),
        0 => {
            drop(says);
            be_child(end, writer, act)
        }
        id => {
            drop(writer);
            Child { id, end, says }
        }
    }
}

fn be_child(end: End, mut says: PipeWriter, act: impl FnOnce(&mut PipeWriter)) -> ! {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        act(&mut says);
        if end == End::Panic {
            panic_as_planned();
        }
    }));
    let code = match outcome {
        Err(payload) if payload.is::<Planned>() => PANICKED,
        Ok(()) => 0,
        Err(payload) => {
            let _ = says.write_all(text_of(&*payload).as_bytes());
            end_at_once(1)
        }
    };
    match end {
        End::AtOnce => end_at_once(code),
        End::Exit | End::Panic => process::exit(code),
    }
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref().copied()).unwrap_or("a panic without a message")
}

fn end_at_once(code: i32) -> ! {
    // SAFETY: the call ends this process, and touches no memory of it.
    unsafe { libc::_exit(code) }
}

impl Child {
    /// Waits until the child has written this word.
    ///
    /// # Panics
    ///
    /// If it writes something else, or ends.
    pub fn await_word(&mut self, word: &str) {
        let mut said = vec![0; word.len()];
        let read = self.says.read_exact(&mut said);
        assert!(
            read.is_ok() && said == word.as_bytes(),
            "the child did not write {word}: {}",
            self.last_words()
        );
    }

    /// Waits for the child's end.
    ///
    /// # Panics
    ///
    /// The same as [`run`].
    pub fn wait(mut self) {
        let status = self.status_within(PATIENCE);
        let Some(status) = status else {
            self.kill();
            panic!("the child did not end within {PATIENCE:?}");
        };
        let expected = if self.end == End::Panic { PANICKED } else { 0 };
        assert!(status.code() == Some(expected), "{status}: {}", self.last_words());
    }

    /// Returns `None` if the child still runs after that time.
    fn status_within(&self, patience: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            let mut status = 0;
            // SAFETY: `status` is writable, and the child has not been waited for.
            let ended = unsafe { libc::waitpid(self.id, &raw mut status, libc::WNOHANG) };
            match ended {
                0 if Instant::now() >= end => return None,
                0 => thread::park_timeout(Duration::from_micros(200)),
                id if id == self.id => return Some(ExitStatus::from_raw(status)),
                _ => panic!("cannot wait for the child: {}", io::Error::last_os_error()),
            }
        }
    }

    fn kill(&self) {
        // SAFETY: the child has not been waited for, so the id is still its own.
        unsafe { libc::kill(self.id, libc::SIGKILL) };
        self.status_within(PATIENCE);
    }

    fn last_words(&mut self) -> String {
        let mut words = String::new();
        let _ = self.says.read_to_string(&mut words);
        words
    }
}
