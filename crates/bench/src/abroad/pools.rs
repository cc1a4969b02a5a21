//! The pools of other languages: one row for each. The programs are in `crates/bench/abroad`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use threadwise_figures::Backend;

use super::program::Program;
use super::protocol::Job;
use crate::Failure;

/// The language of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// CPython.
    Python,
    /// A Java virtual machine.
    Java,
    /// Compiled Go.
    Go,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 3] = [Self::Python, Self::Java, Self::Go];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Java => "Java",
            Self::Go => "Go",
        }
    }

    /// What a reader has to know before comparing figures with those of another language.
    #[must_use]
    pub fn unfair(self) -> &'static str {
        match self {
            Self::Python => {
                "its interpreter runs one thread at a time (GIL) and gives a running thread 5 ms, \
                 so with several threads the figures are more its own than the pool's"
            }
            Self::Java => {
                "compiles while it runs (JIT): it works for ten windows before the first round, \
                 but a pause for compilation or garbage may fall into any round"
            }
            Self::Go => {
                "has goroutines instead of threads: a handoff between two of them needs no switch \
                 of threads by the system"
            }
        }
    }
}

/// A row: a pool of another language.
#[derive(Debug)]
struct Row {
    name: &'static str,
    language: Language,
    /// The drivers with which it runs on MariaDB. The first is part of no name if it is the only
    /// one.
    drivers: &'static [&'static str],
    about: &'static str,
    /// What its defaults do, and what it does not have.
    unfair: &'static str,
    /// Whether it has a connection for each thread, whatever the size.
    is_per_thread: bool,
}

const PYTHON_DRIVERS: &[&str] = &["pymysql", "mysqlclient"];

const ROWS: [Row; 5] = [
    Row {
        name: "pooleddb",
        language: Language::Python,
        drivers: PYTHON_DRIVERS,
        about: "DBUtils PooledDB, with maxconnections and blocking set",
        unfair: "pings the server at each borrow and rolls back at each return; opens connections \
                 one at a time; has no timeout",
        is_per_thread: false,
    },
    Row {
        name: "persistentdb",
        language: Language::Python,
        drivers: PYTHON_DRIVERS,
        about: "DBUtils PersistentDB: each thread has its own connection",
        unfair: "pings the server at each borrow, and does not roll back at a return",
        is_per_thread: true,
    },
    Row {
        name: "sqlalchemy",
        language: Language::Python,
        drivers: PYTHON_DRIVERS,
        about: "SQLAlchemy's QueuePool without an Engine, with max_overflow=0",
        unfair: "rolls back at each return, and does not validate at a borrow",
        is_per_thread: false,
    },
    Row {
        name: "hikaricp",
        language: Language::Java,
        drivers: &["connector-j"],
        about: "HikariCP",
        unfair: "validates only what was idle for 0.5 s; Debian 12 has version 2.7.9 of 2018",
        is_per_thread: false,
    },
    Row {
        name: "database-sql",
        language: Language::Go,
        drivers: &["go-mysql"],
        about: "Go's database/sql, with SetMaxOpenConns and SetMaxIdleConns",
        unfair: "looks at the socket at each borrow, without a round trip; has no timeout but the \
                 caller's",
        is_per_thread: false,
    },
];

/// What is unfair about a driver. Our pools prepare a statement once and keep it.
fn unfair_driver(driver: &str) -> &'static str {
    match driver {
        "pymysql" => "is written in Python; sends statements as text",
        "mysqlclient" => "is written in C; sends statements as text",
        "connector-j" => "sends statements as text; Debian 12 has version 2.7.6 of 2022",
        _ => "sends statements as text (interpolateParams); Debian 12 has version 1.5.0 of 2020",
    }
}

/// A pool of another language, with its driver.
#[derive(Clone, Copy, Debug)]
pub struct ForeignPool {
    row: &'static Row,
    /// `None` for connections that do nothing.
    driver: Option<&'static str>,
}

