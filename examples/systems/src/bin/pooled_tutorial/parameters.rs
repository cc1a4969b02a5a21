//! The parameters of the pool, by both names.

use threadwise::shared::SharedPool;
use threadwise::{BuildError, Validation};
use threadwise_systems::{Database, Error};

/// How many connections are kept ready: `mincached`.
pub(crate) const MIN_IDLE: usize = 2;
/// How many connections may be open: `maxconnections`.
pub(crate) const MAX_SIZE: usize = 6;

// ANCHOR: pool
/// The tutorial's pool. The host, port, user, password and database belong to the manager, which
/// `--db` names.
pub(crate) fn pool(database: Database) -> Result<SharedPool<Database>, BuildError<Error>> {
    SharedPool::builder()
        .max_size(MAX_SIZE) // maxconnections=6
        .min_idle(MIN_IDLE) // mincached=2
        .max_idle(5) // maxcached=5
        .max_sharing(3) // maxshared=3
        .get_timeout(None) // blocking=True
        .max_uses(None) // maxusage=None
        .validation(Validation::Never) // ping=0
        .name("tutorial") // shown in errors
        .build(database) // creator=pymysql, setsession=[]
}
// ANCHOR_END: pool

/// Python's parameter, the Rust name, and what differs.
const PARAMETERS: [[&str; 3]; 12] = [
    ["creator=pymysql", "build(manager)", "a manager opens, checks, resets and closes"],
    ["maxconnections=6", "max_size(6)", "idle ones count; never raised, never exceeded"],
    ["mincached=2", "min_idle(2)", "kept up, not only at the start"],
    ["maxcached=5", "max_idle(5)", "what comes back beyond it is closed"],
    ["maxshared=3", "max_sharing(3)", "only share() shares, and only what is Sync"],
    ["blocking=True", "get_timeout(None)", "waits forever; the default ends after 30 s"],
    ["maxusage=None", "max_uses(None)", "counts uses, not statements"],
    ["setsession=[]", "the manager's init", "runs again after each reset, too"],
    ["ping=0", "Validation::Never", "a look at the socket, which costs no round trip, stays"],
    ["host= port=", "mysql://…@host:port/…", "of the manager"],
    ["user= password= database=", "mysql://user:password@…/database", "never printed"],
    ["charset='utf8'", "", "the driver speaks utf8mb4"],
];

/// Prints the table.
pub(crate) fn print() {
    println!("{:<26} {:<33} what differs", "PooledDB", "SharedPool");
    for [python, rust, difference] in PARAMETERS {
        println!("{python:<26} {rust:<33} {difference}");
    }
    println!();
}
