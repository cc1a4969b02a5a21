//! The contenders: one row for each. Everything that the harness knows about a contender by its name
//! stands here; how it lends is in [`contender`](crate::contender).

use std::fmt;
use std::str::FromStr;

use ContenderKind::*;

use crate::Failure;
use crate::backend::Backend;

/// A contender, as reports and the command line call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`about` says it")]
pub enum ContenderKind {
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

/// What a contender is in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A pool of this project, with the settings that its users get.
    Ours,
    /// Another pool, with the settings that its users get.
    Peer,
    /// A peer with other settings, for speed. It runs where its twin with defaults runs.
    Tuned,
    /// Shown for comparison only, never as the best: it is no pool, or it is there to be read.
    Reference,
}

/// What is known about a contender.
struct Row {
    kind: ContenderKind,
    name: &'static str,
    /// Where it can be measured.
    backends: &'static [Backend],
    role: Role,
    is_limited: bool,
    about: &'static str,
}

const MYSQL: &[Backend] = &[Backend::Mysql];
/// `r2d2-mysql` is r2d2 on MySQL, so `r2d2` itself stands for it elsewhere only.
const NOT_MYSQL: &[Backend] = &[Backend::Synthetic, Backend::Sqlite];
/// Where opening a connection costs nothing, `connect-per-use` would say that no program needs a pool.
const DATABASES: &[Backend] = &[Backend::Sqlite, Backend::Mysql];
/// What lends nothing that leads to a database, and the guide's pool, which is compared with `shared`
/// where nothing but the pools differs.
const SYNTHETIC: &[Backend] = &[Backend::Synthetic];

/// Keeps within a workload's connections on synthetic ones.
const LIMITED: bool = true;
const UNLIMITED: bool = false;

/// All contenders, ours first. To add one, add a row here, a file in `contender/`, and the line that
/// opens it in each backend of the row.
#[rustfmt::skip]
const ROWS: [Row; 18] = [
    row(Shared, "shared", &Backend::ALL, Role::Ours, LIMITED,
        "threadwise SharedPool: many threads share a few connections"),
    row(Persistent, "persistent", &Backend::ALL, Role::Ours, UNLIMITED,
        "threadwise PersistentPool: each thread has a connection of its own"),
    row(Queue, "queue", &Backend::ALL, Role::Ours, LIMITED,
        "threadwise QueuePool: a fixed number of connections behind a queue"),
    row(R2d2, "r2d2", NOT_MYSQL, Role::Peer, LIMITED,
        "r2d2 with its defaults: each checkout asks the server"),
    row(R2d2Tuned, "r2d2-tuned", NOT_MYSQL, Role::Tuned, UNLIMITED,
        "r2d2 told not to ask on checkout: lends connections that the server has closed"),
    row(MysqlPool, "mysql-pool", MYSQL, Role::Peer, UNLIMITED,
        "the mysql crate's pool, its defaults: ping on checkout, reset on return"),
    row(MysqlPoolTuned, "mysql-pool-tuned", MYSQL, Role::Tuned, UNLIMITED,
        "the same told neither to ping nor to reset: lends dead connections, sessions leak"),
    row(R2d2Mysql, "r2d2-mysql", MYSQL, Role::Peer, UNLIMITED,
        "r2d2 with r2d2_mysql, their defaults: ping on checkout and on return"),
    row(R2d2MysqlTuned, "r2d2-mysql-tuned", MYSQL, Role::Tuned, UNLIMITED,
        "the same told not to ping on checkout; its ping on return cannot be turned off"),
    row(Mutex, "mutex", &Backend::ALL, Role::Peer, LIMITED,
        "Mutex<Vec> and Condvar, as a tutorial writes it: never validates, never resets"),
    row(ConnectPerUse, "connect-per-use", DATABASES, Role::Reference, UNLIMITED,
        "no pool: opens a connection for each use, without any limit"),
    row(ManagerPerUse, "manager-per-use", MYSQL, Role::Reference, UNLIMITED,
        "no pool: the same by threadwise's manager, to compare what opening costs"),
    row(Dedicated, "dedicated", &Backend::ALL, Role::Reference, UNLIMITED,
        "no pool: each thread keeps a connection in a local variable"),
    row(Floor, "floor", SYNTHETIC, Role::Reference, UNLIMITED,
        "no pool: one compare-and-swap and one swap, the least that lending can cost"),
    row(Channel, "channel", SYNTHETIC, Role::Reference, UNLIMITED,
        "no pool: a bare channel of connections, the least that a queue can cost"),
    row(ThreadLocal, "thread-local", SYNTHETIC, Role::Reference, UNLIMITED,
        "no pool: the bare thread_local crate, the least that a thread's own can cost"),
    row(Fifo, "fifo", SYNTHETIC, Role::Reference, LIMITED,
        "no pool: threads take turns in the order of asking, the least that order can cost"),
    row(BuildYourOwn, "build-your-own", SYNTHETIC, Role::Reference, LIMITED,
        "the guide's pool, step 7: what SharedPool's protocol costs bare; resets nothing"),
];

