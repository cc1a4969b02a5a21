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
}

impl Backend {
    /// All backends, the fastest first.
    pub const ALL: [Self; 3] = [Self::Synthetic, Self::Sqlite, Self::Mysql];

    /// The name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Synthetic => "synthetic",
            Self::Sqlite => "sqlite",
            Self::Mysql => "mysql",
        }
    }

    /// A description in one line.
    pub fn about(self) -> &'static str {
        match self {
            Self::Synthetic => "connections that do nothing, so only the pool takes time",
            Self::Sqlite => "a SQLite file in the temporary directory, with a table of 10 000 rows",
            Self::Mysql => "a private MariaDB over TCP (or --mysql-url), with the same table",
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
    /// For comparison only, never the best: it is not a pool, or it is a pool for reading.
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
    /// Its line in plots is dashed, because others of the same colour are not.
    Dashed,
    /// Likewise, dotted.
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
    /// What is unfair to it in comparisons, or to others.
    unfair: &'static str,
}

const MYSQL: &[Backend] = &[Backend::Mysql];
/// On MySQL, r2d2 is `r2d2-mysql`.
const NOT_MYSQL: &[Backend] = &[Backend::Synthetic, Backend::Sqlite];
/// Opening a synthetic connection costs nothing, so there `connect-per-use` would show that no
/// program needs a pool.
const DATABASES: &[Backend] = &[Backend::Sqlite, Backend::Mysql];
/// For contenders that do not lend connections of a database, and for the guide's pool: this is
/// where it differs from `shared` in the pool alone.
const SYNTHETIC: &[Backend] = &[Backend::Synthetic];

/// All contenders, ours first, in the order of the enum. To add one, follow the recipe in
/// `CONTRIBUTING.md`.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(Shared, "shared", &Backend::ALL, Role::Ours, &[Limited, Checks, OnDemand],
        "threadwise SharedPool: many threads share a few connections",
        "It checks connections and resets changed sessions, which `…-tuned` peers and `mutex` do not. On MySQL a reset costs a round trip and the prepared statements; the statements here need none."),
    row(Persistent, "persistent", &Backend::ALL, Role::Ours, &[PerThread, Checks, Dotted],
        "threadwise PersistentPool: each thread has its own connection",
        "As `shared`. It has a connection for each thread, so it is no rival where threads are more than connections."),
    row(Queue, "queue", &Backend::ALL, Role::Ours, &[Limited, Checks, Dashed],
        "threadwise QueuePool: a fixed number of connections behind a queue",
        "As `shared`."),
    row(R2d2, "r2d2", NOT_MYSQL, Role::Peer, &[Limited, Checks, OnDemand],
        "r2d2 with its defaults: validates on each borrow",
        "It runs with its defaults, as users get it, and validates on each borrow. `r2d2_sqlite` cannot be linked together with this rusqlite, so a manager of the harness does what it does: `SELECT 1`."),
    row(R2d2Tuned, "r2d2-tuned", NOT_MYSQL, Role::Tuned, &[],
        "r2d2 without validation: lends connections that the server has closed",
        "Unfair to all that check: with `test_on_check_out(false)` it lends connections that the server has closed, and a borrower's query fails."),
    row(MysqlPool, "mysql-pool", MYSQL, Role::Peer, &[OnDemand, Dotted],
        "the mysql crate's pool with its defaults: ping on borrow, reset on return",
        "It runs with its defaults, as users get it: a ping on each borrow, a reset on each return."),
    row(MysqlPoolTuned, "mysql-pool-tuned", MYSQL, Role::Tuned, &[],
        "the same without ping and reset: lends dead connections, and sessions leak",
        "Unfair to all that check: without ping and reset it lends dead connections, and sessions leak from one borrower to the next."),
    row(R2d2Mysql, "r2d2-mysql", MYSQL, Role::Peer, &[OnDemand],
        "r2d2 with r2d2_mysql and their defaults: ping on borrow and on return",
        "It runs with its defaults, as users get it: a ping on each borrow and on each return. It never resets a session."),
    row(R2d2MysqlTuned, "r2d2-mysql-tuned", MYSQL, Role::Tuned, &[],
        "the same without ping on borrow; its ping on return has no switch",
        "Unfair to all that check, as `r2d2-tuned`. The ping of `r2d2_mysql` on return stays, because it has no switch."),
    row(Mutex, "mutex", &Backend::ALL, Role::Peer, &[Limited, Dashed],
        "Mutex<Vec> and Condvar, as in a tutorial: never validates, never resets",
        "Unfair to all other pools: it never checks, resets, times out or reconnects. So it is left out of `churn`."),
    row(ConnectPerUse, "connect-per-use", DATABASES, Role::Reference, &[],
        "no pool: opens a connection for each use, without a limit",
        "It has no limit, so a server must bear as many connections as there are threads."),
    row(ManagerPerUse, "manager-per-use", MYSQL, Role::Reference, &[],
        "no pool: the same with threadwise's manager, to compare the cost of opening",
        "As `connect-per-use`."),
    row(Dedicated, "dedicated", &Backend::ALL, Role::Reference, &[PerThread],
        "no pool: each thread keeps a connection in a local variable",
        "Unfair to all pools: a connection for each thread, never checked. It shows what safety costs."),
    row(Floor, "floor", SYNTHETIC, Role::Reference, &[],
        "no pool: one compare-and-swap and one swap, the least that lending can cost",
        "Unfair to all pools: no two threads use the same flag."),
    row(Channel, "channel", SYNTHETIC, Role::Reference, &[],
        "no pool: a bare channel of connections, the least that a queue can cost",
        "Unfair to all pools: it never checks, times out or reconnects, and a panic loses a connection."),
    row(ThreadLocal, "thread-local", SYNTHETIC, Role::Reference, &[],
        "no pool: the bare thread_local crate, the least that one per thread can cost",
        "Unfair to all pools: it never checks, and a connection stays open when its thread exits."),
    row(Fifo, "fifo", SYNTHETIC, Role::Reference, &[Limited, Dashed],
        "no pool: threads take turns in the order of asking, the least that order can cost",
        "Unfair to all pools: it lends permits and has no connections."),
    row(BuildYourOwn, "build-your-own", SYNTHETIC, Role::Reference, &[Limited],
        "the guide's pool, step 7: the bare cost of SharedPool's protocol; resets nothing",
        "Unfair to `shared`: it makes a free check and times out, but does not reset."),
];

const fn row(
    kind: ContenderKind,
    name: &'static str,
    backends: &'static [Backend],
    role: Role,
    properties: &'static [Property],
    about: &'static str,
    unfair: &'static str,
) -> Row {
    Row { kind, name, backends, role, properties, about, unfair }
}

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

    /// What is unfair to it in comparisons, or to others.
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
