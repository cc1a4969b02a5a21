//! Synthetic connections that die.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use threadwise_core::ManageConnection;
use threadwise_figures::{Backend, ContenderKind};

use crate::contender::{Opened, R2d2, persistent, queue, shared};
use crate::runner::Runner;
use crate::workload::Workload;
use crate::{Failure, Queries, Rng};

/// The contenders that notice a dead connection, because they check on return or before lending.
pub(crate) const POOLS: [ContenderKind; 4] =
    [ContenderKind::Shared, ContenderKind::Persistent, ContenderKind::Queue, ContenderKind::R2d2];
/// In uses. All lengths of life up to this one are equally likely.
pub(crate) const LONGEST_LIFE: u32 = 199;
/// The time that opening a connection takes.
const DIAL: Duration = Duration::from_millis(1);

/// A synthetic connection for a number of uses. After the last one it is lost, and each further use
/// is an error.
#[derive(Debug)]
pub(crate) struct MortalConnection {
    uses_left: u32,
}

impl MortalConnection {
    fn is_dead(&self) -> bool {
        self.uses_left == 0
    }

    fn check(&self) -> Result<(), Lost> {
        if self.is_dead() { Err(Lost) } else { Ok(()) }
    }

    fn use_it(&mut self) -> Result<(), Failure> {
        self.check().map_err(Failure::of)?;
        self.uses_left -= 1;
        Ok(())
    }
}

impl Queries for MortalConnection {
    const REAL: bool = false;

    fn point_select(&mut self, _: u32) -> Result<(), Failure> {
        self.use_it()
    }

    fn insert(&mut self, _: u32) -> Result<(), Failure> {
        self.use_it()
    }

    fn transact(&mut self, _: [u32; 2], _: u32) -> Result<(), Failure> {
        self.use_it()
    }
}

/// The connection was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was lost")
    }
}

impl std::error::Error for Lost {}

/// Opens connections with random lengths of life, which are the same for every contender.
#[derive(Debug, Default)]
pub(crate) struct MortalManager {
    opened: AtomicU64,
}

impl MortalManager {
    fn open(&self) -> MortalConnection {
        let mut rng = Rng::new(self.opened.fetch_add(1, Relaxed));
        MortalConnection { uses_left: 1 + rng.below(LONGEST_LIFE) }
    }

    fn dial(&self) -> MortalConnection {
        thread::sleep(DIAL);
        self.open()
    }
}

impl ManageConnection for MortalManager {
    type Connection = MortalConnection;
    type Error = Lost;

    fn connect(&self) -> Result<MortalConnection, Lost> {
        Ok(self.dial())
    }

    fn is_valid(&self, conn: &mut MortalConnection) -> Result<(), Lost> {
        conn.check()
    }

    fn has_broken(&self, conn: &mut MortalConnection) -> bool {
        conn.is_dead()
    }

    fn is_lost(&self, _: &Lost) -> bool {
        true
    }
}

impl r2d2::ManageConnection for MortalManager {
    type Connection = MortalConnection;
    type Error = Lost;

    fn connect(&self) -> Result<MortalConnection, Lost> {
        Ok(self.dial())
    }

    fn is_valid(&self, conn: &mut MortalConnection) -> Result<(), Lost> {
        conn.check()
    }

    fn has_broken(&self, conn: &mut MortalConnection) -> bool {
        conn.is_dead()
    }
}

/// Builds one of [`POOLS`], and threads that are ready to run the workload on it.
pub(crate) fn runner<W: Workload>(pool: ContenderKind, workload: W) -> Result<Runner, Failure> {
    let manager = MortalManager::default();
    match pool {
        ContenderKind::Shared => shared(manager, workload),
        ContenderKind::Persistent => persistent(manager, workload),
        ContenderKind::Queue => queue(manager, workload),
        ContenderKind::R2d2 => {
            let opened = Opened::default();
            Runner::start(R2d2::new(manager, workload.size(), &opened)?, workload, opened)
        }
        _ => Err(Failure::not_on(pool, Backend::Synthetic)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_works_until_the_end_of_its_life_and_is_lost_afterwards() {
        let manager = MortalManager::default();
        let mut conn = manager.open();
        for _ in 0..conn.uses_left {
            assert!(!ManageConnection::has_broken(&manager, &mut conn));
            conn.point_select(1).unwrap();
        }
        assert!(ManageConnection::has_broken(&manager, &mut conn));
        assert!(ManageConnection::is_valid(&manager, &mut conn).is_err());
        assert_eq!(conn.point_select(1), Err(Failure::of(Lost)));
    }

    #[test]
    fn lengths_of_life_are_random_and_a_hundred_uses_on_average() {
        let manager = MortalManager::default();
        let lives: Vec<_> = (0..1_000).map(|_| manager.open().uses_left).collect();
        assert!(lives.iter().all(|life| (1..=LONGEST_LIFE).contains(life)));
        let mean = lives.iter().sum::<u32>() / 1_000;
        assert!((90..110).contains(&mean), "{mean}");
        let again = MortalManager::default();
        assert!(lives.iter().all(|&life| again.open().uses_left == life), "always the same");
    }
}
