//! The pools of other languages: one row for each. The programs are in `crates/bench/abroad`.

use std::path::{Path, PathBuf};
use std::process::Command;

use threadwise_figures::{Backend, Note};

use self::Language::{Go, Java, Python};
use super::program::Program;
use super::protocol::Job;
use crate::Result;

/// The language of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// CPython.
    Python,
    /// A Java virtual machine.
    Java,
    /// Compiled Go.
    Go,
}

impl Language {
    /// All languages.
    pub(super) const ALL: [Self; 3] = [Python, Java, Go];

    pub(super) fn name(self) -> &'static str {
        match self {
            Python => "Python",
            Java => "Java",
            Go => "Go",
        }
    }

    /// What a reader has to know before comparing figures with those of another language.
    fn unfair(self) -> &'static str {
        match self {
            Python => {
                "its interpreter runs one thread at a time (GIL) and gives a running thread 5 ms, \
                 so with several threads the figures are more its own than the pool's"
            }
            Java => {
                "compiles while it runs (JIT): it works for ten windows before the first round, \
                 but a pause for compilation or garbage may fall into any round"
            }
            Go => {
                "has goroutines instead of threads: a handoff between two of them needs no switch \
                 of threads by the system"
            }
        }
    }
}

/// A driver for MariaDB. Our pools prepare a statement once and keep it.
#[derive(Debug)]
struct Driver {
    name: &'static str,
    unfair: &'static str,
}

/// A row: a pool of another language.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) language: Language,
    /// The drivers with which it runs on MariaDB. The first is part of no name if it is the only
    /// one.
    drivers: &'static [Driver],
    /// Whether it has a connection for each thread, whatever the size.
    pub(super) is_per_thread: bool,
    about: &'static str,
    /// What its defaults do, and what it does not have.
    unfair: &'static str,
}

#[rustfmt::skip]
const OF_PYTHON: &[Driver] = &[
    Driver { name: "pymysql", unfair: "is written in Python; sends statements as text" },
    Driver { name: "mysqlclient", unfair: "is written in C; sends statements as text" },
];
#[rustfmt::skip]
const OF_JAVA: &[Driver] = &[Driver { name: "connector-j",
    unfair: "sends statements as text; Debian 12 has version 2.7.6 of 2022" }];
#[rustfmt::skip]
const OF_GO: &[Driver] = &[Driver { name: "go-mysql",
    unfair: "sends statements as text (interpolateParams); Debian 12 has version 1.5.0 of 2020" }];

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { name: "pooleddb", language: Python, drivers: OF_PYTHON, is_per_thread: false,
        about: "DBUtils PooledDB, with maxconnections and blocking set",
        unfair: "pings the server at each borrow and rolls back at each return; opens connections one at a time; has no timeout" },
    Row { name: "persistentdb", language: Python, drivers: OF_PYTHON, is_per_thread: true,
        about: "DBUtils PersistentDB: each thread has its own connection",
        unfair: "pings the server at each borrow, and does not roll back at a return" },
    Row { name: "sqlalchemy", language: Python, drivers: OF_PYTHON, is_per_thread: false,
        about: "SQLAlchemy's QueuePool without an Engine, with max_overflow=0",
        unfair: "rolls back at each return, and does not validate at a borrow" },
    Row { name: "hikaricp", language: Java, drivers: OF_JAVA, is_per_thread: false,
        about: "HikariCP",
        unfair: "validates only what was idle for 0.5 s; Debian 12 has version 2.7.9 of 2018" },
    Row { name: "database-sql", language: Go, drivers: OF_GO, is_per_thread: false,
        about: "Go's database/sql, with SetMaxOpenConns and SetMaxIdleConns",
        unfair: "looks at the socket at each borrow, without a round trip; has no timeout but the caller's" },
];

/// A pool of another language, with its driver.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForeignPool {
    pub(super) row: &'static Row,
    /// `None` for connections that do nothing.
    driver: Option<&'static Driver>,
}

