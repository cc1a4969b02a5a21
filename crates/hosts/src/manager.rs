//! The manager of several hosts, which a pool uses.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use threadwise_core::{ConnectionInfo, ManageConnection, Moment, Outcome};

use crate::connection::HostConnection;
use crate::error::NoHost;
use crate::host::{Host, Unusable};
use crate::hosts::{View, cause_of};
use crate::order::{self, Order, Seen, Wanted};
use crate::{OneHost, Role};

/// Opens connections to the hosts of [`Hosts`](crate::Hosts). Give it to any pool.
///
/// | method | what it does |
/// |---|---|
/// | `connect_within` | opens a connection to the best host and asks the host for its condition. If the host cannot serve, tries the next one. Each host gets an equal part of the time that is left |
/// | `has_broken_at` | is also true if the host is down or not ready, if a writer has become read-only, or if a reader has become a writer |
/// | `should_retire` | is also true if the connection should go to another host; see [`fail_back`](Self::fail_back) |
/// | `on_error` | calls a refusal a lost connection, so that `steady` runs the work again on another host |
/// | `group` | returns the host's number, so that a pool suspects only connections to the same host |
/// | `info`, `address` | add the address of the host; return the addresses of all hosts |
/// | `set_pool_name` | does nothing: give the name to the manager of each host |
/// | most others | call the manager of the connection's host |
pub struct HostsManager<M: OneHost> {
    view: Arc<View<M>>,
    wanted: Wanted,
    order: Order,
    fail_back: Option<Duration>,
    /// Rises with each dial, for [`Order::RoundRobin`].
    turn: AtomicUsize,
    advice: Advice,
    is_closed: AtomicBool,
}

