//! The names of backends and contenders. Each contender has one row: how it takes part, on which
//! backends, and what a reader should know about it.

use std::fmt;
use std::str::FromStr;

use ContenderKind::*;
use Property::*;

/// The kinds of connections that contenders are measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Connections that do nothing, so only the pool takes time.
    Synthetic,
    /// A real file with a table of 10 000 rows.
    Sqlite,
    /// A MySQL or MariaDB server with the same table: the user's, or a private one.
    Mysql,
    /// A private PostgreSQL server with the same table.
    Postgres,
}

impl Backend {
    /// All backends, in the order in which workloads run.
    pub const ALL: [Self; 4] = [Self::Synthetic, Self::Sqlite, Self::Mysql, Self::Postgres];

    /// The name in reports and on the command line.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// A description in one line.
    pub fn about(self) -> &'static str {
        self.row().1
    }

    /// The name and the description.
    #[rustfmt::skip]
    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Synthetic => ("synthetic", "connections that do nothing, so only the pool takes time"),
            Self::Sqlite => ("sqlite", "a SQLite file in the temporary directory, with a table of 10 000 rows"),
            Self::Mysql => ("mysql", "a private MariaDB over TCP (or --mysql-url), with the same table"),
            Self::Postgres => ("postgres", "a private PostgreSQL over TCP, with the same table"),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|backend| backend.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            UnknownName(format!("unknown backend; the backends are {names} and all"))
        })
    }
}

/// A contender in reports and on the command line.
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
    SharedR2d2,
    PersistentR2d2,
    QueueR2d2,
    Compat,
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

/// The error for a name that does not exist. It lists those that do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownName(String);

/// How a contender takes part in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A pool of this project, with the settings that its users get.
    Ours,
    /// Another pool, with the settings that its users get.
    Peer,
    /// A peer set to be fast. It runs where the same peer with defaults runs.
    Tuned,
    /// For comparison only, never the best: it is not a pool, it is a pool for reading, or it is a
    /// pool of this project with a manager that was written for r2d2.
    Reference,
}

/// What a contender does, as far as it decides where it takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// Opens at most as many synthetic connections as the workload has. These are the pools with
    /// defaults that share connections between threads, `fifo` and the guide's pool.
    Limited,
    /// Has a connection for each thread, however many the workload has.
    PerThread,
    /// Notices a connection that has died, because it checks on return or before lending.
    Checks,
    /// Opens connections when threads need them, and has a timeout.
    OnDemand,
    /// Has a manager that was written for r2d2, so it takes part only where that costs something.
    Adapted,
    /// Its line in plots is dashed, because another contender has a solid line of the same colour.
    Dashed,
    /// Its line in plots is dotted, for the same reason.
    Dotted,
}

/// The facts about a contender.
struct Row {
    kind: ContenderKind,
    name: &'static str,
    /// The backends on which it runs.
    backends: &'static [Backend],
    role: Role,
    properties: &'static [Property],
    about: &'static str,
    /// What is unfair in comparisons, to this contender or to others.
    unfair: &'static str,
}

const MYSQL: &[Backend] = &[Backend::Mysql];
/// On MySQL, r2d2 is `r2d2-mysql`.
const NOT_MYSQL: &[Backend] = &[Backend::Synthetic, Backend::Sqlite, Backend::Postgres];
/// `r2d2_sqlite` cannot be linked.
const NOT_SQLITE: &[Backend] = &[Backend::Synthetic, Backend::Mysql, Backend::Postgres];
/// Opening a synthetic connection costs nothing, so there `connect-per-use` would show that no
/// program needs a pool.
const DATABASES: &[Backend] = &[Backend::Sqlite, Backend::Mysql, Backend::Postgres];
/// For contenders that do not lend connections of a database, and for the guide's pool: this is
/// where it differs from `shared` in the pool alone.
const SYNTHETIC: &[Backend] = &[Backend::Synthetic];

