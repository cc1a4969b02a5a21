//! Forked children: what a test does in one, how that ends, and what the child says of it.
//!
//! A child has the thread that forked, and no other of the test program's. It may not print (the
//! lock of standard output may be held for ever); it panics to say what is wrong, and its parent
//! hears of that through a pipe.
#![allow(unsafe_code)]

use std::any::Any;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::sync::Once;
use std::time::{Duration, Instant};
use std::{env, io, process, thread};

use std::os::unix::process::ExitStatusExt;

use crate::panics::{Planned, panic_as_planned};

/// How long a child may take. Then it is killed, and its test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a child ends once it has done what it was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By `exit`: what is registered for the end of the process runs.
    Exit,
    /// By `_exit`: nothing runs.
    AtOnce,
    /// By a panic, which unwinds what the child was doing; then as a program does that panicked. The
    /// child may panic earlier by [`panic_as_planned`].
    Panic,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Exit, Self::AtOnce, Self::Panic];
}

/// What a program that panicked exits with.
const PANICKED: i32 = 101;

/// A forked child that is at work.
#[must_use = "a child has to be waited for"]
pub struct Child {
    id: libc::pid_t,
    end: End,
    says: PipeReader,
}

/// Has the MySQL driver keep no buffers for all threads. It would keep them in a queue without locks,
/// which a child finds unusable if another thread was in the middle of changing it. To be called by
/// each test of the program before anything else.
pub fn keep_no_buffers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the other tests' threads wait here, and the harness reads the environment through
        // the standard library only, which has a lock for that.
        unsafe { env::set_var("RUST_MYSQL_BUFFER_POOL_CAP", "0") };
    });
}

/// Runs `act` in a forked child, and waits for its end.
///
/// # Panics
///
/// With what the child panicked with; if it ends otherwise than as `end` says, or takes too long.
pub fn run(end: End, act: impl FnOnce()) {
    start(end, |_| act()).wait();
}

/// Runs `act` in a forked child, which may say something meanwhile.
///
/// # Panics
///
/// If the process cannot be forked.
pub fn start(end: End, act: impl FnOnce(&mut PipeWriter)) -> Child {
    crate::wait::until("what it needs to be there in a child too", || true);
    let (says, says_here) = io::pipe().expect("a pipe");
    // SAFETY: the child runs what its test is about: code that has to stand being run there. It
    // prints nothing, and never returns to its caller's frames.
    match unsafe { libc::fork() } {
        -1 => panic!("no child process: {}", io::Error::last_os_error()),
        0 => {
            drop(says);
            be_child(end, says_here, act)
        }
        id => {
            drop(says_here);
            Child { id, end, says }
        }
    }
}

fn be_child(end: End, mut says: PipeWriter, act: impl FnOnce(&mut PipeWriter)) -> ! {
    let played = catch_unwind(AssertUnwindSafe(|| {
        act(&mut says);
        if end == End::Panic {
            panic_as_planned();
        }
    }));
    let code = match played {
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
    text.or_else(|| payload.downcast_ref().copied()).unwrap_or("a panic without words")
}

fn end_at_once(code: i32) -> ! {
    // SAFETY: ends this process, and touches no memory of it.
    unsafe { libc::_exit(code) }
}

impl Child {
    /// Waits until the child has said this.
    ///
    /// # Panics
    ///
    /// If it says something else, or ends.
    pub fn await_word(&mut self, word: &str) {
        let mut said = vec![0; word.len()];
        let read = self.says.read_exact(&mut said);
        assert!(read.is_ok() && said == word.as_bytes(), "not {word}: {}", self.last_words());
    }

    /// Waits for the child's end.
    ///
    /// # Panics
    ///
    /// As [`run`].
    pub fn wait(mut self) {
        let status = self.status_within(PATIENCE);
        let Some(status) = status else {
            self.kill();
            panic!("the child hangs");
        };
        let expected = if self.end == End::Panic { PANICKED } else { 0 };
        assert!(status.code() == Some(expected), "{status}: {}", self.last_words());
    }

    /// `None` if it is still at work after that time.
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
                _ => panic!("the child is lost: {}", io::Error::last_os_error()),
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
