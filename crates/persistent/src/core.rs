//! The calling thread's connection: found, checked, opened, given back or closed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use threadwise_core::fork::{AfterFork, ChildPool};
use threadwise_core::{GetError, Lifecycle, ManageConnection, Patience, State, Unchecked};

use crate::cache_line::CacheLine;
use crate::exit::PoolKey;
use crate::flags::Flags;
use crate::guard::PooledConnection;
use crate::place::ThreadSlot;
use crate::registry::Registry;
use crate::search::{Check, Search};
use crate::settings::Settings;
use crate::slot::{self, Found};

/// What the handles, the guards and the ends of threads share. Each use reads `key`, `flags` and
/// `lifecycle`; what threads write to as they come and go has cache lines of its own. (The counts of the
/// `Arc` around it have one as well, since this is aligned to one.)
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) key: PoolKey,
    pub(crate) flags: Flags,
    pub(crate) lifecycle: Lifecycle<M>,
    pub(crate) settings: Settings,
    pub(crate) registry: CacheLine<Registry<ThreadSlot<M>>>,
    /// For [`State`] only, hence `Relaxed`.
    pub(crate) counts: CacheLine<Counts>,
    /// The pool that a forked child has in place of this one.
    pub(crate) child_pool: ChildPool<Self>,
    pub(crate) handles: CacheLine<AtomicUsize>,
    pub(crate) me: Weak<Self>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connecting: AtomicUsize,
    pub(crate) overflow: AtomicUsize,
    /// Of slots that have left.
    pub(crate) gets: AtomicU64,
    pub(crate) resets: AtomicU64,
}

/// A connection, and what the limits ask about it.
pub(crate) struct Held<C> {
    pub(crate) conn: C,
    /// When it was opened, and when it was given back or lent last. Kept up only where uses are
    /// watched.
    pub(crate) opened: Instant,
    pub(crate) since: Instant,
    /// When it was opened or validated last, by the system's clock.
    pub(crate) alive: Option<Instant>,
    pub(crate) uses: u64,
}

impl<C> Held<C> {
    pub(crate) fn new(conn: C, now: Instant) -> Self {
        Self { conn, opened: now, since: now, alive: Some(Instant::now()), uses: 0 }
    }
}

pub(crate) type Lent<'p, M> = slot::Lent<'p, Held<<M as ManageConnection>::Connection>>;
pub(crate) type Own<'p, M> = slot::Own<'p, Held<<M as ManageConnection>::Connection>>;
pub(crate) type Vacant<'p, M> = slot::Vacant<'p, Held<<M as ManageConnection>::Connection>>;
pub(crate) type Shared<'p, M> = slot::Shared<'p, Held<<M as ManageConnection>::Connection>>;

/// What the slow paths return, in two registers: a result that had to be put together in memory would
/// cost as much as all the rest of the fast path.
pub(crate) type Got<'p, M> = std::result::Result<Lent<'p, M>, Box<Otherwise<'p, M>>>;

/// What else a `get` may come to.
pub(crate) enum Otherwise<'p, M: ManageConnection> {
    Failed(GetError<M::Error>),
    /// Not a connection of this thread's and this pool's.
    Guard(PooledConnection<'p, M>),
}

pub(crate) fn failed<M: ManageConnection>(error: GetError<M::Error>) -> Got<'static, M> {
    Err(Box::new(Otherwise::Failed(error)))
}

pub(crate) type Result<'p, M> =
    std::result::Result<PooledConnection<'p, M>, GetError<<M as ManageConnection>::Error>>;

impl<M: ManageConnection> Core<M> {
    pub(crate) fn new(lifecycle: Lifecycle<M>, settings: Settings) -> Arc<Self> {
        Arc::new_cyclic(|me: &Weak<Self>| Self {
            key: PoolKey::new(),
            flags: Flags::new(settings.watches_uses),
            lifecycle,
            registry: CacheLine::new(Registry::new(settings.max_threads)),
            settings,
            counts: CacheLine::default(),
            child_pool: ChildPool::new(),
            handles: CacheLine::new(AtomicUsize::new(1)),
            me: me.clone(),
        })
    }