/// All contenders, ours first, in the order of the enum. To add one, follow the recipe in
/// `CONTRIBUTING.md`.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { kind: Shared, name: "shared", backends: &Backend::ALL, role: Role::Ours, properties: &[Limited, Checks, OnDemand],
        about: "threadwise SharedPool: many threads share a few connections",
        unfair: "It checks connections and resets changed sessions, which `…-tuned` peers and `mutex` do not. On MySQL a reset costs a round trip and the prepared statements; the statements here need none." },
    Row { kind: Persistent, name: "persistent", backends: &Backend::ALL, role: Role::Ours, properties: &[PerThread, Checks, Dotted],
        about: "threadwise PersistentPool: each thread has its own connection",
        unfair: "As `shared`. It has a connection for each thread, so it is no rival where threads are more than connections." },
    Row { kind: Queue, name: "queue", backends: &Backend::ALL, role: Role::Ours, properties: &[Limited, Checks, Dashed],
        about: "threadwise QueuePool: a fixed number of connections behind a queue",
        unfair: "As `shared`." },
    Row { kind: R2d2, name: "r2d2", backends: NOT_MYSQL, role: Role::Peer, properties: &[Limited, Checks, OnDemand],
        about: "r2d2 with its defaults: validates on each borrow",
        unfair: "It runs with its defaults, as users get it, and validates on each borrow. `r2d2_sqlite` cannot be linked together with this rusqlite, so a manager of the harness does what it does: `SELECT 1`. On PostgreSQL `r2d2_postgres` sends an empty query. It never resets a session." },
    Row { kind: R2d2Tuned, name: "r2d2-tuned", backends: NOT_MYSQL, role: Role::Tuned, properties: &[],
        about: "r2d2 without validation: lends connections that the server has closed",
        unfair: "Unfair to all that check: with `test_on_check_out(false)` it lends connections that the server has closed, and a borrower's query fails." },
    Row { kind: MysqlPool, name: "mysql-pool", backends: MYSQL, role: Role::Peer, properties: &[OnDemand, Dotted],
        about: "the mysql crate's pool with its defaults: ping on borrow, reset on return",
        unfair: "It runs with its defaults, as users get it: a ping on each borrow, a reset on each return." },
    Row { kind: MysqlPoolTuned, name: "mysql-pool-tuned", backends: MYSQL, role: Role::Tuned, properties: &[],
        about: "the same without ping and reset: lends dead connections, and sessions leak",
        unfair: "Unfair to all that check: without ping and reset it lends dead connections, and sessions leak from one borrower to the next." },
    Row { kind: R2d2Mysql, name: "r2d2-mysql", backends: MYSQL, role: Role::Peer, properties: &[OnDemand],
        about: "r2d2 with r2d2_mysql and their defaults: ping on borrow and on return",
        unfair: "It runs with its defaults, as users get it: a ping on each borrow and on each return. It never resets a session." },
    Row { kind: R2d2MysqlTuned, name: "r2d2-mysql-tuned", backends: MYSQL, role: Role::Tuned, properties: &[],
        about: "the same without ping on borrow; its ping on return has no switch",
        unfair: "Unfair to all that check, as `r2d2-tuned`. The ping of `r2d2_mysql` on return stays, because it has no switch." },
    Row { kind: SharedR2d2, name: "shared-r2d2", backends: NOT_SQLITE, role: Role::Reference, properties: &[Adapted],
        about: "threadwise SharedPool with a manager that was written for r2d2 (FromR2d2)",
        unfair: "As `r2d2`, whose manager it has: it never resets a session. It validates a connection only after idle time." },
    Row { kind: PersistentR2d2, name: "persistent-r2d2", backends: NOT_SQLITE, role: Role::Reference, properties: &[Adapted],
        about: "threadwise PersistentPool with a manager that was written for r2d2 (FromR2d2)",
        unfair: "As `shared-r2d2`." },
    Row { kind: QueueR2d2, name: "queue-r2d2", backends: NOT_SQLITE, role: Role::Reference, properties: &[Adapted],
        about: "threadwise QueuePool with a manager that was written for r2d2 (FromR2d2)",
        unfair: "As `shared-r2d2`." },
    Row { kind: Compat, name: "compat", backends: NOT_SQLITE, role: Role::Reference, properties: &[Adapted],
        about: "threadwise_r2d2::compat, r2d2's names on a SharedPool, with r2d2's defaults",
        unfair: "As `r2d2`, whose defaults it has: it validates on each borrow, and never resets a session." },
    Row { kind: Mutex, name: "mutex", backends: &Backend::ALL, role: Role::Peer, properties: &[Limited, Dashed],
        about: "Mutex<Vec> and Condvar, as in a tutorial: never validates, never resets",
        unfair: "Unfair to all other pools: it never checks, resets, times out or reconnects. So it is left out of `churn`." },
    Row { kind: ConnectPerUse, name: "connect-per-use", backends: DATABASES, role: Role::Reference, properties: &[],
        about: "no pool: opens a connection for each use, without a limit",
        unfair: "It has no limit, so a server must bear as many connections as there are threads." },
    Row { kind: ManagerPerUse, name: "manager-per-use", backends: MYSQL, role: Role::Reference, properties: &[],
        about: "no pool: the same with threadwise's manager, to compare the cost of opening",
        unfair: "As `connect-per-use`." },
    Row { kind: Dedicated, name: "dedicated", backends: &Backend::ALL, role: Role::Reference, properties: &[PerThread],
        about: "no pool: each thread keeps a connection in a local variable",
        unfair: "Unfair to all pools: a connection for each thread, never checked. It shows what safety costs." },
    Row { kind: Floor, name: "floor", backends: SYNTHETIC, role: Role::Reference, properties: &[],
        about: "no pool: one compare-and-swap and one swap, the least that lending can cost",
        unfair: "Unfair to all pools: no two threads use the same flag." },
    Row { kind: Channel, name: "channel", backends: SYNTHETIC, role: Role::Reference, properties: &[],
        about: "no pool: a bare channel of connections, the least that a queue can cost",
        unfair: "Unfair to all pools: it never checks, times out or reconnects, and a panic loses a connection." },
    Row { kind: ThreadLocal, name: "thread-local", backends: SYNTHETIC, role: Role::Reference, properties: &[],
        about: "no pool: the bare thread_local crate, the least that one per thread can cost",
        unfair: "Unfair to all pools: it never checks, and a connection stays open when its thread exits." },
    Row { kind: Fifo, name: "fifo", backends: SYNTHETIC, role: Role::Reference, properties: &[Limited, Dashed],
        about: "no pool: threads take turns in the order of asking, the least that order can cost",
        unfair: "Unfair to all pools: it lends permits and has no connections." },
    Row { kind: BuildYourOwn, name: "build-your-own", backends: SYNTHETIC, role: Role::Reference, properties: &[Limited],
        about: "the guide's pool, step 7: the bare cost of SharedPool's protocol; resets nothing",
        unfair: "Unfair to `shared`: it makes a free check and times out, but does not reset." },
];

