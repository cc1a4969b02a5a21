//! `share()`: several threads use one connection at the same time, by shared reference.
//!
//! The rules are DBUtils': as long as fewer than `max_sharing` connections are shared, whoever
//! wants to share gets one more, if the limit allows; then the one with the fewest holders, of
//! those that nobody has a transaction open on; and if there is none, waits for a transaction to
//! end or a connection to come free. What is shared counts against the pool's limit as one
//! borrowed connection, since it is one: it was borrowed like any other and is given back by its
//! last holder. A thread that has waited for `fair_after` for a connection of its own comes before
//! those who want to join one.

pub(crate) mod table;

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use threadwise_core::fork::AfterFork;
use threadwise_core::{CloseReason, GetError, ManageConnection, Patience, foreign};

use crate::holders::{FIRST, Part};
use crate::pool::{Core, Search, SharedPool};
use table::{Ended, Locked};
use crate::slot::Share;

/// How often a thread that waits looks for what nobody tells it: that a transaction has ended which
/// was begun by a statement, and not by [`SharedConnection::transaction`], or that somebody has
/// given back a connection of their own.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Where one more connection may come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    IfIdle,
    ByDial,
}

type Failed<M> = GetError<<M as ManageConnection>::Error>;

impl<M: ManageConnection> SharedPool<M> {
    /// Borrows a connection together with others, waiting up to the `get_timeout` setting. For
    /// connections that are used by shared reference; what their holders do is not kept apart, so
    /// a transaction should be declared by [`SharedConnection::transaction`].
    ///
    /// Takes a short lock, unlike [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); without `max_sharing`, [`GetError::NotShared`].
    ///
    /// ```compile_fail,E0277
    /// # use threadwise_shared::{ManageConnection, SharedPool};
    /// fn share<M: ManageConnection<Connection = std::cell::Cell<u32>>>(pool: &SharedPool<M>) {
    ///     let _ = pool.share(); // a `Cell` is not `Sync`
    /// }
    /// ```
    pub fn share(&self) -> Result<SharedConnection<'_, M>, Failed<M>>
    where
        M::Connection: Sync,
    {
        let core = self.core();
        core.share(core.settings.get_timeout)
    }

    /// As [`share`](Self::share), waiting up to `timeout`; zero does not wait.
    ///
    /// # Errors
    ///
    /// As [`share`](Self::share).
    pub fn share_timeout(&self, timeout: Duration) -> Result<SharedConnection<'_, M>, Failed<M>>
    where
        M::Connection: Sync,
    {
        self.core().share(Patience::new(Some(timeout)))
    }
}

impl<M: ManageConnection> Core<M>
where
    M::Connection: Sync,
{
    fn share(&self, patience: Patience) -> Result<SharedConnection<'_, M>, Failed<M>> {
        if self.sharing.max_sharing == 0 {
            return Err(GetError::NotShared);
        }
        let deadline = patience.work_deadline(self.settings.clock);
        let at_once = !patience.waits();
        // Those that the manager says are in a transaction, though nobody declared one.
        let mut in_transaction = HashSet::new();
        let mut may_add = true;
        loop {
            let mut table = self.sharing.lock();
            if table.closed {
                return Err(GetError::Closed);
            }
            if table.has_room(self.sharing.max_sharing) {
                // Where there is none to join, one thread waits for one; those who come meanwhile
                // wait for that. Where there is, one more is waited for only as long as it can be
                // had without waiting for its user.
                if table.is_empty() && !table.is_one_coming() {
                    let search = Search::new(deadline, at_once);
                    return self.add_shared(table, search).map_err(|error| self.failed(error));
                }
                if !table.is_empty()
                    && may_add
                    && let Some(room) = self.room()
                {
                    may_add = false; // whatever becomes of it, there may be one to join by then
                    let at_once = at_once || room == Room::IfIdle;
                    let search = Search::new(deadline.at_most(LOOK_AGAIN), at_once);
                    match self.add_shared(table, search.leaving_questions()) {
                        Err(error @ GetError::Closed) => return Err(self.failed(error)),
                        Err(_) => continue,
                        added => return added,
                    }
                }
            }
            // Those who have waited for long for a connection of their own come first: else one
            // that always has a holder would never come back.
            let slots = &self.exchange.slots;
            let may_join = !self.exchange.has_due_waiter(|| self.settings.clock.now());
            let has_surplus = || self.exchange.line.lock().surplus() > 0;
            let joined =
                may_join.then(|| table.join_least_shared(slots, &in_transaction, has_surplus));
            if let Some(share) = joined.flatten() {
                drop(table);
                let part = self.holder_joined(share.index());
                let joined = SharedConnection { core: self, share: Some(share), part };
                if !joined.is_in_transaction() {
                    return Ok(joined);
                }
                in_transaction.insert(joined.share().index());
                continue; // and leave it
            }
            if at_once || deadline.has_passed() {
                drop(table);
                let search = Search::new(deadline, at_once);
                return Err(match at_once {
                    true => self.exhausted(&search),
                    false => self.failed(self.timed_out(&search)),
                });
            }
            let until = deadline.at_most(LOOK_AGAIN).instant();
            drop(self.settings.clock.wait_until(&self.sharing.changed, table, until));
            in_transaction.clear();
            may_add = true;
        }
    }

    /// Whether one more connection can be had without waiting for its user, as far as can be seen.
    fn room(&self) -> Option<Room> {
        let line = self.exchange.line.lock();
        if self.exchange.slots.any_idle() || line.last_error().is_some() {
            Some(Room::IfIdle) // one is idle, or the server refused the last one that was asked for
        } else {
            (line.open < line.limits.max_size).then_some(Room::ByDial)
        }
    }

    /// Borrows a connection as `get` does, and makes it one that others may join.
    fn add_shared<'p>(
        &'p self,
        mut table: Locked<'_, M::Connection>,
        search: Search,
    ) -> Result<SharedConnection<'p, M>, Failed<M>> {
        table.announce();
        drop(table);
        let got = self.get_by(search);
        let mut table = self.sharing.lock();
        let added = match got {
            Ok(owned) => {
                let share = Some(table.add(owned));
                Ok(SharedConnection { core: self, share, part: FIRST })
            }
            Err(error) => {
                table.withdraw();
                Err(*error)
            }
        };
        drop(table);
        self.sharing.changed.notify_all(); // there is one to join, or room for another to try
        added
    }
}

