//! Servers of a cluster, without a network: each answers, refuses, is silent or not ready, as a test says.
#![allow(dead_code)] // each test program uses a part

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use threadwise_core::{ConnectionInfo, ManageConnection};
use threadwise_hosts::{Condition, Health, Hosts, HostsBuilder, NoHost, OneHost};
use threadwise_testkit::wait;

/// What a server does when a manager asks.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Says(Condition),
    Refuses,
    /// Accepts a connection, and says nothing.
    IsSilent,
    /// Lets a login wait until its limit.
    Hangs,
    /// Refuses the login permanently.
    Denies,
    /// The caller's process has no descriptor left.
    Lacks,
}

/// A server. Its connections die when it is stopped.
#[derive(Clone)]
pub(crate) struct Server {
    pub name: &'static str,
    answer: Arc<Mutex<Answer>>,
    life: Arc<AtomicU64>,
    logins: Arc<AtomicUsize>,
    forks: Arc<AtomicUsize>,
    /// How long it thinks before it says what it is good for.
    pub thinks: Duration,
}

pub(crate) struct Session {
    server: Server,
    life: u64,
    pub in_transaction: bool,
}

impl Session {
    fn lives(&self) -> bool {
        self.life == self.server.life.load(SeqCst)
    }
}

#[derive(Debug)]
pub(crate) enum Error {
    Refused(&'static str),
    Silent(&'static str),
    Denied(&'static str),
    Lost(&'static str),
    Lack(io::Error),
    NoHost(NoHost),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(name) => write!(f, "{name} refuses"),
            Self::Silent(name) => write!(f, "{name} is silent"),
            Self::Denied(name) => write!(f, "{name} denies access"),
            Self::Lost(name) => write!(f, "{name} is gone"),
            Self::Lack(_) => f.write_str("no descriptor"),
            Self::NoHost(problem) => problem.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lack(lack) => Some(lack),
            _ => None,
        }
    }
}

impl Server {
    pub(crate) fn new(name: &'static str, condition: Condition) -> Self {
        Self {
            name,
            answer: Arc::new(Mutex::new(Answer::Says(condition))),
            life: Arc::default(),
            logins: Arc::default(),
            forks: Arc::default(),
            thinks: Duration::ZERO,
        }
    }

    pub(crate) fn writer(name: &'static str) -> Self {
        Self::new(name, Condition::writer())
    }

    pub(crate) fn reader(name: &'static str) -> Self {
        Self::new(name, Condition::reader())
    }

    pub(crate) fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn says(&self, condition: Condition) {
        self.set(Answer::Says(condition));
    }

    /// Ends all sessions and refuses others.
    pub(crate) fn stop(&self) {
        self.set(Answer::Refuses);
        self.life.fetch_add(1, SeqCst);
    }

    /// Ends all sessions, and serves on.
    pub(crate) fn end_sessions(&self) {
        self.life.fetch_add(1, SeqCst);
    }

    pub(crate) fn logins(&self) -> usize {
        self.logins.load(SeqCst)
    }

    /// How often a manager learned that it is in a forked child.
    pub(crate) fn forks(&self) -> usize {
        self.forks.load(SeqCst)
    }

    /// Shared by the test's handle, each manager and each session.
    pub(crate) fn life(&self) -> &Arc<AtomicU64> {
        &self.life
    }

    fn answer(&self) -> Answer {
        self.answer.lock().unwrap().clone()
    }
}

impl ManageConnection for Server {
    type Connection = Session;
    type Error = Error;

    fn connect(&self) -> Result<Session, Error> {
        self.logins.fetch_add(1, SeqCst);
        match self.answer() {
            Answer::Refuses => Err(Error::Refused(self.name)),
            Answer::Hangs => Err(Error::Silent(self.name)),
            Answer::Denies => Err(Error::Denied(self.name)),
            Answer::Lacks => Err(Error::Lack(io::Error::from_raw_os_error(24))),
            Answer::Says(_) | Answer::IsSilent => {
                let life = self.life.load(SeqCst);
                Ok(Session { server: self.clone(), life, in_transaction: false })
            }
        }
    }

    fn connect_within(&self, limit: Duration) -> Result<Session, Error> {
        let end = Instant::now() + limit;
        while matches!(self.answer(), Answer::Hangs) && Instant::now() < end {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        self.connect()
    }

    fn is_valid(&self, session: &mut Session) -> Result<(), Error> {
        if session.lives() { Ok(()) } else { Err(Error::Lost(self.name)) }
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        !session.lives()
    }

    fn in_transaction(&self, session: &mut Session) -> bool {
        session.in_transaction
    }

    fn is_lost(&self, error: &Error) -> bool {
        matches!(error, Error::Lost(_))
    }

    fn is_permanent(&self, error: &Error) -> bool {
        matches!(error, Error::Denied(_))
    }

    fn info<'c>(&'c self, _: &'c Session) -> ConnectionInfo<'c> {
        ConnectionInfo::new().with_id(7)
    }

    fn forked(&self) {
        self.forks.fetch_add(1, SeqCst);
    }

    fn address(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.name.into())
    }
}

impl OneHost for Server {
    fn condition(&self, session: &mut Session, _: Duration) -> Result<Condition, Error> {
        match self.answer() {
            _ if !session.lives() => Err(Error::Lost(self.name)),
            Answer::Says(condition) => {
                std::thread::sleep(self.thinks);
                Ok(condition)
            }
            // At once: the test need not wait for the limit.
            _ => Err(Error::Silent(self.name)),
        }
    }

    fn no_host(problem: NoHost) -> Error {
        Error::NoHost(problem)
    }
}

/// These servers, asked only when a test wants it, or when a borrower has trouble.
pub(crate) fn hosts(servers: &[&Server]) -> HostsBuilder<Server> {
    let managers: Vec<_> = servers.iter().map(|&server| server.clone()).collect();
    Hosts::builder(managers).ask_every(Duration::from_secs(3600))
}

pub(crate) fn build(servers: &[&Server]) -> Hosts<Server> {
    hosts(servers).build().expect("servers that answer")
}

/// Waits until a host is known to be so.
pub(crate) fn await_health(
    hosts: &Hosts<Server>,
    index: usize,
    what: &str,
    is: impl Fn(&Health) -> bool,
) {
    wait::until(what, || is(&hosts.status()[index].health));
}