const fn row(
    kind: ContenderKind,
    name: &'static str,
    backends: &'static [Backend],
    role: Role,
    is_limited: bool,
    about: &'static str,
) -> Row {
    Row { kind, name, backends, role, is_limited, about }
}

impl ContenderKind {
    /// All of them, ours first.
    pub const ALL: [Self; ROWS.len()] = {
        let mut all = [Shared; ROWS.len()];
        let mut n = 0;
        while n < all.len() {
            all[n] = ROWS[n].kind;
            assert!(all[n] as usize == n, "the rows are in the order of the enum");
            n += 1;
        }
        all
    };

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name in reports and on the command line. It does not change from one version to the next.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What it is, in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.row().about
    }

    /// Whether it can be measured on that backend.
    #[must_use]
    pub fn runs_on(self, backend: Backend) -> bool {
        self.row().backends.contains(&backend)
    }

    /// Whether it is a peer with other settings than its users get, for speed:
    /// [`about`](Self::about) says what that gives up. It takes part where the difference matters, beside its
    /// twin.
    #[must_use]
    pub fn is_tuned(self) -> bool {
        self.row().role == Role::Tuned
    }

    /// The contenders of a backend, in the order of [`ALL`](Self::ALL).
    pub fn all_on(backend: Backend) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |pool| pool.runs_on(backend))
    }

    /// Whether it is a pool with the settings that its users get: not tuned, and not for comparison only.
    #[must_use]
    pub fn is_pool_by_default(self) -> bool {
        matches!(self.row().role, Role::Ours | Role::Peer)
    }

    /// Whether it keeps within a workload's connections on synthetic ones: the pools that share, by
    /// default, `fifo`, which shows what order alone costs, and the guide's pool.
    #[must_use]
    pub fn is_limited(self) -> bool {
        self.row().is_limited
    }

    /// Whether it is shown for comparison only, never as the best. `persistent` is, where threads outnumber
    /// the connections of the workload, because it opens one for each thread.
    #[must_use]
    pub fn is_reference(self, threads: usize, size: usize) -> bool {
        self.row().role == Role::Reference || self == Persistent && threads > size
    }

    /// The error of a contender that is asked to run where [`runs_on`](Self::runs_on) denies it.
    pub(crate) fn does_not_run_on(self, backend: Backend) -> Failure {
        Failure::new(format_args!("{self} does not run on {backend}"))
    }
}

impl fmt::Display for ContenderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ContenderKind {
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
        for pool in ContenderKind::ALL {
            assert_eq!(pool.name().parse(), Ok(pool));
        }
    }

    #[test]
    fn every_pool_runs_somewhere() {
        for pool in ContenderKind::ALL {
            assert!(Backend::ALL.into_iter().any(|backend| pool.runs_on(backend)), "{pool}");
        }
    }

    #[test]
    fn a_tuned_peer_runs_where_its_twin_does() {
        for tuned in ContenderKind::ALL.into_iter().filter(|pool| pool.is_tuned()) {
            let twin: ContenderKind = tuned.name().strip_suffix("-tuned").unwrap().parse().unwrap();
            for backend in Backend::ALL {
                assert_eq!(tuned.runs_on(backend), twin.runs_on(backend), "{tuned} on {backend}");
            }
        }
    }

    #[test]
    fn a_pool_that_outgrows_the_size_is_no_rival() {
        assert!(Persistent.is_reference(32, 4));
        assert!(!Persistent.is_reference(8, 8));
        assert!(!Shared.is_reference(32, 4));
    }
}
