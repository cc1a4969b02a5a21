//! The parent. It forks workers, replaces workers that die, and ends after the last one.
//!
//! It never opens the database and starts no thread, so it can fork at any time.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, PipeReader, PipeWriter};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use sd_notify::NotifyState;
use threadwise_systems::{note, say};

use crate::fork::fork;
use crate::signals::Signals;
use crate::tell_the_service_manager;

/// The process in which [`Supervisor::run`] returns. It returns once in each process.
pub(crate) enum Role {
    /// The parent, after all workers have ended.
    Supervisor(ExitCode),
    /// A child, right after the fork.
    Worker(Post),
}

/// The values that a worker gets.
pub(crate) struct Post {
    /// The worker's number, from 1.
    pub(crate) number: usize,
    /// A pipe that ends when the worker has to end, and never has anything to read. The parent
    /// closes the other end, or the system does when the parent is gone.
    pub(crate) lifeline: PipeReader,
}

pub(crate) struct Supervisor {
    signals: Signals,
    places: Vec<Place>,
    /// Places whose workers the supervisor still has to replace, one after the other.
    to_renew: VecDeque<usize>,
    /// How long workers may take to end.
    drain: Duration,
}

/// A worker's place.
#[derive(Default)]
struct Place {
    worker: Option<Worker>,
    /// How many workers in a row died early.
    early_deaths: u32,
    /// When to fork the next one.
    due: Option<Instant>,
}

struct Worker {
    pid: Pid,
    since: Instant,
    /// `None` after the supervisor asked the worker to end.
    lifeline: Option<PipeWriter>,
}

/// If a worker dies within this time, the next one would probably die, too. So the supervisor waits
/// before it forks that one.
const EARLY: Duration = Duration::from_secs(1);

impl Supervisor {
    /// A supervisor of `workers` processes.
    pub(crate) fn new(signals: Signals, workers: usize, drain: Duration) -> Self {
        let now = Some(Instant::now());
        let places = (0..workers).map(|_| Place { due: now, ..Place::default() }).collect();
        Self { signals, places, to_renew: VecDeque::new(), drain }
    }

    /// Runs until a signal ends it. Calls `ready` when all workers are forked.
    pub(crate) fn run(mut self, ready: impl FnOnce()) -> nix::Result<Role> {
        let mut ready = Some(ready);
        loop {
            if let Some(post) = self.fork_workers() {
                return Ok(Role::Worker(post));
            }
            if let Some(ready) = ready.take() {
                ready();
            }
            let due = self.places.iter().filter_map(|place| place.due).min();
            match self.signals.wait(due)? {
                Signal::SIGCHLD => self.bury(),
                Signal::SIGHUP => self.renew_all(),
                Signal::SIGINT | Signal::SIGTERM => return self.end().map(Role::Supervisor),
                _ => {} // the alarm: a worker is due
            }
        }
    }

    /// Forks the workers that are due. In a child it returns the child's values.
    fn fork_workers(&mut self) -> Option<Post> {
        for number in 1..=self.places.len() {
            let place = &mut self.places[number - 1];
            if place.due.take_if(|due| *due <= Instant::now()).is_none() {
                continue;
            }
            match fork_worker() {
                Ok(Forked::Parent(worker)) => {
                    say!("worker {number} is process {}", worker.pid);
                    place.worker = Some(worker);
                }
                // ANCHOR: child
                Ok(Forked::Child(lifeline)) => {
                    // This child also has copies of the parent's ends of the other pipes. While a
                    // process has one open, its worker does not see the end.
                    self.places.clear();
                    return Some(Post { number, lifeline });
                }
                // ANCHOR_END: child
                Err(error) => {
                    note!("worker {number} could not be forked: {error}");
                    place.try_later();
                }
            }
        }
        None
    }

    /// Finds dead workers, and schedules new ones in their places.
    fn bury(&mut self) {
        while let Some((pid, how)) = next_dead() {
            let is_it = |place: &Place| place.worker.as_ref().is_some_and(|it| it.pid == pid);
            let Some(index) = self.places.iter().position(is_it) else { continue };
            let place = &mut self.places[index];
            let Some(worker) = place.worker.take() else { continue };
            if worker.lifeline.is_none() {
                place.due = Some(Instant::now()); // it was asked to
                self.renew_next();
                continue;
            }
            let (number, how) = (index + 1, in_words(how));
            note!("worker {number} (process {pid}) {how}; another takes its place");
            if worker.since.elapsed() < EARLY {
                place.try_later();
            } else {
                place.early_deaths = 0;
                place.due = Some(Instant::now());
            }
        }
    }

