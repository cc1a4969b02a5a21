//! What a forked child has in place of its parent's pool.

use threadwise_core::ManageConnection;
use threadwise_core::fork::Orphan;

use crate::core::Core;

impl<M: ManageConnection> Orphan for Core<M> {
    fn orphan(&self) {
        self.flags.orphan();
        self.heir.set_due();
    }
}

impl<M: ManageConnection> Core<M> {
    /// The pool that stands for this one here: itself, unless the process was forked. Then one with
    /// the same settings and no connections, which whoever comes first makes. Nothing of this one may
    /// be used any more: its connections are the parent's, and its locks may be held for ever.
    pub(crate) fn living(&self) -> &Self {
        if self.flags.is_orphaned() { self.heir() } else { self }
    }

    #[cold]
    pub(crate) fn heir(&self) -> &Self {
        let make = || {
            let heir = Self::new(self.keeper.heir(), self.settings.clone());
            if self.flags.is_closed() {
                heir.close();
            }
            heir
        };
        self.heir.get_or_make(make).living() // it may be an orphan itself
    }

    pub(crate) fn last_handle_dropped(&self) {
        if !self.flags.is_orphaned() {
            self.close();
        } else if let Some(heir) = self.heir.get() {
            heir.last_handle_dropped();
        }
    }
}
