//! Finds the open connections without asking the pool.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use parking_lot::Mutex;
use threadwise::ManageConnection;
use threadwise_systems::{Connection, Source};

use crate::stage::Result;

/// Looks at the database's side.
pub(crate) struct Witness {
    place: Place,
    /// The name of the thread that has each session.
    names: Mutex<BTreeMap<i64, String>>,
}

enum Place {
    /// The server, through a connection that does not belong to the pool.
    Server(Mutex<Connection>),
    /// The log of a SQLite file.
    Log(PathBuf),
}

/// The connections that the database has open.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The threads whose sessions the server lists.
    Sessions(Vec<String>),
    /// How many handles this process has.
    Handles(usize),
    /// This system cannot show it.
    Nothing,
}

impl Witness {
    pub(crate) fn of(source: &Source) -> Result<Self> {
        let mut conn = source.manager().connect()?;
        let place = match &mut conn {
            Connection::Mysql(_) => Place::Server(Mutex::new(conn)),
            Connection::Sqlite(_) => {
                let files = conn.query("PRAGMA database_list", &[])?;
                Place::Log(format!("{}-wal", files[0].text(2)?).into())
            }
        };
        Ok(Self { place, names: Mutex::default() })
    }

    /// Notes that this session belongs to the thread `name`, and reads something.
    pub(crate) fn note(&self, name: &str, conn: &mut Connection) -> Result {
        match &self.place {
            Place::Server(_) => {
                let number = conn.query("SELECT CONNECTION_ID()", &[])?[0].integer(0)?;
                self.names.lock().insert(number, name.to_owned()); // no server gives one twice
            }
            Place::Log(_) => drop(conn.query("SELECT COUNT(*) FROM sqlite_master", &[])?),
        }
        Ok(())
    }

    /// The connections that are open now.
    pub(crate) fn look(&self) -> Result<Seen> {
        match &self.place {
            Place::Server(conn) => {
                let list = "SELECT id FROM information_schema.processlist";
                let rows = conn.lock().query(list, &[])?;
                let names = self.names.lock();
                let mut seen = Vec::new();
                for row in rows {
                    seen.extend(names.get(&row.integer(0)?).cloned());
                }
                seen.sort_unstable();
                Ok(Seen::Sessions(seen))
            }
            Place::Log(log) => match fs::read_dir("/proc/self/fd") {
                Ok(handles) => {
                    let files =
                        handles.filter_map(|handle| fs::read_link(handle.ok()?.path()).ok());
                    Ok(Seen::Handles(files.filter(|file| file == log).count()))
                }
                Err(_) => Ok(Seen::Nothing), // not Linux
            },
        }
    }

    pub(crate) fn heading(&self) -> &'static str {
        match self.place {
            Place::Server(_) => "on the server's list",
            Place::Log(_) => "handles of the log",
        }
    }
}

impl Seen {
    /// Whether these threads have connections, as far as the database shows it.
    pub(crate) fn are(&self, who: &[&str]) -> bool {
        match self {
            Self::Sessions(names) => names == who,
            Self::Handles(count) => *count == who.len(),
            Self::Nothing => true,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sessions(names) if names.is_empty() => f.write_str("none"),
            Self::Sessions(names) => f.write_str(&names.join(", ")),
            Self::Handles(count) => write!(f, "{count}"),
            Self::Nothing => f.write_str("?"),
        }
    }
}
