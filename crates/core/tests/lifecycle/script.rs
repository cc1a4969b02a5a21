//! A manager whose answers a test sets, and which notes each call.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use threadwise_core::parts::{Lifecycle, Observer, Policies};
use threadwise_core::{
    CloseReason, ConnectionInfo, Events, ManageConnection, Moment, Outcome, Report, Validation,
};

/// A method of the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    SetPoolName,
    Connect,
    ConnectWithin,
    BeginSession,
    HasBroken,
    LastAnswer,
    IsValid,
    IsValidWithin,
    IsValidPatient,
    HasChanged,
    InTransaction,
    ShouldRetire,
    QuickCheck,
    ResetWithin,
    OnError,
    IsPermanent,
    IsShortage,
    NotReconnected,
    Address,
    Close,
    ForgetInChild,
}

/// What the manager does when a method is called. Without one, every connection works, has changed
/// and has no open transaction.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// For the methods that return a `bool`.
    Is(bool),
    Fail(Error),
    Panic,
    /// For `is_valid_patient`: the answer is still to come.
    Undecided,
    /// For `last_answer`.
    At(Instant),
    /// For `on_error`.
    Means(Outcome),
    /// Succeeds, after it has called this.
    After(fn()),
}

/// The manager's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    Ordinary,
    Lost,
    Permanent,
    Shortage,
    /// A lost connection that could not be replaced.
    NotReconnected,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} of the driver")
    }
}

impl std::error::Error for Error {}

/// A connection: its number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conn(pub(crate) u32);

#[derive(Default)]
struct Notes {
    answers: HashMap<Call, Answer>,
    calls: Vec<Call>,
    limits: Vec<Duration>,
    opened: u32,
    closed: Vec<u32>,
    heard: Vec<String>,
}

/// The manager's answers, and what the life cycle asked.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<Notes>>);

impl Script {
    fn with<R>(&self, use_notes: impl FnOnce(&mut Notes) -> R) -> R {
        use_notes(&mut self.0.lock().unwrap())
    }

    /// From now on the manager answers this.
    pub(crate) fn on(&self, call: Call, answer: Answer) {
        self.with(|notes| notes.answers.insert(call, answer));
    }