impl ContenderKind {
    /// All contenders, ours first.
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

    /// The name in reports and on the command line. It is stable across versions.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// A description in one line.
    pub fn about(self) -> &'static str {
        self.row().about
    }

    /// What is unfair in comparisons, to this contender or to others.
    pub fn unfair(self) -> &'static str {
        self.row().unfair
    }

    /// Whether the contender runs on that backend.
    pub fn runs_on(self, backend: Backend) -> bool {
        self.row().backends.contains(&backend)
    }

    /// Whether this is a pool of this project.
    pub fn is_ours(self) -> bool {
        self.row().role == Role::Ours
    }

    /// Whether this is a peer set to be fast. [`about`](Self::about) says what that gives up. It
    /// takes part where the difference matters, beside the same peer with defaults.
    pub fn is_tuned(self) -> bool {
        self.row().role == Role::Tuned
    }

    /// Returns the contenders of a backend, in the order of [`ALL`](Self::ALL).
    pub fn all_on(backend: Backend) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |pool| pool.runs_on(backend))
    }

    /// Whether this is a pool with the settings that its users get: not tuned, and not for
    /// comparison only.
    pub fn is_pool_by_default(self) -> bool {
        matches!(self.row().role, Role::Ours | Role::Peer)
    }

    /// How its line in plots is drawn: `dashed`, `dotted`, or empty for a solid line.
    pub fn line(self) -> &'static str {
        match (self.has(Dashed), self.has(Dotted)) {
            (true, _) => "dashed",
            (_, true) => "dotted",
            _ => "",
        }
    }

    /// Whether it has this property.
    pub fn has(self, property: Property) -> bool {
        self.row().properties.contains(&property)
    }

    /// Whether it is shown for comparison only, never as the best. This includes `persistent` in
    /// workloads with more threads than connections, because it opens one for each thread.
    pub fn is_reference(self, threads: usize, size: usize) -> bool {
        self.row().role == Role::Reference || self.has(PerThread) && threads > size
    }
}

impl fmt::Display for ContenderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ContenderKind {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|pool| pool.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            UnknownName(format!("unknown pool; the pools are {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_as_its_pool() {
        for pool in ContenderKind::ALL {
            assert_eq!(pool.name().parse(), Ok(pool));
        }
    }

    #[test]
    fn every_pool_runs_on_at_least_one_backend() {
        for pool in ContenderKind::ALL {
            assert!(Backend::ALL.into_iter().any(|backend| pool.runs_on(backend)), "{pool}");
        }
    }

    #[test]
    fn a_tuned_peer_runs_where_the_same_peer_with_defaults_runs() {
        for tuned in ContenderKind::ALL.into_iter().filter(|pool| pool.is_tuned()) {
            let twin: ContenderKind = tuned.name().strip_suffix("-tuned").unwrap().parse().unwrap();
            for backend in Backend::ALL {
                assert_eq!(tuned.runs_on(backend), twin.runs_on(backend), "{tuned} on {backend}");
            }
        }
    }

    #[test]
    fn a_pool_with_more_connections_than_the_workload_is_a_reference() {
        assert!(Persistent.is_reference(32, 4));
        assert!(!Persistent.is_reference(8, 8));
        assert!(!Shared.is_reference(32, 4));
    }

    #[test]
    fn the_document_says_of_every_pool_what_is_unfair() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");
        let document = std::fs::read_to_string(path).unwrap();
        for pool in ContenderKind::ALL {
            let row = format!("| `{pool}` | {} |", pool.unfair());
            assert!(document.contains(&row), "docs/benchmarks.md needs this row:\n{row}");
        }
    }
}
