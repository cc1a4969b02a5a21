//! Several hosts as one view, which the pools of a process share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use threadwise_core::parts::{foreign, fork};

use crate::common::{self, Common};
use crate::error::HostsError;
use crate::host::{Health, Host, Known};
use crate::order::{Seen, Wanted};
use crate::watch::{self, Times};
use crate::{HostsManager, OneHost};

/// `Advice` stores a bit for each host in one word.
pub(crate) const MOST_HOSTS: usize = 64;

/// The index that means: no host is the current one.
const NONE: usize = usize::MAX;

/// Several hosts, and the condition of each. Make one `Hosts` in a program, and make the manager of each pool
/// from it: [`writer`](Self::writer), [`readers`](Self::readers) or [`any`](Self::any). These managers share
/// one view: if one pool finds a host down, the other pools know it, too.
///
/// While a pool uses one of these managers, each host has a watcher: a thread (`threadwise-host`) that asks
/// the host once a second for its condition, over a connection of its own. The server therefore has one more
/// session of this process than the limits of the pools.
///
/// [The crate's page](crate) has an example.
pub struct Hosts<M: OneHost> {
    view: Arc<View<M>>,
}

/// What all managers of the hosts share.
pub(crate) struct View<M: OneHost> {
    pub(crate) hosts: Vec<Arc<Host<M>>>,
    /// The addresses of all hosts, for messages.
    pub(crate) addresses: String,
    pub(crate) times: Times,
    pub(crate) common: Arc<Common>,
    /// How many managers exist whose pool is not closed.
    users: AtomicUsize,
    /// The current host of [`Order::InOrder`](crate::Order::InOrder), for each value of `Wanted`. It is here
    /// so that all pools of a view write to the same host.
    current: [AtomicUsize; Wanted::COUNT],
    /// This process is a forked child, and the hosts' managers do not know it yet.
    tells_of_fork: AtomicBool,
}

/// Builds [`Hosts`].
pub struct HostsBuilder<M> {
    managers: Vec<M>,
    times: Times,
}

/// The status of one host. [`Hosts::status`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostStatus {
    /// The address that the host's manager returns.
    pub address: String,
    /// The host's last answer, or that it did not answer.
    pub health: Health,
    /// For how long the host has had this role; or, if it is not ready, for how long it has had none.
    pub since: Duration,
    /// How many connections to the host the pools of this process have open.
    pub connections: usize,
    /// How long the host takes to answer its watcher: a moving average.
    pub answer_time: Option<Duration>,
}

impl fmt::Display for HostStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, {} connections", self.address, self.health, self.connections)
    }
}

impl<M: OneHost> Hosts<M> {
    /// Starts a builder from one manager for each host. The first host is the preferred one.
    pub fn builder(managers: impl IntoIterator<Item = M>) -> HostsBuilder<M> {
        let times = Times {
            every: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            log_in_every: None,
        };
        HostsBuilder { managers: managers.into_iter().collect(), times }
    }

    /// Returns a manager of connections to the host that accepts writes. If several hosts do, as in a Galera
    /// cluster, all writers of this `Hosts` use the same one.
    #[must_use]
    pub fn writer(&self) -> HostsManager<M> {
        HostsManager::new(Arc::clone(&self.view), Wanted::Writer)
    }

    /// Returns a manager of connections for reads. They lead to the hosts that are read-only, or to a writer
    /// if no read-only host can serve.
    #[must_use]
    pub fn readers(&self) -> HostsManager<M> {
        HostsManager::new(Arc::clone(&self.view), Wanted::Reader)
    }

    /// Returns a manager of connections to any host that is ready.
    #[must_use]
    pub fn any(&self) -> HostsManager<M> {
        HostsManager::new(Arc::clone(&self.view), Wanted::Any)
    }

    /// Returns the status of each host, in the order of the list. Asks no server.
    #[must_use]
    pub fn status(&self) -> Vec<HostStatus> {
        self.view.status()
    }

    /// Returns the managers of the hosts, in the order of the list, for example to change their credentials.
    pub fn managers(&self) -> impl Iterator<Item = &M> {
        self.view.hosts.iter().map(|host| &host.manager)
    }

    /// Asks all hosts at the same time, each on a thread of its own. Returns when each host has answered or
    /// its time is up.
    pub fn ask_now(&self) {
        self.view.ask_all();
    }
}

impl<M: OneHost> Clone for Hosts<M> {
    fn clone(&self) -> Self {
        Self { view: Arc::clone(&self.view) }
    }
}

impl<M: OneHost> fmt::Debug for Hosts<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl<M: OneHost> HostsBuilder<M> {
    /// Sets how often a watcher asks its host for its condition: every second unless set. If a connection to
    /// the host breaks or a dial fails, the watcher asks earlier.
    #[must_use]
    pub fn ask_every(mut self, every: Duration) -> Self {
        self.times.every = every.max(Duration::from_millis(1));
        self
    }