impl ForeignPool {
    /// Returns the pools that run on a backend: on MariaDB, each with each of its drivers.
    pub(super) fn all_on(backend: Backend) -> Vec<Self> {
        let with_drivers = |row: &'static Row| {
            row.drivers.iter().map(move |driver| Self { row, driver: Some(driver) })
        };
        match backend {
            Backend::Synthetic => ROWS.iter().map(|row| Self { row, driver: None }).collect(),
            Backend::Sqlite | Backend::Postgres => Vec::new(),
            Backend::Mysql => ROWS.iter().flat_map(with_drivers).collect(),
        }
    }

    /// Returns the name in reports. The driver is part of it if there is a choice.
    pub(super) fn name(self) -> String {
        match self.driver {
            Some(driver) if self.row.drivers.len() > 1 => {
                format!("{}-{}", self.row.name, driver.name)
            }
            _ => self.row.name.into(),
        }
    }

    /// What a report says about it, with the versions that its program told with commas between them.
    pub(super) fn note(self, versions: Option<&str>) -> Note {
        let Self { row, driver } = self;
        let versions = versions.unwrap_or_default().split(", ").filter(|it| !it.is_empty());
        Note {
            pool: self.name(),
            base_name: row.name.into(),
            about: row.about.into(),
            unfair: row.unfair.into(),
            language: row.language.name().into(),
            unfair_language: row.language.unfair().into(),
            driver: driver.map(|driver| driver.name.into()),
            unfair_driver: driver.map(|driver| driver.unfair.into()),
            versions: versions.map(Into::into).collect(),
        }
    }

    /// Starts its program.
    ///
    /// # Errors
    ///
    /// If the program is not installed, fails, or is not ready in time.
    pub(super) fn start(self, programs: &Programs, job: &Job) -> Result<Program> {
        let mut command = programs.command(self.row.language);
        command.arg(format!("pool={}", self.row.name));
        command.arg(format!("driver={}", self.driver.map_or("none", |driver| driver.name)));
        command.args(job.arguments());
        Program::start(&self.name(), command)
    }
}

/// Where the programs are: `setup.sh` builds them there.
#[derive(Clone, Debug)]
pub struct Programs {
    built: PathBuf,
}

impl Programs {
    /// The programs in this directory.
    pub fn at(built: impl Into<PathBuf>) -> Self {
        Self { built: built.into() }
    }

    /// Whether the program of a language was built.
    pub(super) fn has(&self, language: Language) -> bool {
        self.built_file(language).exists()
    }

    fn built_file(&self, language: Language) -> PathBuf {
        self.built.join(match language {
            Python => "venv/bin/python",
            Java => "java/classes/Pools.class",
            Go => "go/pools",
        })
    }

    fn command(&self, language: Language) -> Command {
        let mut command = match language {
            Java => Command::new("java"),
            Python | Go => Command::new(self.built_file(language)),
        };
        match language {
            Python => {
                command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("abroad/python/pools.py"));
            }
            Java => {
                let java = self.built.join("java");
                let class_path = format!("{0}/classes:{0}/jars/*", java.display());
                command.args(["-cp", &class_path, "Pools"]);
            }
            Go => {}
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use threadwise_figures::Report;
    use threadwise_page::table::render_unfair;
    use threadwise_page::width::Width;

    use super::*;

    #[test]
    fn what_is_unfair_names_each_language_pool_driver_and_version_once() {
        let note = |pool: ForeignPool| {
            let driver = pool.driver.map_or("none", |driver| driver.name);
            pool.note(Some(&format!("{driver} 1, {} 2", pool.row.language.name())))
        };
        let pools = [Backend::Synthetic, Backend::Mysql].into_iter().flat_map(ForeignPool::all_on);
        let report = Report { abroad: pools.map(note).collect(), ..Report::default() };
        let text = render_unfair(&report, Width::UNLIMITED);
        let lines = |start: &str| text.lines().filter(|it| it.trim().starts_with(start)).count();
        for once in ["Python (", "Java (", "Go (", "pooleddb (", "hikaricp (", "pymysql:"] {
            assert_eq!(lines(once), 1, "{once} in {text}");
        }
        assert!(text.contains("Python (none 1, Python 2, pymysql 1, mysqlclient 1):"), "{text}");
    }

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
