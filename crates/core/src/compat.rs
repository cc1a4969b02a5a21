//! The calls that pools made before the ones in `keeper`; they go once no pool makes them.

use std::time::Duration;

use crate::{
    CloseReason, ConnectError, Deadline, Doubt, Guard, Keeper, ManageConnection, Patience, Unfit,
};

impl<M: ManageConnection> Keeper<M> {
    /// As [`run_steady`](Self::run_steady).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn steady<G, T>(
        &self,
        guard: &mut G,
        replace: impl Fn(&mut G) -> bool,
        work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
    ) -> Result<T, M::Error>
    where
        G: Guard<Target = M::Connection>,
    {
        let replace = |guard: &mut G| match replace(guard) {
            true => Ok(()),
            false => Err(ConnectError::Unavailable("the pool is closed")),
        };
        self.run_steady(guard, replace, work)
    }

    /// As [`reopen`](Self::reopen).
    pub fn open_again(&self, limit: Option<Duration>) -> Option<M::Connection> {
        self.reopen(Patience::new(limit)).ok()
    }

    /// As [`check_lend`](Self::check_lend).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn check_out(
        &self,
        conn: &mut M::Connection,
        idle_longer_than: impl FnOnce(Duration) -> bool,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<(), CloseReason> {
        let mut alive = Some(std::time::Instant::now());
        if let crate::Validation::IdleLongerThan(limit) = self.validation()
            && idle_longer_than(limit)
        {
            alive = None;
        }
        self.check_lend(conn, &mut alive, deadline).map_err(reason)
    }

    /// As [`settle`](Self::settle).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn resolve(
        &self,
        doubt: Doubt,
        conn: &mut M::Connection,
        deadline: Deadline,
    ) -> Result<(), CloseReason> {
        self.settle(doubt, conn, &mut None, deadline).map_err(reason)
    }
}

fn reason(unfit: Unfit) -> CloseReason {
    match unfit {
        Unfit::Close(reason) => reason,
        Unfit::Undecided => CloseReason::Invalid,
    }
}
