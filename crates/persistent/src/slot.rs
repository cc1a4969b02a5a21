//! Where a thread's connection lies while the thread does not use it.

use threadwise_core::sync::Mutex;

use crate::exit::ThreadKey;

/// Found through `thread_local`, which hands it on to a later thread with the same id; hence the
/// owner's key. The lock is its owner's nearly always: others come only to close the pool.
pub(crate) struct Slot<C> {
    content: Mutex<Content<C>>,
}

struct Content<C> {
    owner: Option<ThreadKey>,
    held: Held<C>,
}

/// What the owner has.
pub(crate) enum Held<C> {
    /// No connection.
    Nothing,
    /// A connection that it does not use at the moment.
    Idle(C),
    /// A connection that is with a guard, or about to be.
    Borrowed,
}

/// What a thread finds in its slot.
pub(crate) enum Found<C> {
    /// Its connection; the slot now says that it is borrowed.
    Connection(C),
    /// No connection; the slot now says that one is borrowed, so open one.
    Vacancy,
    /// A guard has it.
    Borrowed,
    /// As [`Vacancy`](Self::Vacancy), and the thread never used this pool before. If the slot was
    /// another thread's that has ended, here is what that thread left in it.
    FirstUse(Option<(ThreadKey, Held<C>)>),
}

impl<C> Slot<C> {
    pub(crate) fn new() -> Self {
        Self { content: Mutex::new(Content { owner: None, held: Held::Nothing }) }
    }

    /// `thread` wants to use its connection.
    #[inline]
    pub(crate) fn borrow(&self, thread: ThreadKey) -> Found<C> {
        let mut content = self.content.lock();
        let held = std::mem::replace(&mut content.held, Held::Borrowed);
        match content.owner {
            Some(owner) if owner == thread => match held {
                Held::Idle(conn) => Found::Connection(conn),
                Held::Nothing => Found::Vacancy,
                Held::Borrowed => Found::Borrowed,
            },
            previous => {
                content.owner = Some(thread);
                Found::FirstUse(previous.map(|previous| (previous, held)))
            }
        }
    }

    /// `thread` is done with its connection. Gives the connection back if it cannot stay, since
    /// the slot is another thread's by now or the pool was closed, as `is_closed` says.
    #[inline]
    pub(crate) fn put_back(
        &self,
        thread: ThreadKey,
        conn: C,
        is_closed: impl FnOnce() -> bool,
    ) -> Result<(), C> {
        let mut content = self.content.lock();
        if content.owner != Some(thread) {
            return Err(conn);
        }
        // Asked under the lock: whoever closes the pool comes for this slot afterwards.
        if is_closed() {
            content.held = Held::Nothing;
            return Err(conn);
        }
        content.held = Held::Idle(conn);
        Ok(())
    }

    /// `thread` has no connection any more.
    pub(crate) fn vacate(&self, thread: ThreadKey) {
        let mut content = self.content.lock();
        if content.owner == Some(thread) {
            content.held = Held::Nothing;
        }
    }

    /// Takes `thread`'s connection away if it does not use it.
    pub(crate) fn take_idle(&self, thread: ThreadKey) -> Option<C> {
        let mut content = self.content.lock();
        if content.owner != Some(thread) {
            return None;
        }
        match std::mem::replace(&mut content.held, Held::Nothing) {
            Held::Idle(conn) => Some(conn),
            other => {
                content.held = other;
                None
            }
        }
    }

    /// `thread` ends. Its connection, if it does not use it; one that a guard still has (kept in
    /// another thread-local value, or forgotten) is closed when that guard ends.
    pub(crate) fn retire(&self, thread: ThreadKey) -> Option<C> {
        let conn = self.take_idle(thread);
        let mut content = self.content.lock();
        if content.owner == Some(thread) {
            *content = Content { owner: None, held: Held::Nothing };
        }
        conn
    }

    /// Whether `thread`'s connection lies here unused.
    pub(crate) fn is_idle(&self, thread: ThreadKey) -> bool {
        let content = self.content.lock();
        content.owner == Some(thread) && matches!(content.held, Held::Idle(_))
    }
}
