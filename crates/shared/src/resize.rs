//! Changing the limit.

use threadwise_core::{BuildError, CloseReason, ManageConnection};

use crate::core::Core;
use crate::settings::check_max_size;

impl<M: ManageConnection> Core<M> {
    pub(crate) fn resize(&self, max_size: usize) -> Result<(), BuildError<M::Error>> {
        let mut state = self.handoff.state.lock();
        if let Err((name, problem)) = check_max_size(max_size, state.limits.min_idle) {
            return Err(BuildError::setting(name, problem));
        }
        state.limits.max_size = max_size;
        self.snapshot.resized(max_size);
        let surplus = self.handoff.shrink(&mut state);
        self.meet_demand(state);
        for owned in surplus {
            self.close_counted(owned, CloseReason::Surplus);
        }
        Ok(())
    }
}
