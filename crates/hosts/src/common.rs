//! What the hosts of one view and their watchers share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use threadwise_core::parts::fork;

/// What the hosts of one view share.
pub(crate) struct Common {
    /// Rises with each answer of a host, and when a manager turns to another host.
    news: AtomicU64,
    /// Odd while watchers run. A watcher that was started under another number ends.
    watch_epoch: AtomicU64,
    /// The cluster of the first host that was ready, and the address of that host.
    cluster: OnceLock<(String, String)>,
}

impl Common {
    pub(crate) const fn new() -> Self {
        Self { news: AtomicU64::new(1), watch_epoch: AtomicU64::new(0), cluster: OnceLock::new() }
    }

    pub(crate) fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire) // pairs with the Release in `add_news`
    }

    pub(crate) fn add_news(&self) {
        self.news.fetch_add(1, Ordering::Release); // pairs with the Acquire in `news`
    }

    pub(crate) fn watch_epoch(&self) -> u64 {
        // SeqCst, as all accesses: see `View::follow_users`.
        self.watch_epoch.load(Ordering::SeqCst)
    }

    /// Begins the next epoch, if `current` is still the current one. Returns the new epoch.
    pub(crate) fn next_watch_epoch(&self, current: u64) -> Option<u64> {
        let next = current + 1;
        let order = Ordering::SeqCst; // see `watch_epoch`
        self.watch_epoch.compare_exchange(current, next, order, order).is_ok().then_some(next)
    }

    /// Begins an epoch without watchers, in a forked child: none of the parent's threads runs there.
    pub(crate) fn forget_watchers(&self) {
        // SeqCst: see `watch_epoch`. The child has one thread only.
        self.watch_epoch
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |epoch| Some((epoch | 1) + 1))
            .ok();
    }

    /// Returns the cluster of these hosts, and the address of the host that named it. The first host that
    /// is `ready` decides which cluster that is.
    pub(crate) fn cluster_of(
        &self,
        cluster: &str,
        address: &str,
        ready: bool,
    ) -> Option<&(String, String)> {
        if self.cluster.get().is_none() && ready {
            // A child that is forked meanwhile would wait for the thread that sets it.
            fork::hold_off(|| {
                self.cluster.get_or_init(|| (cluster.to_owned(), address.to_owned()));
            });
        }
        self.cluster.get()
    }
}

/// Whether watchers run in this epoch.
pub(crate) const fn is_watching(epoch: u64) -> bool {
    epoch % 2 == 1
}
