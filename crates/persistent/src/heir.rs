//! What a forked child has in place of its parent's pool.

use std::sync::Arc;

use threadwise_core::ManageConnection;
use threadwise_core::fork::{Heir, Inherited, Orphan};

use crate::core::Core;

impl<M: ManageConnection> Orphan for Core<M> {
    fn orphan(&self) {
        self.flags.orphan();
        self.heir.set_due();
    }
}

impl<M: ManageConnection> Inherited for Core<M> {
    fn inheritance(&self) -> &Heir<Self> {
        &self.heir
    }

    fn make_heir(&self) -> Arc<Self> {
        let heir = Self::new(self.keeper.heir(), self.settings.clone());
        if self.flags.is_closed() {
            heir.close();
        }
        heir
    }

    fn end(&self) {
        self.end_slots();
    }
}