impl<M: ManageConnection> Core<M> {
    /// A holder is done. The last one gives the connection back.
    fn leave_shared(
        &self,
        share: Share<'_, M::Connection>,
        part: Part,
        spoilt: Option<CloseReason>,
    ) {
        if self.is_forked() {
            return; // others may hold it still: it stays where it is
        }
        self.holder_left(share.index(), part); // before the connection can be another's
        let panicked = std::thread::panicking().then_some(CloseReason::Panicked);
        if let Some(Ended { handed, spoilt }) = self.sharing.leave(share, spoilt.or(panicked)) {
            let owned = self.exchange.slots.accept(handed);
            match spoilt {
                Some(reason) => self.give_up(owned, reason),
                None => self.give_back(owned),
            }
        }
        self.sharing.changed.notify_all();
    }
}

/// A connection that other threads may be using at the same time; dropping it leaves it to them,
/// or gives it back.
pub struct SharedConnection<'p, M: ManageConnection> {
    core: &'p Core<M>,
    share: Option<Share<'p, M::Connection>>, // `None` only once the guard has ended
    part: Part,
}

const HELD: &str = "a guard holds its connection until it ends";

impl<'p, M: ManageConnection> SharedConnection<'p, M> {
    fn share(&self) -> &Share<'p, M::Connection> {
        self.share.as_ref().expect(HELD)
    }

    /// Leaves a connection that ought not to be used any more: nobody else joins it, and its last
    /// holder closes it.
    pub fn discard(mut self) {
        if let Some(share) = self.share.take() {
            self.core.leave_shared(share, self.part, Some(CloseReason::Discarded));
        }
    }

    /// Declares that this holder has a transaction open, until what is returned is dropped: nobody
    /// else joins the connection meanwhile, and those who wait are told when it ends. Sends nothing
    /// to the server; those who hold the connection already go on using it.
    pub fn transaction(&self) -> SharedTransaction<'_, 'p, M> {
        if !self.core.is_forked() {
            self.core.sharing.lock().begin(self.share().index());
        }
        SharedTransaction { conn: self }
    }
}

impl<M: ManageConnection> SharedConnection<'_, M>
where
    M::Connection: Sync,
{
    fn is_in_transaction(&self) -> bool {
        let manager = self.core.lifecycle.manager();
        foreign::call(|| manager.in_transaction(self)).unwrap_or(true)
    }
}

impl<M: ManageConnection> Deref for SharedConnection<'_, M>
where
    M::Connection: Sync,
{
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        self.share().content().as_ref().expect(HELD)
    }
}

impl<M: ManageConnection> Drop for SharedConnection<'_, M> {
    fn drop(&mut self) {
        if let Some(share) = self.share.take() {
            self.core.leave_shared(share, self.part, None);
        }
    }
}

impl<M: ManageConnection> fmt::Debug for SharedConnection<'_, M>
where
    M::Connection: Sync + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A transaction that a holder of a shared connection has declared; see
/// [`SharedConnection::transaction`].
#[must_use = "the transaction counts as ended when this is dropped"]
pub struct SharedTransaction<'c, 'p, M: ManageConnection> {
    conn: &'c SharedConnection<'p, M>,
}

impl<M: ManageConnection> Drop for SharedTransaction<'_, '_, M> {
    fn drop(&mut self) {
        if self.conn.core.is_forked() {
            return;
        }
        let sharing = &self.conn.core.sharing;
        sharing.lock().end(self.conn.share().index());
        sharing.changed.notify_all();
    }
}