    /// Sets how long a watcher waits for a host's answer: two seconds unless set. A host that twice in a row
    /// does not answer within this time is down.
    ///
    /// If another host may serve instead, a dial waits for a host no longer than this. If a connection to the
    /// host has just broken, the dial waits for a quarter of a second, or for ten times the host's usual
    /// answer time if that is longer.
    #[must_use]
    pub fn ask_timeout(mut self, timeout: Duration) -> Self {
        self.times.timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Sets how often a watcher opens a new connection, to notice that a host's name leads to another server.
    /// The pools then close their connections to the earlier server. With `None`, the default, they keep
    /// them.
    ///
    /// Set it if a name moves, for example with the primary. Do not set it if a name leads to several
    /// servers in turn, as behind a proxy: each login would look like a move.
    ///
    /// It needs a manager that identifies the server
    /// ([`Condition::with_server`](crate::Condition::with_server)). MySQL's does, and PostgreSQL's does not.
    #[must_use]
    pub fn log_in_every(mut self, every: impl Into<Option<Duration>>) -> Self {
        self.times.log_in_every = every.into();
        self
    }

    /// Builds the view, and asks all hosts at the same time.
    ///
    /// # Errors
    ///
    /// The errors of [`build_lazy`](Self::build_lazy). Also if no host answers (with the error of each host),
    /// if two hosts lead to the same server, or if two hosts belong to different clusters.
    pub fn build(self) -> Result<Hosts<M>, HostsError> {
        let hosts = self.build_lazy()?;
        hosts.ask_now();
        hosts.view.check_answers()?;
        Ok(hosts)
    }

    /// Builds the view without asking a host.
    ///
    /// # Errors
    ///
    /// If the list is empty, has more than 64 hosts or has the same address twice.
    pub fn build_lazy(self) -> Result<Hosts<M>, HostsError> {
        let common = Arc::new(Common::new());
        let follows_name = self.times.log_in_every.is_some();
        let host = |(index, manager)| {
            Arc::new(Host::new(index, manager, follows_name, Arc::clone(&common)))
        };
        let hosts: Vec<_> = (0..).zip(self.managers).map(host).collect();
        match hosts.len() {
            0 => return Err(HostsError::Empty),
            1..=MOST_HOSTS => {}
            count => return Err(HostsError::TooMany(count)),
        }
        for (index, host) in hosts.iter().enumerate() {
            let same = |other: &&Arc<Host<M>>| other.address.eq_ignore_ascii_case(&host.address);
            if let Some(other) = hosts[..index].iter().find(same) {
                let (first, second) = (other.address.clone(), host.address.clone());
                return Err(HostsError::Same { first, second, server: None });
            }
        }
        let addresses: Vec<_> = hosts.iter().map(|host| &*host.address).collect();
        let view = View {
            addresses: addresses.join(", "),
            hosts,
            times: self.times,
            common,
            users: AtomicUsize::new(0),
            current: [const { AtomicUsize::new(NONE) }; Wanted::COUNT],
            tells_of_fork: AtomicBool::new(false),
        };
        Ok(Hosts { view: fork::watched(Arc::new(view)) })
    }
}

impl<M: OneHost> View<M> {
    /// Returns what `order` needs to choose a host.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = |host: &Arc<Host<M>>| {
            let Known { health, since, answer_time, is_suspected, is_doubted, .. } = host.known();
            let connections = host.connections();
            let since = since.elapsed();
            Seen { health, is_suspected, is_doubted, connections, answer_time, since }
        };
        self.hosts.iter().map(seen).collect()
    }

    fn status(&self) -> Vec<HostStatus> {
        let status = |host: &Arc<Host<M>>| {
            let known = host.known();
            HostStatus {
                address: host.address.clone(),
                health: known.health,
                since: known.since.elapsed(),
                connections: host.connections(),
                answer_time: known.answer_time,
            }
        };
        self.hosts.iter().map(status).collect()
    }

    fn ask_all(&self) {
        self.tell_of_fork();
        thread::scope(|scope| {
            for host in &self.hosts {
                let ask = move || {
                    let mut own = None;
                    // The panic hook has printed a panic of the manager.
                    let _ = foreign::call(|| watch::ask(host, &mut own, self.times));
                    let _ = foreign::call(|| watch::close(host, own));
                };
                let work = fork::apart_from_forks(ask);
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    ask(); // without a thread, one after the other
                }
            }
        });
    }

    /// Returns two hosts that belong to different clusters, if there are such hosts.
    fn foreign(&self) -> Option<((String, String), (String, String))> {
        let known = self.hosts.iter().map(|host| (host, host.known().cluster));
        let clusters: Vec<_> =
            known.filter_map(|(host, cluster)| Some((host.address.clone(), cluster?))).collect();
        let first = clusters.first()?;
        let other = clusters.iter().find(|other| other.1 != first.1)?;
        Some((first.clone(), other.clone()))
    }

    fn check_answers(&self) -> Result<(), HostsError> {
        if let Some((first, second)) = self.foreign() {
            return Err(HostsError::Foreign { first, second });
        }
        let known: Vec<_> = self.hosts.iter().map(|host| host.known()).collect();
        for (index, one) in known.iter().enumerate() {
            let same = |other: &Known| one.server.is_some() && other.server == one.server;
            if let Some(other) = known[..index].iter().position(same) {
                return Err(HostsError::Same {
                    first: self.hosts[other].address.clone(),
                    second: self.hosts[index].address.clone(),
                    server: one.server.clone(),
                });
            }
        }
        if known.iter().all(|known| matches!(known.health, Health::Down(_))) {
            let causes = self.hosts.iter().zip(known);
            let cause = |(host, known): (&Arc<Host<M>>, Known)| {
                (host.address.clone(), known.health.to_string())
            };
            return Err(HostsError::AllDown(causes.map(cause).collect()));
        }
        Ok(())
    }

    /// Returns the current host of `Order::InOrder`.
    pub(crate) fn current(&self, wanted: Wanted) -> Option<usize> {
        // Relaxed: a hint. A connection to another host retires when it is returned.
        Some(self.current[wanted as usize].load(Ordering::Relaxed)).filter(|&index| index != NONE)
    }

    pub(crate) fn set_current(&self, wanted: Wanted, index: usize) {
        let current = &self.current[wanted as usize]; // see `current` for the ordering
        if current.load(Ordering::Relaxed) != index
            && current.swap(index, Ordering::Relaxed) != index
        {
            self.common.add_news();
        }
    }

    /// Counts a manager that may need the watchers.
    pub(crate) fn add_user(&self) {
        self.users.fetch_add(1, Ordering::SeqCst); // see `follow_users`
    }

    /// Ends the watchers with the last manager in use.
    pub(crate) fn remove_user(&self) {
        self.users.fetch_sub(1, Ordering::SeqCst); // see `follow_users`
        self.follow_users();
    }

    /// Starts the watchers, if they are not at work. Each dial calls it.
    pub(crate) fn watch(&self) {
        self.follow_users();
        let epoch = self.common.watch_epoch();
        if common::is_watching(epoch) {
            self.hosts.iter().for_each(|host| watch::start_if_missing(host, epoch, self.times));
        }
    }

    /// Starts or ends the watchers, so that they run if and only if a manager is in use.
    ///
    /// SeqCst: a thread that changes `users` then looks at the epoch, and a thread that changes the epoch
    /// then looks at `users`. So the later of two threads sees what the earlier one did.
    fn follow_users(&self) {
        loop {
            let epoch = self.common.watch_epoch();
            let is_wanted = self.users.load(Ordering::SeqCst) > 0;
            if common::is_watching(epoch) == is_wanted {
                return;
            }
            match self.common.next_watch_epoch(epoch) {
                Some(epoch) if is_wanted => {
                    self.hosts.iter().for_each(|host| watch::start(host, epoch, self.times));
                }
                Some(_) => self.hosts.iter().for_each(|host| host.watch.wake()),
                None => {} // another thread was faster
            }
        }
    }

    /// Tells the hosts' managers once that this process is a forked child.
    pub(crate) fn tell_of_fork(&self) {
        // Relaxed: only the call that turns it off does what follows.
        if self.tells_of_fork.load(Ordering::Relaxed)
            && self.tells_of_fork.swap(false, Ordering::Relaxed)
        {
            self.hosts.iter().for_each(|host| host.manager.forked());
        }
    }
}

/// In a forked child no watcher runs. The next dial starts watchers.
impl<M: OneHost> fork::ForkAware for View<M> {
    fn forked(&self) {
        self.hosts.iter().for_each(|host| host.forked());
        self.common.forget_watchers();
        self.tells_of_fork.store(true, Ordering::Relaxed); // the child's only thread
    }
}

/// No manager and no `Hosts` exists any more, so no pool opens connections.
impl<M: OneHost> Drop for View<M> {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _ = foreign::call(|| host.manager.pool_closed());
        }
    }
}

/// Describes the last condition of a host, for messages about hosts that the dial did not try.
pub(crate) fn cause_of(seen: &Seen) -> String {
    format!("{} (for {:.1} s)", seen.health, seen.since.as_secs_f64())
}