    /// Replaces every worker, one after the other. The others keep serving meanwhile.
    fn renew_all(&mut self) {
        say!("all workers are renewed, one after the other");
        self.to_renew = (0..self.places.len()).collect();
        self.renew_next();
    }

    fn renew_next(&mut self) {
        while let Some(index) = self.to_renew.pop_front() {
            if let Some(worker) = &mut self.places[index].worker {
                worker.lifeline = None;
                return;
            }
        }
    }

    /// Asks all workers to end and waits for them. A second signal, or the limit, kills them.
    fn end(mut self) -> nix::Result<ExitCode> {
        if io::stderr().is_terminal() {
            note!("finishing running work; press Ctrl-C again to end at once");
        }
        tell_the_service_manager(NotifyState::Stopping);
        self.places.retain(|place| place.worker.is_some());
        for worker in self.places.iter_mut().filter_map(|place| place.worker.as_mut()) {
            worker.lifeline = None;
        }
        let limit = Instant::now() + self.drain;
        let mut code = ExitCode::SUCCESS;
        loop {
            while let Some((pid, how)) = next_dead() {
                self.places.retain(|place| place.worker.as_ref().is_some_and(|it| it.pid != pid));
                if !matches!(how, WaitStatus::Exited(_, 0)) {
                    note!("process {pid} {}", in_words(how));
                    code = ExitCode::FAILURE;
                }
            }
            if self.places.is_empty() {
                return Ok(code);
            }
            match self.signals.wait(Some(limit))? {
                Signal::SIGINT | Signal::SIGTERM => {
                    self.kill_all();
                    return Ok(ExitCode::from(130));
                }
                Signal::SIGALRM if Instant::now() >= limit => {
                    note!("{} workers did not end in {:?}", self.places.len(), self.drain);
                    self.kill_all();
                    return Ok(ExitCode::FAILURE);
                }
                _ => {}
            }
        }
    }

    fn kill_all(&self) {
        for worker in self.places.iter().filter_map(|place| place.worker.as_ref()) {
            let _ = kill(worker.pid, Signal::SIGKILL); // it has not been waited for: its id is its own
            let _ = waitpid(worker.pid, None);
        }
    }
}

impl Place {
    /// Schedules the next worker after 1, 2, 4, 8 or at most 16 seconds.
    fn try_later(&mut self) {
        self.due = Some(Instant::now() + Duration::from_secs(1 << self.early_deaths.min(4)));
        self.early_deaths += 1;
    }
}

enum Forked {
    Parent(Worker),
    Child(PipeReader),
}

fn fork_worker() -> io::Result<Forked> {
    let (ends_here, lifeline) = io::pipe()?;
    Ok(match fork()? {
        Some(pid) => {
            Forked::Parent(Worker { pid, since: Instant::now(), lifeline: Some(lifeline) })
        }
        None => Forked::Child(ends_here),
    })
}

/// The next child that has ended, and its status.
fn next_dead() -> Option<(Pid, WaitStatus)> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(how @ (WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _))) => {
                return Some((pid, how));
            }
            Err(Errno::EINTR) => {}
            _ => return None, // all others are alive, or there are none
        }
    }
}

fn in_words(how: WaitStatus) -> String {
    match how {
        WaitStatus::Exited(_, code) => format!("ended with code {code}"),
        WaitStatus::Signaled(_, signal, _) => format!("was killed by {signal}"),
        other => format!("is {other:?}"),
    }
}

/// Runs `work` in a child, waits for it, and returns whether it returned `true`. It is for work
/// that a parent of workers must not do itself.
pub(crate) fn in_child(work: impl FnOnce() -> bool) -> nix::Result<bool> {
    match fork()? {
        Some(child) => Ok(waitpid(child, None)? == WaitStatus::Exited(child, 0)),
        None => std::process::exit(i32::from(!work())),
    }
}