impl ForeignPool {
    /// Returns the pools that run on a backend: on MariaDB, each with each of its drivers.
    #[must_use]
    pub fn all_on(backend: Backend) -> Vec<Self> {
        let with = |row, driver| Self { row, driver };
        match backend {
            Backend::Synthetic => ROWS.iter().map(|row| with(row, None)).collect(),
            Backend::Sqlite => Vec::new(),
            Backend::Mysql => {
                let of = |row: &'static Row| row.drivers.iter().map(move |it| with(row, Some(*it)));
                ROWS.iter().flat_map(of).collect()
            }
        }
    }

    /// Returns the name of the pool without its driver.
    #[must_use]
    pub fn base_name(self) -> &'static str {
        self.row.name
    }

    /// Returns the name in reports. The driver is part of it if there is a choice.
    #[must_use]
    pub fn name(self) -> String {
        match self.driver {
            Some(driver) if self.row.drivers.len() > 1 => format!("{}-{driver}", self.row.name),
            _ => self.row.name.into(),
        }
    }

    /// Returns a description in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.row.about
    }

    /// Returns the language.
    #[must_use]
    pub fn language(self) -> Language {
        self.row.language
    }

    /// Whether it has a connection for each thread, whatever the size.
    #[must_use]
    pub fn is_per_thread(self) -> bool {
        self.row.is_per_thread
    }

    /// Returns the driver; `None` on connections that do nothing.
    #[must_use]
    pub fn driver(self) -> Option<&'static str> {
        self.driver
    }

    /// Says what is unfair about the pool. [`Language::unfair`] has what is unfair about the
    /// language.
    #[must_use]
    pub fn unfair(self) -> &'static str {
        self.row.unfair
    }

    /// Says what is unfair about the driver.
    #[must_use]
    pub fn unfair_driver(self) -> Option<&'static str> {
        self.driver.map(unfair_driver)
    }

    /// Starts its program.
    ///
    /// # Errors
    ///
    /// If the program is not installed, fails, or is not ready in time.
    pub(super) fn start(self, programs: &Programs, job: &Job) -> Result<Program, Failure> {
        let mut command = programs.command(self.row.language);
        command.arg(format!("pool={}", self.row.name));
        command.arg(format!("driver={}", self.driver.unwrap_or("none")));
        command.args(job.arguments());
        Program::start(&self.name(), command)
    }
}

impl fmt::Display for ForeignPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

/// Where the programs are: `setup.sh` builds them there.
#[derive(Clone, Debug)]
pub struct Programs {
    built: PathBuf,
}

impl Programs {
    /// The programs in this directory.
    #[must_use]
    pub fn at(built: impl Into<PathBuf>) -> Self {
        Self { built: built.into() }
    }

    /// Whether the program of a language was built.
    #[must_use]
    pub fn has(&self, language: Language) -> bool {
        self.built_file(language).exists()
    }

    fn built_file(&self, language: Language) -> PathBuf {
        self.built.join(match language {
            Language::Python => "venv/bin/python",
            Language::Java => "java/classes/Pools.class",
            Language::Go => "go/pools",
        })
    }

    fn command(&self, language: Language) -> Command {
        let built = self.built_file(language);
        match language {
            Language::Python => {
                let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("abroad/python/pools.py");
                let mut command = Command::new(built);
                command.arg(source);
                command
            }
            Language::Java => {
                let java = self.built.join("java");
                let class_path = format!("{0}/classes:{0}/jars/*", java.display());
                let mut command = Command::new("java");
                command.args(["-cp", &class_path, "Pools"]);
                command
            }
            Language::Go => Command::new(built),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_have_the_driver_if_there_is_a_choice() {
        let names = |backend| {
            let pools = ForeignPool::all_on(backend);
            pools.into_iter().map(ForeignPool::name).collect::<Vec<_>>()
        };
        let synthetic = ["pooleddb", "persistentdb", "sqlalchemy", "hikaricp", "database-sql"];
        assert_eq!(names(Backend::Synthetic), synthetic);
        let mysql = names(Backend::Mysql);
        assert_eq!(mysql[..2], ["pooleddb-pymysql", "pooleddb-mysqlclient"]);
        assert_eq!(mysql[6..], ["hikaricp", "database-sql"]);
        assert_eq!(names(Backend::Sqlite), [""; 0]);
    }
}
