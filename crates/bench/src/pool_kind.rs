//! The contenders by name, and where each of them can run.

use std::fmt;
use std::str::FromStr;

use crate::Failure;
use crate::backend::Backend;

/// A contender, as reports and the command line call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`about` says it")]
pub enum PoolKind {
    Shared,
    Persistent,
    Queue,
    R2d2,
    R2d2Tuned,
    MysqlPool,
    MysqlPoolTuned,
    R2d2Mysql,
    R2d2MysqlTuned,
    Mutex,
    ConnectPerUse,
    ManagerPerUse,
    Dedicated,
    Floor,
    Channel,
    ThreadLocal,
    Fifo,
    BuildYourOwn,
}

impl PoolKind {
    /// All of them, ours first.
    pub const ALL: [Self; 18] = [
        Self::Shared,
        Self::Persistent,
        Self::Queue,
        Self::R2d2,
        Self::R2d2Tuned,
        Self::MysqlPool,
        Self::MysqlPoolTuned,
        Self::R2d2Mysql,
        Self::R2d2MysqlTuned,
        Self::Mutex,
        Self::ConnectPerUse,
        Self::ManagerPerUse,
        Self::Dedicated,
        Self::Floor,
        Self::Channel,
        Self::ThreadLocal,
        Self::Fifo,
        Self::BuildYourOwn,
    ];