impl<M: OneHost> HostsManager<M> {
    pub(crate) fn new(view: Arc<View<M>>, wanted: Wanted) -> Self {
        view.add_user();
        let order = if wanted == Wanted::Reader { Order::LeastConnections } else { Order::InOrder };
        Self {
            view,
            wanted,
            order,
            fail_back: None,
            turn: AtomicUsize::new(0),
            advice: Advice::new(),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Sets the order in which a dial tries the hosts. Unless set, it is [`Order::LeastConnections`] for
    /// readers and [`Order::InOrder`] for the others.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Sets whether connections move back to a better host: an earlier one in the list, a nearer one, or one
    /// with fewer connections, as the [`order`](Self::order) says. The better host must first have been ready
    /// for `steady_for`. Connections then move one by one, when a borrower returns them and no transaction is
    /// open. Readers also move from a writer to a reader. With `None`, the default, connections never move
    /// back.
    ///
    /// Set it in a cluster in which every node accepts writes. After a host has recovered, all processes then
    /// use the same writer again.
    #[must_use]
    pub fn fail_back(mut self, steady_for: impl Into<Option<Duration>>) -> Self {
        self.fail_back = steady_for.into();
        self
    }

    /// Describes the hosts in a text with a line for each: its health, and how many connections lead to it.
    #[must_use]
    pub fn explain(&self) -> String {
        let lines = self.view.hosts.iter().zip(self.view.seen()).map(|(host, seen)| {
            let is_current = self.current() == Some(host.index) && self.order == Order::InOrder;
            let mark = if is_current { " (current)" } else { "" };
            format!("{}: {}, {} connections{mark}", host.address, cause_of(&seen), seen.connections)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn current(&self) -> Option<usize> {
        self.view.current(self.wanted)
    }

    /// Opens a connection to the best host that can be used.
    fn open(&self, limit: Option<Duration>) -> Result<HostConnection<M>, M::Error> {
        self.view.watch();
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let seen = self.view.seen();
        let current = order::preferred(self.wanted, &seen, self.current(), self.fail_back);
        // Relaxed: it only spreads the dials.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let found = order::candidates(self.order, self.wanted, &seen, current, turn);
        let mut failures = Failures::new(self.view.hosts.len());
        for (tried, &index) in found.usable.iter().enumerate() {
            let limit = self.share(until, found.usable.len() - tried, &seen[index]);
            if let Some(conn) = self.try_host(index, limit, &mut failures) {
                return Ok(conn);
            }
        }
        // The last conditions of the others may be old, so try them. Only one thread at a time tries each.
        for (tried, &index) in found.others.iter().enumerate() {
            let limit = self.share(until, found.others.len() - tried, &seen[index]);
            let probe = || self.try_host(index, limit, &mut failures);
            if let Some(Some(conn)) = self.view.hosts[index].as_only_prober(probe) {
                return Ok(conn);
            }
        }
        let causes = seen.iter().map(cause_of).collect();
        Err(failures.into_error(&self.view, self.wanted, causes))
    }

    fn try_host(
        &self,
        index: usize,
        limit: Option<Duration>,
        failures: &mut Failures<M::Error>,
    ) -> Option<HostConnection<M>> {
        if limit.is_some_and(|limit| limit.is_zero()) {
            failures.note(index, Unusable::Unfit("no time was left for it".to_owned()));
            return None;
        }
        let fits = |role: Role| self.wanted.fits(role);
        match self.view.hosts[index].open(fits, limit, self.view.times.timeout) {
            Ok(conn) => {
                self.note_opened(index);
                Some(conn)
            }
            Err(problem) => {
                failures.note(index, problem);
                None
            }
        }
    }

    /// Returns how long the first of `count` hosts may take: an equal part of the time that is left. If
    /// another host comes after it, it gets at most the time that its watcher waits for it, or less if it is
    /// doubted.
    fn share(&self, until: Option<Instant>, count: usize, host: &Seen) -> Option<Duration> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let part = left.map(|left| left / u32::try_from(count).unwrap_or(u32::MAX).max(1));
        let most = (count > 1).then(|| host.patience(self.view.times.timeout));
        part.into_iter().chain(most).min()
    }

    /// Makes this host the current one if no current host can be used.
    fn note_opened(&self, index: usize) {
        let seen = self.view.seen();
        let preferred = order::preferred(self.wanted, &seen, self.current(), self.fail_back);
        self.view.set_current(self.wanted, preferred.unwrap_or(index));
    }

    /// Whether a connection to this host should move to another host. Costs three loads while no host has
    /// answered.
    fn is_elsewhere(&self, host: &Host<M>) -> bool {
        if self.view.hosts.len() == 1 {
            return false;
        }
        let news = self.view.common.news();
        match self.advice.of(host.index, news) {
            Some(false) => false,
            // How many connections a host should give away changes with each.
            Some(true) | None => self.hosts_to_leave(news).contains(&host.index),
        }
    }

    fn hosts_to_leave(&self, news: u64) -> Vec<usize> {
        let seen = self.view.seen();
        let preferred = order::preferred(self.wanted, &seen, self.current(), self.fail_back);
        if let Some(preferred) = preferred {
            self.view.set_current(self.wanted, preferred);
        }
        let left = order::to_leave(self.order, self.wanted, &seen, preferred, self.fail_back);
        self.advice.set(&left, news);
        left
    }

    /// Returns any manager, for questions whose answer does not depend on the host.
    fn any_manager(&self) -> &M {
        &self.view.hosts[0].manager
    }

    /// Ends the watchers, if no other pool uses these hosts.
    fn stop_using(&self) {
        // Relaxed: only the call that turns it on does what follows.
        if !self.is_closed.swap(true, Ordering::Relaxed) {
            self.view.remove_user();
        }
    }
}

impl<M: OneHost> Drop for HostsManager<M> {
    fn drop(&mut self) {
        self.stop_using();
    }
}

/// The last decision from which hosts connections should retire. Two threads may decide at the same time.
/// Either decision is right.
struct Advice {
    /// The value of `Common::news` at that decision. 0 means that there was none.
    news: AtomicU64,
    /// A bit for each host.
    left: AtomicU64,
}

impl Advice {
    const fn new() -> Self {
        Self { news: AtomicU64::new(0), left: AtomicU64::new(0) }
    }

    /// Whether connections to this host should retire. `None` if a host has answered since that decision.
    fn of(&self, host: usize, news: u64) -> Option<bool> {
        // Acquire: pairs with the Release in `set`, so that the bits are those of this number or newer.
        (self.news.load(Ordering::Acquire) == news)
            .then(|| self.left.load(Ordering::Relaxed) >> host & 1 == 1)
    }

    fn set(&self, left: &[usize], news: u64) {
        let bits = left.iter().fold(0, |bits, host| bits | 1 << host);
        self.left.store(bits, Ordering::Relaxed); // see below
        self.news.store(news, Ordering::Release); // pairs with the Acquire in `of`
    }
}

/// What went wrong at each host.
struct Failures<E> {
    of_hosts: Vec<Option<Unusable<E>>>,
}

impl<E> Failures<E> {
    fn new(hosts: usize) -> Self {
        Self { of_hosts: (0..hosts).map(|_| None).collect() }
    }

    fn note(&mut self, index: usize, problem: Unusable<E>) {
        self.of_hosts[index] = Some(problem);
    }
}

impl<E: Error + Send + Sync + 'static> Failures<E> {
    /// Makes one error from those of all hosts. Returns a shortage of this process unchanged, and a permanent
    /// error if each host has one.
    fn into_error<M>(self, view: &View<M>, wanted: Wanted, known: Vec<String>) -> E
    where
        M: OneHost<Error = E>,
    {
        let manager = &view.hosts[0].manager;
        let is_own = |problem: &Option<Unusable<E>>| matches!(problem, Some(Unusable::Error(error)) if manager.is_shortage(error));
        let is_permanent = |problem: &Option<Unusable<E>>| matches!(problem, Some(Unusable::Error(error)) if manager.is_permanent(error));
        let passes_on = match self.of_hosts.iter().position(is_own) {
            Some(index) => Some(index),
            None => self.of_hosts.iter().all(is_permanent).then_some(0),
        };
        let mut of_hosts = self.of_hosts;
        if let Some(index) = passes_on
            && let Some(Unusable::Error(error)) = of_hosts[index].take()
        {
            return error;
        }
        let cause = |(problem, known): (Option<Unusable<E>>, String)| match problem {
            Some(Unusable::Error(error)) => threadwise_core::chain(&error).to_string(),
            Some(Unusable::Unfit(reason)) => reason,
            None => known,
        };
        let addresses = view.hosts.iter().map(|host| host.address.clone());
        let causes = addresses.zip(of_hosts.into_iter().zip(known).map(cause)).collect();
        M::no_host(NoHost::new(wanted.missing(), causes))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<M: OneHost> ManageConnection for HostsManager<M> {
    type Connection = HostConnection<M>;
    type Error = M::Error;

    fn connect(&self) -> Result<HostConnection<M>, M::Error> {
        self.open(None)
    }

    /// The hosts share `limit`.
    fn connect_within(&self, limit: Duration) -> Result<HostConnection<M>, M::Error> {
        self.open(Some(limit))
    }

    fn is_valid(&self, conn: &mut HostConnection<M>) -> Result<(), M::Error> {
        conn.place.manager.is_valid(&mut conn.conn)
    }

    fn is_valid_within(
        &self,
        conn: &mut HostConnection<M>,
        limit: Duration,
    ) -> Result<(), M::Error> {
        conn.place.manager.is_valid_within(&mut conn.conn, limit)
    }

    fn is_valid_patient(
        &self,
        conn: &mut HostConnection<M>,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), M::Error>> {
        conn.place.manager.is_valid_patient(&mut conn.conn, patience, limit)
    }

    fn has_broken(&self, conn: &mut HostConnection<M>) -> bool {
        self.has_broken_at(conn, Moment::Checkout)
    }

    /// Also true if the host is down or not ready, or no longer has the role for which it was chosen. The
    /// pool then closes each connection to the host at its next check. A borrowed connection stays open until
    /// its return.
    ///
    /// If the connection is broken, wakes the watcher to ask the host at once.
    fn has_broken_at(&self, conn: &mut HostConnection<M>, moment: Moment) -> bool {
        if conn.is_refused || conn.place.has_left(conn.stamp, self.wanted) {
            return true;
        }
        let is_broken = conn.place.manager.has_broken_at(&mut conn.conn, moment);
        if is_broken {
            conn.report();
        }
        is_broken
    }

    fn quick_check(&self, conn: &mut HostConnection<M>) -> Result<(), M::Error> {
        conn.place.manager.quick_check(&mut conn.conn)
    }

    fn quick_check_after(&self) -> Option<Duration> {
        self.view.hosts.iter().filter_map(|host| host.manager.quick_check_after()).min()
    }

    fn last_answer(&self, conn: &HostConnection<M>) -> Option<Instant> {
        conn.place.manager.last_answer(&conn.conn)
    }

    fn reset(&self, conn: &mut HostConnection<M>) -> Result<(), M::Error> {
        conn.place.manager.reset(&mut conn.conn)
    }

    fn reset_within(&self, conn: &mut HostConnection<M>, limit: Duration) -> Result<(), M::Error> {
        conn.place.manager.reset_within(&mut conn.conn, limit)
    }

    fn begin_session(&self, conn: &mut HostConnection<M>) {
        conn.place.manager.begin_session(&mut conn.conn);
    }

    fn has_changed(&self, conn: &mut HostConnection<M>) -> bool {
        conn.place.manager.has_changed(&mut conn.conn)
    }

    fn in_transaction(&self, conn: &mut HostConnection<M>) -> bool {
        conn.place.manager.in_transaction(&mut conn.conn)
    }

    fn in_transaction_shared(&self, conn: &HostConnection<M>) -> bool {
        conn.place.manager.in_transaction_shared(&conn.conn)
    }

    /// Also true if the connection should move to another host; see [`fail_back`](HostsManager::fail_back).
    fn should_retire(&self, conn: &mut HostConnection<M>) -> bool {
        conn.place.manager.should_retire(&mut conn.conn) || self.is_elsewhere(&conn.place)
    }

    fn group(&self, conn: &HostConnection<M>) -> u64 {
        conn.place.index as u64
    }

    fn info<'c>(&'c self, conn: &'c HostConnection<M>) -> ConnectionInfo<'c> {
        conn.place.manager.info(&conn.conn).with_host(conn.host())
    }

    fn is_lost(&self, error: &M::Error) -> bool {
        self.any_manager().is_lost(error)
    }

    /// Asks the host's own manager. If the host refused the work, it has done none of it. The connection then
    /// counts as lost, so that the work may run again on another host.
    fn on_error(&self, conn: &mut HostConnection<M>, error: &M::Error) -> Outcome {
        let mut outcome = conn.place.manager.on_error(&mut conn.conn, error);
        if outcome == Outcome::Failed {
            let refusal = conn.place.manager.refusal(&mut conn.conn, error);
            if refusal.is_some_and(|refusal| self.wanted.needs_another(refusal)) {
                conn.is_refused = true;
                outcome = Outcome::Lost;
            }
        }
        if outcome != Outcome::Failed {
            conn.report();
        }
        outcome
    }

    fn is_permanent(&self, error: &M::Error) -> bool {
        self.any_manager().is_permanent(error)
    }

    fn is_shortage(&self, error: &M::Error) -> bool {
        self.any_manager().is_shortage(error)
    }

    fn not_reconnected(&self, error: M::Error, cause: &(dyn Error + 'static)) -> M::Error {
        self.any_manager().not_reconnected(error, cause)
    }

    /// Returns the addresses of all hosts, with commas between them.
    fn address(&self) -> Option<Cow<'_, str>> {
        Some((&*self.view.addresses).into())
    }

    fn forget_in_child(&self, conn: HostConnection<M>) {
        let HostConnection { conn, place, .. } = conn;
        place.manager.forget_in_child(conn);
    }

    /// Ends the watchers if this is the last pool that uses these hosts. The managers of the hosts are told
    /// only when [`Hosts`](crate::Hosts) is dropped, too, because it can make a manager for another pool.
    fn pool_closed(&self) {
        self.stop_using();
    }

    /// The child's next dial starts watchers of its own.
    fn forked(&self) {
        self.view.tell_of_fork();
    }

    /// Does nothing, because several pools can share the managers of the hosts. Give the name to each of
    /// them.
    fn set_pool_name(&mut self, _: &str) {}

    fn close(&self, conn: HostConnection<M>) {
        let HostConnection { conn, place, .. } = conn;
        place.manager.close(conn);
    }
}

impl<M: OneHost> fmt::Debug for HostsManager<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostsManager")
            .field("hosts", &self.view.addresses)
            .field("wanted", &self.wanted)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}
