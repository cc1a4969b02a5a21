//! One host: its manager, and its last condition.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use threadwise_core::chain;
use threadwise_core::parts::fork;
use threadwise_core::parts::sync::Mutex;

use crate::common::Common;
use crate::connection::{HostConnection, Place};
use crate::order::Wanted;
use crate::watch::Watch;
use crate::{Condition, OneHost, Role};

/// The state of a host, as its watcher and the dials found it last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// No thread has asked it yet.
    Unknown,
    /// It answered that it is ready and has this role.
    Ready(Role),
    /// It answered that it cannot serve, for this reason.
    NotReady(String),
    /// It did not answer, or refused the login, with this error.
    Down(String),
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not asked yet"),
            Self::Ready(role) => role.fmt(f),
            Self::NotReady(reason) => write!(f, "not ready: {reason}"),
            Self::Down(cause) => write!(f, "down: {cause}"),
        }
    }
}

/// The shortest limit of a question. To the system, zero means no limit.
const SHORTEST_LIMIT: Duration = Duration::from_millis(1);

/// What the host answered last, and when.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) health: Health,
    pub(crate) since: Instant,
    pub(crate) server: Option<String>,
    pub(crate) cluster: Option<String>,
    /// The time of the watcher's last questions, smoothed.
    pub(crate) answer_time: Option<Duration>,
    /// A dial failed after the host last answered.
    pub(crate) is_suspected: bool,
    /// A connection broke or was refused after the host last answered.
    pub(crate) is_doubted: bool,
    /// When the question was asked to which the last answer belongs.
    asked: Option<Instant>,
}

/// A host. A thread holds its locks for a moment only, and `fork` waits meanwhile, so that a forked child
/// finds them free.
pub(crate) struct Host<M> {
    pub(crate) index: usize,
    pub(crate) address: String,
    pub(crate) manager: M,
    known: Mutex<Known>,
    /// Rises when the pools must leave this host.
    left: AtomicU64,
    /// Rises when the host stops being a writer.
    demoted: AtomicU64,
    /// Rises when a reader becomes a writer.
    promoted: AtomicU64,
    connections: AtomicUsize,
    /// Rises in a forked child. Connections of the parent do not count there.
    forks: AtomicU64,
    /// A thread probes this host: its watcher, or a dial although the host could not serve before. No other
    /// thread probes it meanwhile.
    is_probed: AtomicBool,
    /// Whether the pools close connections to the earlier server when another one answers under the host's
    /// name.
    follows_name: bool,
    pub(crate) common: Arc<Common>,
    pub(crate) watch: Watch,
}

/// The numbers of a host when a connection was opened. If the host's numbers differ now, the pools close the
/// connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    left: u64,
    demoted: u64,
    promoted: u64,
}

/// A question to a host: the stamp of the connection that asks, and when it asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) stamp: Stamp,
    asked: Instant,
}

impl Question {
    /// The next question on the same connection.
    pub(crate) fn again(self) -> Self {
        Self { asked: Instant::now(), ..self }
    }

    /// Whether the pools have left the host since the connection that asks was opened.
    pub(crate) fn has_left<M: OneHost>(self, host: &Host<M>) -> bool {
        host.has_left(self.stamp, Wanted::Any)
    }
}

/// The health of a host after an answer, and the question with the stamp that counts from then on.
pub(crate) struct Learned {
    pub(crate) health: Health,
    pub(crate) question: Question,
}

/// Why a new connection was not used.
pub(crate) enum Unusable<E> {
    Error(E),
    /// The host answered, but is not ready or has the wrong role.
    Unfit(String),
}

impl<M: OneHost> Host<M> {
    pub(crate) fn new(index: usize, manager: M, follows_name: bool, common: Arc<Common>) -> Self {
        let address = match manager.address() {
            Some(address) => address.into_owned(),
            None => format!("host {}", index + 1),
        };
        let known = Known {
            health: Health::Unknown,
            since: Instant::now(),
            server: None,
            cluster: None,
            answer_time: None,
            is_suspected: false,
            is_doubted: false,
            asked: None,
        };
        Self {
            index,
            address,
            manager,
            known: Mutex::new(known),
            left: AtomicU64::new(0),
            demoted: AtomicU64::new(0),
            promoted: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
            forks: AtomicU64::new(0),
            is_probed: AtomicBool::new(false),
            follows_name,
            common,
            watch: Watch::new(),
        }
    }