    /// The name in reports and on the command line. It stays the same for ever.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Persistent => "persistent",
            Self::Queue => "queue",
            Self::R2d2 => "r2d2",
            Self::R2d2Tuned => "r2d2-tuned",
            Self::MysqlPool => "mysql-pool",
            Self::MysqlPoolTuned => "mysql-pool-tuned",
            Self::R2d2Mysql => "r2d2-mysql",
            Self::R2d2MysqlTuned => "r2d2-mysql-tuned",
            Self::Mutex => "mutex",
            Self::ConnectPerUse => "connect-per-use",
            Self::ManagerPerUse => "manager-per-use",
            Self::Dedicated => "dedicated",
            Self::Floor => "floor",
            Self::Channel => "channel",
            Self::ThreadLocal => "thread-local",
            Self::Fifo => "fifo",
            Self::BuildYourOwn => "build-your-own",
        }
    }

    /// What it is, in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Shared => "threadwise SharedPool: many threads share a few connections",
            Self::Persistent => {
                "threadwise PersistentPool: each thread has a connection of its own"
            }
            Self::Queue => "threadwise QueuePool: a fixed number of connections behind a queue",
            Self::R2d2 => "r2d2 with its defaults: each checkout asks the server",
            Self::R2d2Tuned => {
                "r2d2 told not to ask on checkout: lends connections that the server has closed"
            }
            Self::MysqlPool => {
                "the mysql crate's pool, its defaults: ping on checkout, reset on return"
            }
            Self::R2d2Mysql => {
                "r2d2 with r2d2_mysql, their defaults: ping on checkout and on return"
            }
            Self::MysqlPoolTuned => {
                "the same told neither to ping nor to reset: lends dead connections, sessions leak"
            }
            Self::R2d2MysqlTuned => {
                "the same told not to ping on checkout; its ping on return cannot be turned off"
            }
            Self::Mutex => {
                "Mutex<Vec> and Condvar, as everybody writes it first: never asks or resets"
            }
            Self::ConnectPerUse => "no pool: opens a connection for each use, without any limit",
            Self::ManagerPerUse => {
                "no pool: the same by threadwise's manager, to compare what opening costs"
            }
            Self::Dedicated => "no pool: each thread keeps a connection in a local variable",
            Self::Floor => {
                "no pool: one compare-and-swap and one swap, the least that lending can cost"
            }
            Self::Channel => {
                "no pool: a bare channel of connections, the least that a queue can cost"
            }
            Self::ThreadLocal => {
                "no pool: the bare thread_local crate, the least that a thread's own can cost"
            }
            Self::Fifo => {
                "no pool: threads take turns in the order of asking, the least that order can cost"
            }
            Self::BuildYourOwn => {
                "the guide's pool, step 7: what SharedPool's protocol costs bare; resets nothing"
            }
        }
    }

    /// Whether it can be measured there.
    ///
    /// * Those that are tuned run where their twins with defaults do.
    /// * `r2d2-mysql` is r2d2 on MySQL, so `r2d2` itself stands for it elsewhere only.
    /// * `connect-per-use` is left out where opening a connection costs nothing: its figure would
    ///   say that nobody needs a pool.
    /// * `floor`, `channel`, `thread-local` and `fifo` lend nothing that leads anywhere.
    /// * `build-your-own` is compared with `shared` where nothing but the pools differs.
    #[must_use]
    pub fn runs_on(self, backend: Backend) -> bool {
        match self {
            Self::Shared | Self::Persistent | Self::Queue | Self::Mutex | Self::Dedicated => true,
            Self::R2d2 | Self::R2d2Tuned => backend != Backend::Mysql,
            Self::MysqlPool
            | Self::MysqlPoolTuned
            | Self::R2d2Mysql
            | Self::R2d2MysqlTuned
            | Self::ManagerPerUse => backend == Backend::Mysql,
            Self::ConnectPerUse => backend != Backend::Synthetic,
            Self::Floor | Self::Channel | Self::ThreadLocal | Self::Fifo | Self::BuildYourOwn => {
                backend == Backend::Synthetic
            }
        }
    }

    /// Whether it is a peer with other settings than its users get, for speed: see [`about`](Self::about)
    /// for what that gives up. It takes part where the difference matters, beside its twin.
    #[must_use]
    pub fn is_tuned(self) -> bool {
        matches!(self, Self::R2d2Tuned | Self::MysqlPoolTuned | Self::R2d2MysqlTuned)
    }

    /// The contenders of a backend, in the order of [`ALL`](Self::ALL).
    pub fn all_on(backend: Backend) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |pool| pool.runs_on(backend))
    }

    /// Whether it is a pool with the settings that its users get; not tuned, and not for comparison only.
    #[must_use]
    pub fn is_pool_by_default(self) -> bool {
        match self {
            Self::Shared
            | Self::Persistent
            | Self::Queue
            | Self::R2d2
            | Self::MysqlPool
            | Self::R2d2Mysql
            | Self::Mutex => true,
            Self::R2d2Tuned
            | Self::MysqlPoolTuned
            | Self::R2d2MysqlTuned
            | Self::ConnectPerUse
            | Self::ManagerPerUse
            | Self::Dedicated
            | Self::Floor
            | Self::Channel
            | Self::ThreadLocal
            | Self::Fifo
            | Self::BuildYourOwn => false,
        }
    }

    /// Whether it keeps within a workload's connections on synthetic ones: the pools that share, by
    /// default, `fifo`, which shows what order alone costs, and the guide's pool.
    #[must_use]
    pub fn is_limited(self) -> bool {
        matches!(
            self,
            Self::Shared | Self::Queue | Self::R2d2 | Self::Mutex | Self::Fifo | Self::BuildYourOwn
        )
    }

    /// Whether it is shown for comparison only, never as the best: because it is no pool, or
    /// because it opens a connection for each thread where there are to be fewer, or because it is
    /// there to be read and not to be used.
    #[must_use]
    pub fn is_reference(self, threads: usize, size: usize) -> bool {
        let is_pool = self.is_pool_by_default() || self.is_tuned();
        !is_pool || self == Self::Persistent && threads > size
    }

    /// What is reported when it is asked to run where [`runs_on`](Self::runs_on) denies it.
    pub(crate) fn does_not_run_on(self, backend: Backend) -> Failure {
        Failure::new(format_args!("{self} does not run on {backend}"))
    }
}

impl fmt::Display for PoolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PoolKind {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        Self::ALL.into_iter().find(|pool| pool.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Failure::new(format_args!("no such pool; there are {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_pool() {
        for pool in PoolKind::ALL {
            assert_eq!(pool.name().parse(), Ok(pool));
        }
    }

    #[test]
    fn every_pool_runs_somewhere() {
        for pool in PoolKind::ALL {
            assert!(Backend::ALL.into_iter().any(|backend| pool.runs_on(backend)), "{pool}");
        }
    }

    #[test]
    fn a_tuned_peer_runs_where_its_twin_does() {
        for tuned in PoolKind::ALL.into_iter().filter(|pool| pool.is_tuned()) {
            let twin: PoolKind = tuned.name().strip_suffix("-tuned").unwrap().parse().unwrap();
            for backend in Backend::ALL {
                assert_eq!(tuned.runs_on(backend), twin.runs_on(backend), "{tuned} on {backend}");
            }
        }
    }

    #[test]
    fn a_pool_that_outgrows_the_size_is_no_rival() {
        assert!(PoolKind::Persistent.is_reference(32, 4));
        assert!(!PoolKind::Persistent.is_reference(8, 8));
        assert!(!PoolKind::Shared.is_reference(32, 4));
    }
}