    /// The fast path: this thread's connection is in its slot, and nothing is asked for besides.
    /// What else may be is dealt with out of line. `patience` is asked only where it matters.
    #[inline(always)] // its result would go through memory
    pub(crate) fn get(&self, patience: impl FnOnce() -> Patience) -> Result<'_, M> {
        let got = match self.find() {
            Some(own) => match own.borrow(&self.flags) {
                Found::Lent(mut lent) => {
                    match self.lifecycle.free_check_out(&mut lent.content_mut().conn) {
                        Ok(()) => {
                            lent.count_get();
                            Ok(lent)
                        }
                        Err(unchecked) => self.get_despite(unchecked, lent, patience()),
                    }
                }
                other => self.get_slowly(other, patience()),
            },
            None => self.get_anew(patience()),
        };
        match got {
            Ok(lent) => Ok(PooledConnection::new(self, lent)),
            Err(otherwise) => match *otherwise {
                Otherwise::Failed(error) => Err(error),
                Otherwise::Guard(guard) => Ok(guard),
            },
        }
    }

    /// This thread used other pools since, or never this one.
    #[cold]
    #[inline(never)]
    fn get_anew(&self, patience: Patience) -> Got<'_, M> {
        if self.flags.is_forked() {
            return self.get_in_child(patience);
        }
        if self.flags.is_closed() {
            return failed(GetError::Closed);
        }
        let Some(own) = self.find_or_make() else { return failed(GetError::ThreadEnding) };
        self.get_slowly(own.borrow(&self.flags), patience)
    }

    #[cold]
    #[inline(never)]
    fn get_slowly<'p>(
        &'p self,
        found: Found<'p, Held<M::Connection>>,
        patience: Patience,
    ) -> Got<'p, M> {
        if self.flags.is_forked() {
            return self.get_in_child(patience); // what was found is the parent's
        }
        let lent = match found {
            Found::Lent(lent) => lent,
            Found::Disturbed(disturbed) => match disturbed.settle(&self.flags) {
                Ok(lent) => lent,
                Err(own) => {
                    self.close_idle(own);
                    return failed(GetError::Closed);
                }
            },
            Found::Nothing(vacant) => return self.enter_and_open(vacant, Search::begin(patience)),
            Found::Borrowed => return self.get_overflow(Search::begin(patience)),
        };
        self.search(lent, Check::All, Search::begin(patience))
    }

    /// The free check was not enough.
    #[cold]
    #[inline(never)]
    fn get_despite<'p>(
        &'p self,
        unchecked: Unchecked,
        lent: Lent<'p, M>,
        patience: Patience,
    ) -> Got<'p, M> {
        self.search(lent, Check::Settle(unchecked), Search::begin(patience))
    }

    /// What the pool that stands for this one in a forked child has.
    fn get_in_child(&self, patience: Patience) -> Got<'_, M> {
        match self.child_pool().get(|| patience) {
            Ok(guard) => Err(Box::new(Otherwise::Guard(guard))),
            Err(error) => failed(error),
        }
    }

    /// How many connections are open, of all threads together. The number may lag behind.
    pub(crate) fn open_connections(&self) -> usize {
        let exist = self.registry.entries() + self.counts.overflow.load(Ordering::Relaxed);
        exist.saturating_sub(self.counts.connecting.load(Ordering::Relaxed))
    }

    pub(crate) fn state(&self) -> State {
        let (mut entries, mut idle) = (0, 0);
        let (mut gets, mut resets) = (0, 0);
        let waiting = self.registry.visit(|slots| {
            // Here, where none leaves: its counts would be missed, or counted twice.
            gets = self.counts.gets.load(Ordering::Relaxed);
            resets = self.counts.resets.load(Ordering::Relaxed);
            for slot in slots {
                entries += 1;
                idle += usize::from(slot.slot.is_idle());
                let counts = slot.slot.counts();
                (gets, resets) = (gets + counts.0, resets + counts.1);
            }
        });
        let overflow = self.counts.overflow.load(Ordering::Relaxed);
        let exist = entries + overflow;
        let connecting = self.counts.connecting.load(Ordering::Relaxed).min(exist);
        let mut state = self.lifecycle.state();
        state.max_size =
            self.settings.max_threads.map(|max| max.saturating_add(self.settings.max_overflow));
        state.open = exist - connecting;
        state.connecting = connecting;
        state.idle = idle;
        state.borrowed = state.open.saturating_sub(idle);
        state.waiting = waiting;
        state.closed = self.flags.is_closed();
        state.counters.gets = gets;
        state.counters.resets += resets;
        state
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::mem::{align_of, offset_of};

    use threadwise_testkit::FakeManager;

    use super::*;

    #[test]
    fn what_each_use_reads_shares_no_cache_line_with_what_other_threads_write() {
        type Fake = Core<FakeManager>;
        const LINE: usize = 128;
        let line = |offset: usize| offset / LINE;
        let read = [offset_of!(Fake, key), offset_of!(Fake, flags)].map(line);
        let written =
            [offset_of!(Fake, handles), offset_of!(Fake, counts), offset_of!(Fake, registry)];
        assert!(written.iter().all(|offset| offset % LINE == 0 && !read.contains(&line(*offset))));
        assert_eq!(align_of::<Fake>(), LINE, "nor with the counts of the `Arc` around it");
        assert_eq!(align_of::<ThreadSlot<FakeManager>>(), LINE, "nor with another thread's slot");
    }
}
