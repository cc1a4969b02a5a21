//! A manager whose connections are numbers. A test sets what its calls answer.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::ManageConnection;

pub use libc::{ECONNREFUSED, EMFILE};

/// Opens the connections 1, 2, 3 and so on. Each call succeeds until a test sets another answer. A
/// clone has the same answers: give one to the pool, and set the answers of the other.
#[derive(Clone, Debug, Default)]
pub struct Numbers(Arc<Mutex<Answers>>);

#[derive(Debug, Default)]
struct Answers {
    opened: u32,
    attempts: u32,
    closed: u32,
    validated: u32,
    connect_error: Option<i32>,
    connect_limit: Option<Duration>,
    validation_error: Option<i32>,
    validation_takes: Duration,
    last_answer: Option<Instant>,
    is_broken: bool,
    is_permanent: bool,
}

/// The counts.
impl Numbers {
    /// How many connections were opened.
    #[must_use]
    pub fn opened(&self) -> u32 {
        self.answers().opened
    }

    /// How often a pool tried to open a connection.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.answers().attempts
    }

    /// How many connections a pool closed.
    #[must_use]
    pub fn closed(&self) -> u32 {
        self.answers().closed
    }

    /// How many validations there were.
    #[must_use]
    pub fn validated(&self) -> u32 {
        self.answers().validated
    }

    /// The limit of the last `connect_within`. Each limit is returned once.
    #[must_use]
    pub fn take_connect_limit(&self) -> Option<Duration> {
        self.answers().connect_limit.take()
    }
}

/// The answers that a test sets.
impl Numbers {
    /// Makes each `connect` fail with this error code of the system; `None` makes it succeed.
    pub fn connect_fails_with(&self, code: Option<i32>) {
        self.answers().connect_error = code;
    }

    /// Sets whether the error of a `connect` is permanent.
    pub fn set_permanent(&self, is_permanent: bool) {
        self.answers().is_permanent = is_permanent;
    }

    /// Makes each validation fail with this error code of the system; `None` makes it succeed.
    pub fn validation_fails_with(&self, code: Option<i32>) {
        self.answers().validation_error = code;
    }

    /// Sets how long each validation takes.
    pub fn validation_takes(&self, time: Duration) {
        self.answers().validation_takes = time;
    }

    /// Sets when the server last answered, on every connection.
    pub fn set_last_answer(&self, at: Instant) {
        self.answers().last_answer = Some(at);
    }

    /// Sets whether every connection is broken, also a new one.
    pub fn set_broken(&self, is_broken: bool) {
        self.answers().is_broken = is_broken;
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the system's error with this code.
fn fail_with(code: Option<i32>) -> io::Result<()> {
    match code {
        Some(code) => Err(io::Error::from_raw_os_error(code)),
        None => Ok(()),
    }
}

impl ManageConnection for Numbers {
    type Connection = u32;
    type Error = io::Error;

    fn connect(&self) -> io::Result<u32> {
        let mut answers = self.answers();
        answers.attempts += 1;
        fail_with(answers.connect_error)?;
        answers.opened += 1;
        Ok(answers.opened)
    }

    fn connect_within(&self, limit: Duration) -> io::Result<u32> {
        self.answers().connect_limit = Some(limit);
        self.connect()
    }

    fn is_valid(&self, _: &mut u32) -> io::Result<()> {
        let mut answers = self.answers();
        answers.validated += 1;
        let (time, error) = (answers.validation_takes, answers.validation_error);
        drop(answers);
        thread::sleep(time);
        fail_with(error)
    }

    fn has_broken(&self, _: &mut u32) -> bool {
        self.answers().is_broken
    }

    fn last_answer(&self, _: &u32) -> Option<Instant> {
        self.answers().last_answer
    }

    fn is_lost(&self, _: &io::Error) -> bool {
        true
    }

    fn is_permanent(&self, _: &io::Error) -> bool {
        self.answers().is_permanent
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        Some("db:1".into())
    }

    fn close(&self, _: u32) {
        self.answers().closed += 1;
    }
}
