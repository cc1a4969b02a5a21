//! The advice as Rust code to paste.
//!
//! It compiles: `tests/advised/` has a copy of each form, as modules of a test, and that test
//! compares the code from here with the copies.

use std::time::Duration;

use crate::address::Kind;
use crate::turn::{Setup, names};

/// A shorter timeout could not tell a busy moment from an outage.
const SHORTEST: Duration = Duration::from_secs(1);
/// The default of the pools.
const DEFAULT: Duration = Duration::from_secs(30);
/// A wait of this many times the p99 has another cause than load.
const TIMES_P99: u32 = 100;

/// What the code contains.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The pool.
    pub setup: Setup,
    /// The manager.
    pub kind: Kind,
    /// Whether a SQLite file was measured in write-ahead log mode. The manager sets this mode
    /// unless the code tells it to keep the file's own.
    pub wal: bool,
    /// How long `get` waits at most.
    pub get_timeout: Duration,
}

/// The timeout to advise if one wait in a hundred takes longer than `p99`: a hundred times that, in
/// whole seconds, at least one second and at most half a minute.
pub fn get_timeout(p99: Duration) -> Duration {
    let seconds = (p99 * TIMES_P99).as_secs_f64().ceil() as u64;
    Duration::from_secs(seconds).clamp(SHORTEST, DEFAULT)
}

/// The code of a whole module, with a function that builds the pool.
pub fn render(settings: &Settings) -> String {
    let Settings { setup, kind, wal, get_timeout } = settings;
    let ((pool, limit), module) = (names(setup.kind), setup.kind.name());
    let (manager, driver, argument, open) = match kind {
        Kind::Mysql => ("MysqlManager", "mysql", "url: &str", "MysqlManager::from_url(url)?"),
        Kind::Sqlite => {
            let open = if *wal {
                "SqliteManager::file(path)"
            } else {
                "SqliteManager::file(path).wal(false)"
            };
            ("SqliteManager", "sqlite", "path: &Path", open)
        }
    };
    let mut uses = vec!["use std::error::Error;".to_owned(), "use std::time::Duration;".to_owned()];
    if *kind == Kind::Sqlite {
        uses.insert(1, "use std::path::Path;".to_owned());
    }
    let uses = uses.join("\n");
    let mut crates = [
        format!("use threadwise::{driver}::{manager};"),
        format!("use threadwise::{module}::{pool};"),
    ];
    crates.sort();
    let crates = crates.join("\n");
    let (size, seconds) = (setup.size, get_timeout.as_secs());
    format!(
        "// Cargo.toml: threadwise = {{ path = \"../threadwise\", features = [\"{driver}\"] }}
// The path leads to your copy of threadwise.
{uses}

{crates}

pub fn pool({argument}) -> Result<{pool}<{manager}>, Box<dyn Error>> {{
    let manager = {open};
    let pool = {pool}::builder()
        .{limit}({size})
        .get_timeout(Duration::from_secs({seconds}))
        .build(manager)?;
    Ok(pool)
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_is_a_hundred_times_the_p99_between_1_and_30_seconds() {
        let of = |millis| get_timeout(Duration::from_millis(millis)).as_secs();
        assert_eq!([of(0), of(3), of(11), of(150), of(5_000)], [1, 1, 2, 15, 30]);
    }
}
