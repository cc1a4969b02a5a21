//! The keys of the SQLite manager.

use super::keys::{Key, Keys, Problem, Values, missing};
use crate::config::value::{self, Read};
use crate::sqlite::SqliteManager;
use crate::sqlite::rusqlite::OpenFlags;

impl Keys for SqliteManager {
    const WHAT: &'static str = "a SQLite manager";
    const URL_KEY: &'static str = "path";
    const KEYS: &'static [Key] = &[
        Key::new("path", |text| path(text).map(drop)),
        Key::new("memory", |text| value::flag(text).map(drop)),
        Key::new("mode", |text| flags(text).map(drop)),
        Key::new("busy_timeout", |text| value::time(text).map(drop)),
        Key::new("wal", |text| value::flag(text).map(drop)),
    ];

    fn build(values: &Values<'_>) -> Result<Self, Problem> {
        let in_memory = values.read("memory", value::flag)? == Some(true);
        if in_memory {
            values.exclude("memory", &["path", "mode", "wal"])?;
        }
        let mut manager = match values.get("path") {
            Some(path) => Self::file(path),
            None if in_memory => Self::memory(),
            None => return Err(missing("path", "set `memory` to `true`")),
        };
        if let Some(flags) = values.read("mode", flags)? {
            manager = manager.with_flags(flags);
        }
        if let Some(timeout) = values.read("busy_timeout", value::time)? {
            manager = manager.busy_timeout(timeout);
        }
        if let Some(wal) = values.read("wal", value::flag)? {
            manager = manager.wal(wal);
        }
        Ok(manager)
    }

    fn settings_as_texts(&self) -> Vec<(&'static str, String)> {
        self.settings()
    }
}

/// The manager would refuse these at each connect.
fn path(text: &str) -> Read<()> {
    match text {
        "" | ":memory:" => Err(value::wrong(text, "a path, such as `shop.db`; or set `memory`")),
        _ => Ok(()),
    }
}

fn flags(text: &str) -> Read<OpenFlags> {
    let all = OpenFlags::default();
    let create = OpenFlags::SQLITE_OPEN_CREATE;
    let write = OpenFlags::SQLITE_OPEN_READ_WRITE;
    match text.trim() {
        "read_write_create" => Ok(all),
        "read_write" => Ok(all - create),
        "read_only" => Ok((all - create - write) | OpenFlags::SQLITE_OPEN_READ_ONLY),
        _ => Err(value::wrong(text, "`read_write_create`, `read_write` or `read_only`")),
    }
}