    /// The calls since the last time.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.with(|notes| std::mem::take(&mut notes.calls))
    }

    /// The limits that calls had, since the last time.
    pub(crate) fn limits(&self) -> Vec<Duration> {
        self.with(|notes| std::mem::take(&mut notes.limits))
    }

    /// The numbers of the connections that the manager closed.
    pub(crate) fn closed(&self) -> Vec<u32> {
        self.with(|notes| notes.closed.clone())
    }

    /// The events since the last time.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.with(|notes| std::mem::take(&mut notes.heard))
    }

    /// Records that a hook ran. [`heard`](Self::heard) returns `text` among the names of the calls.
    pub(crate) fn hear(&self, text: impl Into<String>) {
        self.with(|notes| notes.heard.push(text.into()));
    }

    fn answer(&self, call: Call) -> Option<Answer> {
        let answer = self.with(|notes| {
            notes.calls.push(call);
            notes.answers.get(&call).copied()
        });
        match answer {
            Some(Answer::Panic) => resume_unwind(Box::new("as planned")),
            Some(Answer::After(act)) => act(),
            _ => {}
        }
        answer
    }

    fn try_answer(&self, call: Call) -> Result<(), Error> {
        match self.answer(call) {
            Some(Answer::Fail(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn is(&self, call: Call, default: bool) -> bool {
        match self.answer(call) {
            Some(Answer::Is(answer)) => answer,
            _ => default,
        }
    }

    fn limit(&self, limit: Duration) {
        self.with(|notes| notes.limits.push(limit));
    }
}

/// The manager.
pub(crate) struct Manager(Script);

impl Manager {
    fn opened(&self) -> Conn {
        self.0.with(|notes| {
            notes.opened += 1;
            Conn(notes.opened)
        })
    }
}

#[deny(clippy::missing_trait_methods)]
impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = Error;

    fn set_pool_name(&mut self, name: &str) {
        self.0.hear(name);
        let _ = self.0.answer(Call::SetPoolName);
    }

    fn connect(&self) -> Result<Conn, Error> {
        self.0.try_answer(Call::Connect)?;
        Ok(self.opened())
    }

    fn connect_within(&self, limit: Duration) -> Result<Conn, Error> {
        self.0.limit(limit);
        self.0.try_answer(Call::ConnectWithin)?;
        Ok(self.opened())
    }

    fn begin_session(&self, _: &mut Conn) {
        let _ = self.0.answer(Call::BeginSession);
    }

    fn has_broken(&self, _: &mut Conn) -> bool {
        unreachable!("a life cycle tells the moment")
    }

    fn has_broken_at(&self, _: &mut Conn, _: Moment) -> bool {
        self.0.is(Call::HasBroken, false)
    }

    fn quick_check(&self, _: &mut Conn) -> Result<(), Error> {
        self.0.try_answer(Call::QuickCheck)
    }

    fn quick_check_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn last_answer(&self, _: &Conn) -> Option<Instant> {
        match self.0.answer(Call::LastAnswer) {
            Some(Answer::At(moment)) => Some(moment),
            _ => None,
        }
    }

    fn is_valid(&self, _: &mut Conn) -> Result<(), Error> {
        self.0.try_answer(Call::IsValid)
    }

    fn is_valid_within(&self, _: &mut Conn, limit: Duration) -> Result<(), Error> {
        self.0.limit(limit);
        self.0.try_answer(Call::IsValidWithin)
    }

    fn is_valid_patient(
        &self,
        _: &mut Conn,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Error>> {
        self.0.limit(patience);
        self.0.limit(limit);
        match self.0.answer(Call::IsValidPatient) {
            Some(Answer::Undecided) => None,
            Some(Answer::Fail(error)) => Some(Err(error)),
            _ => Some(Ok(())),
        }
    }

    fn has_changed(&self, _: &mut Conn) -> bool {
        self.0.is(Call::HasChanged, true)
    }

    fn in_transaction(&self, _: &mut Conn) -> bool {
        self.0.is(Call::InTransaction, false)
    }

    fn in_transaction_shared(&self, _: &Conn) -> bool {
        unreachable!("only a pool that shares asks")
    }

    fn should_retire(&self, _: &mut Conn) -> bool {
        self.0.is(Call::ShouldRetire, false)
    }

    fn group(&self, conn: &Conn) -> u64 {
        conn.0.into()
    }

    fn info<'c>(&'c self, conn: &'c Conn) -> ConnectionInfo<'c> {
        ConnectionInfo::new().with_id(conn.0.into())
    }

    fn reset(&self, _: &mut Conn) -> Result<(), Error> {
        unreachable!("a life cycle resets within a limit")
    }

    fn reset_within(&self, _: &mut Conn, limit: Duration) -> Result<(), Error> {
        self.0.limit(limit);
        self.0.try_answer(Call::ResetWithin)
    }

    fn is_lost(&self, _: &Error) -> bool {
        unreachable!("a life cycle asks what the error means")
    }

    fn on_error(&self, _: &mut Conn, error: &Error) -> Outcome {
        match self.0.answer(Call::OnError) {
            Some(Answer::Means(outcome)) => outcome,
            _ if matches!(error, Error::Lost | Error::NotReconnected) => Outcome::Lost,
            _ => Outcome::Failed,
        }
    }

    fn pool_closed(&self) {
        self.0.hear("the pool is closed");
    }

    fn forked(&self) {
        self.0.hear("this is a forked child");
    }

    fn is_permanent(&self, error: &Error) -> bool {
        self.0.is(Call::IsPermanent, *error == Error::Permanent)
    }

    fn is_shortage(&self, error: &Error) -> bool {
        self.0.is(Call::IsShortage, *error == Error::Shortage)
    }

    fn not_reconnected(&self, _: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
        self.0.hear(format!("not reconnected: {cause}"));
        let _ = self.0.answer(Call::NotReconnected);
        Error::NotReconnected
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        let _ = self.0.answer(Call::Address);
        Some("db:3306".into())
    }

    fn close(&self, conn: Conn) {
        self.0.with(|notes| notes.closed.push(conn.0));
        let _ = self.0.answer(Call::Close);
    }

    fn forget_in_child(&self, _: Conn) {
        let _ = self.0.answer(Call::ForgetInChild);
    }
}

/// Notes the events.
struct Listener(Script);

#[deny(clippy::missing_trait_methods)]
impl Events for Listener {
    fn watches_uses(&self) -> bool {
        true
    }

    fn opened(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.0.hear("opened");
    }

    fn connect_failed(&self, error: &(dyn std::error::Error + 'static)) {
        self.0.hear(format!("connect failed: {error}"));
    }

    fn closed(&self, _: &ConnectionInfo<'_>, reason: CloseReason) {
        self.0.hear(format!("closed: {}", reason.name()));
    }

    fn acquired(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.0.hear("acquired");
    }

    fn returned(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.0.hear("returned");
    }

    fn timed_out(&self, _: Duration) {
        self.0.hear("timed out");
    }

    fn report(&self, report: &Report<'_>) {
        self.0.hear(report.to_string());
    }
}

/// A life cycle and its script.
pub(crate) struct Rig {
    pub(crate) lifecycle: Lifecycle<Manager>,
    pub(crate) script: Script,
}

impl Rig {
    /// With the default policies and this validation.
    pub(crate) fn new(validation: Validation) -> Self {
        Self::with(validation, |_, _| {})
    }

    /// With other policies too.
    pub(crate) fn with(
        validation: Validation,
        adjust: impl FnOnce(&mut Policies<Conn>, &Script),
    ) -> Self {
        let script = Script::default();
        let mut policies = Policies {
            observer: Observer::new(Listener(script.clone())),
            ..Policies::new(validation)
        };
        adjust(&mut policies, &script);
        Self { lifecycle: Lifecycle::new(Manager(script.clone()), policies), script }
    }

    /// An open connection. Nothing of opening it is noted.
    pub(crate) fn open(&self) -> Conn {
        let conn = self.lifecycle.open(None).expect("a connection");
        self.script.with(|notes| {
            notes.calls.clear();
            notes.heard.clear();
        });
        conn
    }
}

/// Panics without a message on the terminal.
pub(crate) fn panic_as_planned() -> ! {
    resume_unwind(Box::new("as planned"))
}

/// Runs `act` on this thread while it panics.
pub(crate) fn while_panicking<R>(act: impl FnOnce() -> R) -> R {
    struct OnDrop<'r, F: FnOnce() -> R, R>(Option<F>, &'r mut Option<R>);
    impl<F: FnOnce() -> R, R> Drop for OnDrop<'_, F, R> {
        fn drop(&mut self) {
            *self.1 = self.0.take().map(|act| act());
        }
    }
    let mut result = None;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _on_drop = OnDrop(Some(act), &mut result);
        panic_as_planned();
    }));
    assert!(panicked.is_err());
    result.expect("the destructor ran")
}