    pub(crate) fn known(&self) -> Known {
        fork::hold_off(|| self.known.lock().clone())
    }

    pub(crate) fn stamp(&self) -> Stamp {
        // Acquire: pairs with the Release in `change`. A thread that sees the new number sees the reason.
        Stamp {
            left: self.left.load(Ordering::Acquire),
            demoted: self.demoted.load(Ordering::Acquire),
            promoted: self.promoted.load(Ordering::Acquire),
        }
    }

    /// Whether a manager that wants this must close connections with this stamp.
    pub(crate) fn has_left(&self, stamp: Stamp, wanted: Wanted) -> bool {
        // See `stamp` for the ordering.
        self.left.load(Ordering::Acquire) != stamp.left
            || match wanted {
                Wanted::Any => false,
                Wanted::Writer => self.demoted.load(Ordering::Acquire) != stamp.demoted,
                Wanted::Reader => self.promoted.load(Ordering::Acquire) != stamp.promoted,
            }
    }

    /// Returns how many connections the pools of this process have open to this host.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed) // a count that only guides a choice
    }

    /// Counts a connection, and returns what [`remove_connection`](Self::remove_connection) asks for.
    pub(crate) fn add_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed); // see `connections`
        self.forks.load(Ordering::Relaxed) // changes only while the process has one thread
    }

    /// Takes a connection off the count, unless it is one of the parent process.
    pub(crate) fn remove_connection(&self, forks: u64) {
        if forks == self.forks.load(Ordering::Relaxed) {
            self.connections.fetch_sub(1, Ordering::Relaxed); // see `connections`
        }
    }

    /// Notes that a connection broke or that the host refused its work, and wakes the watcher to ask the host
    /// at once. Until the host answers, a dial that can try another host waits for it for a shorter time.
    pub(crate) fn doubt(&self) {
        fork::hold_off(|| self.known.lock().is_doubted = true);
        self.watch.ask_now();
    }

    /// Notes that a dial failed, and wakes the watcher to ask the host at once. Until the host answers, new
    /// connections prefer other hosts.
    fn suspect(&self) {
        fork::hold_off(|| self.known.lock().is_suspected = true);
        self.watch.ask_now();
    }

    /// Runs `probe` if no other thread asks this host at this moment.
    pub(crate) fn as_only_prober<T>(&self, probe: impl FnOnce() -> T) -> Option<T> {
        struct Release<'a>(&'a AtomicBool);
        impl Drop for Release<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release); // pairs with the Acquire below
            }
        }
        if self.is_probed.swap(true, Ordering::Acquire) {
            return None;
        }
        let _release = Release(&self.is_probed);
        Some(probe())
    }

    /// Resets the counts in a forked child: no thread asks there, and the child has no connection of its own.
    /// Uses atomics alone.
    pub(crate) fn forked(&self) {
        self.is_probed.store(false, Ordering::Relaxed); // the child's only thread, here and below
        self.connections.store(0, Ordering::Relaxed);
        self.forks.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the question for a connection that the caller dials next. If a newer answer comes during the
    /// dial, the newer answer counts.
    pub(crate) fn question(&self) -> Question {
        Question { stamp: self.stamp(), asked: Instant::now() }
    }

    /// Opens a connection and asks the server for its condition.
    pub(crate) fn open(
        self: &Arc<Self>,
        fits: impl FnOnce(Role) -> bool,
        limit: Option<Duration>,
        usual_limit: Duration,
    ) -> Result<HostConnection<M>, Unusable<M::Error>> {
        let question = self.question();
        let connected = match limit {
            Some(limit) => self.manager.connect_within(limit),
            None => self.manager.connect(),
        };
        let mut conn = connected.map_err(|error| self.dial_failed(error))?;
        let left = limit.map_or(usual_limit, |limit| {
            limit.saturating_sub(question.asked.elapsed()).max(SHORTEST_LIMIT)
        });
        let question = question.again();
        match self.manager.condition(&mut conn, left) {
            Ok(condition) => {
                let Learned { health, question } = self.learn(question, &condition, None);
                let unfit = match health {
                    Health::Ready(role) if fits(role) => {
                        return Ok(HostConnection::new(conn, Place::new(self), question.stamp));
                    }
                    Health::Ready(role) => format!("it is a {role}"),
                    other => other.to_string(),
                };
                self.manager.close(conn);
                Err(Unusable::Unfit(unfit))
            }
            Err(error) => {
                self.manager.close(conn);
                Err(self.dial_failed(error))
            }
        }
    }

    fn dial_failed(&self, error: M::Error) -> Unusable<M::Error> {
        if !self.manager.is_shortage(&error) {
            self.suspect();
        }
        Unusable::Error(error)
    }

    /// Stores the server's answer, unless an answer to a newer question came before. `answer_time` is how
    /// long the watcher's question took.
    pub(crate) fn learn(
        &self,
        question: Question,
        condition: &Condition,
        answer_time: Option<Duration>,
    ) -> Learned {
        let health = match (self.foreign(condition), &condition.use_for) {
            (Some(problem), _) => Health::NotReady(problem),
            (None, Ok(role)) => Health::Ready(*role),
            (None, Err(reason)) => Health::NotReady(reason.to_string()),
        };
        self.change(question, health, Some(condition), |known| {
            known.server.clone_from(&condition.server);
            known.cluster.clone_from(&condition.cluster);
            if let Some(time) = answer_time {
                let smoothed = known.answer_time.map_or(time, |before| (before * 3 + time) / 4);
                known.answer_time = Some(smoothed);
            }
        })
    }

    /// Stores that the server did not answer, or refused the login.
    pub(crate) fn learn_down(&self, question: Question, error: &M::Error) {
        self.change(question, Health::Down(chain(error).to_string()), None, |_| ());
    }

    /// Returns a problem if the server belongs to another cluster than the other hosts.
    fn foreign(&self, condition: &Condition) -> Option<String> {
        let own = condition.cluster.as_ref()?;
        let (cluster, of) =
            self.common.cluster_of(own, &self.address, condition.use_for.is_ok())?;
        (own != cluster).then(|| format!("it belongs to the cluster {own}, but {of} to {cluster}"))
    }

    fn change(
        &self,
        question: Question,
        health: Health,
        condition: Option<&Condition>,
        also: impl FnOnce(&mut Known),
    ) -> Learned {
        let before = fork::hold_off(|| {
            let mut known = self.known.lock();
            let is_old = known.asked.is_some_and(|asked| asked > question.asked);
            if is_old || self.has_left(question.stamp, Wanted::Any) {
                return Err(known.health.clone());
            }
            known.asked = Some(question.asked);
            known.is_suspected = false;
            known.is_doubted = false;
            let (was_ready, is_ready) = (role(&known.health), role(&health));
            if was_ready != is_ready {
                known.since = Instant::now();
            }
            let has_moved = self.follows_name
                && condition.is_some_and(|it| it.server.is_some() && it.server != known.server)
                && known.server.is_some();
            if was_ready.is_some() && (is_ready.is_none() || has_moved) {
                self.left.fetch_add(1, Ordering::Release); // pairs with the Acquire in `stamp`
            }
            if was_ready == Some(Role::Writer) && is_ready != Some(Role::Writer) {
                self.demoted.fetch_add(1, Ordering::Release); // the same
            }
            if was_ready == Some(Role::Reader) && is_ready == Some(Role::Writer) {
                self.promoted.fetch_add(1, Ordering::Release); // the same
            }
            also(&mut known);
            let before = std::mem::replace(&mut known.health, health.clone());
            // This connection leads to the server that answered, so it counts from now on.
            Ok((before, has_moved, self.stamp()))
        });
        match before {
            Ok((before, has_moved, stamp)) => {
                self.common.add_news();
                self.log(&before, &health, has_moved);
                Learned { health, question: Question { stamp, ..question } }
            }
            Err(health) => Learned { health, question },
        }
    }

    /// Writes one line into the log for each change, and none for an answer that repeats the last one.
    fn log(&self, before: &Health, now: &Health, has_moved: bool) {
        if has_moved {
            log::info!("{}: another server answers under this name now", self.address);
        }
        match (before, now) {
            (Health::Unknown, Health::Ready(role)) => log::debug!("{}: {role}", self.address),
            (Health::Ready(a), Health::Ready(b)) if a == b => {}
            (_, Health::Ready(role)) => log::info!("{}: {role} (was {before})", self.address),
            (Health::NotReady(_), Health::NotReady(_)) | (Health::Down(_), Health::Down(_)) => {}
            (_, now) => log::warn!("{}: {now} (was {before})", self.address),
        }
    }
}

/// The role of a host that is ready.
pub(crate) const fn role(health: &Health) -> Option<Role> {
    match health {
        Health::Ready(role) => Some(*role),
        _ => None,
    }
}
