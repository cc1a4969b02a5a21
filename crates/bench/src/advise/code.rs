//! The advice as Rust code to paste.
//!
//! It compiles: each form is kept in `tests/advised/`, which is a test's module, and the test holds
//! what is written here to that.

use std::time::Duration;

use super::database::Kind;
use super::turn::Model;
use super::turn::Setup;

/// A time-out shorter than this cannot tell a busy moment from an outage.
const SHORTEST: Duration = Duration::from_secs(1);
/// The pools' own.
const DEFAULT: Duration = Duration::from_secs(30);
/// Who waits for so many times what one in a hundred waits is not served for another reason.
const TIMES_P99: u32 = 100;

/// What the code says.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The pool.
    pub setup: Setup,
    /// The manager.
    pub kind: Kind,
    /// Whether a SQLite file was measured in the mode of the write-ahead log, which its manager sets
    /// unless it is told to leave the mode as it is.
    pub wal: bool,
    /// How long a `get` waits at most.
    pub get_timeout: Duration,
}

/// How long to wait at most where one wait in a hundred takes longer than `p99`: a hundred times that,
/// from one second to half a minute, in whole seconds.
#[must_use]
pub fn get_timeout(p99: Duration) -> Duration {
    let seconds = (p99 * TIMES_P99).as_secs_f64().ceil() as u64;
    Duration::from_secs(seconds).clamp(SHORTEST, DEFAULT)
}

/// A whole module: a function that builds the pool.
#[must_use]
pub fn render(settings: &Settings) -> String {
    let Settings { setup, kind, wal, get_timeout } = settings;
    let (pool, module) = (setup.model.pool(), setup.model.name());
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
    let limit = match setup.model {
        Model::Shared => "max_size",
        Model::Persistent => "max_threads",
        Model::Queue => "size",
    };
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
    fn the_time_out_is_a_hundred_times_the_tail_within_reason() {
        let of = |millis| get_timeout(Duration::from_millis(millis)).as_secs();
        assert_eq!([of(0), of(3), of(11), of(150), of(5_000)], [1, 1, 2, 15, 30]);
    }
}
