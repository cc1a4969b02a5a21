//! Measures a server for each kind of pool in turn, each with a fresh database.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use mysql::prelude::Queryable;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use threadwise_systems::{PoolChoice, Shutdown, Turn};

use crate::load;

/// The options of `--compare`.
#[derive(Args)]
pub(crate) struct Servers {
    /// With --compare: `sqlite` (a file that is synced at each commit) or
    /// `mysql://user:password@host:port`, where each server has a database of its own.
    #[arg(long, value_name = "URL", env = "THREADWISE_DB", hide_env_values = true)]
    #[arg(default_value = "sqlite")]
    db: String,

    /// With --compare: connections, for the pools that have a size.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "compare")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    connections: usize,

    /// With --compare: worker threads of the server.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "compare")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    workers: usize,
}

impl Servers {
    /// Runs one turn on each kind of pool.
    pub(crate) fn compare(
        &self,
        clients: usize,
        time: Duration,
    ) -> Result<Vec<Turn>, Box<dyn Error>> {
        // At Ctrl-C the turn ends, and with it its server and its database.
        let shutdown = Shutdown::on_signals()?;
        let turn = |kind| match self.turn(kind, clients, time) {
            _ if shutdown.has_begun() => Err("interrupted".into()),
            turn => turn,
        };
        PoolChoice::ALL.into_iter().map(turn).collect()
    }

    fn turn(
        &self,
        kind: PoolChoice,
        clients: usize,
        time: Duration,
    ) -> Result<Turn, Box<dyn Error>> {
        let database = Database::create(&self.db, kind)?;
        let server = Server::start(self, kind, &database.url())?;
        let turn = load::turn(&kind.to_string(), &server.address, clients, time)?;
        server.finish()?;
        Ok(turn)
    }
}

/// A database that this value removes when it is dropped.
enum Database {
    File(TempDir),
    OnServer { url: String, name: String },
}

impl Database {
    fn create(db: &str, kind: PoolChoice) -> Result<Self, Box<dyn Error>> {
        if db == "sqlite" {
            return Ok(Self::File(tempfile::Builder::new().prefix("triage-").tempdir()?));
        }
        if !db.starts_with("mysql://") {
            return Err("--db: write `sqlite` or `mysql://user:password@host:port`".into());
        }
        let name = format!("triage_{}_{kind}", std::process::id());
        mysql::Conn::new(mysql::Opts::from_url(db)?)?
            .query_drop(format!("CREATE DATABASE {name}"))?;
        Ok(Self::OnServer { url: db.to_owned(), name })
    }

    fn url(&self) -> String {
        match self {
            Self::File(folder) => format!("sqlite:{}", folder.path().join("triage.db").display()),
            Self::OnServer { url, name } => with_database(url, name),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::OnServer { url, name } = self else { return };
        let dropped = mysql::Opts::from_url(url)
            .map_err(mysql::Error::from)
            .and_then(|opts| mysql::Conn::new(opts)?.query_drop(format!("DROP DATABASE {name}")));
        if let Err(error) = dropped {
            eprintln!("the database {name} is still there: {}", threadwise::chain(&error));
        }
    }
}

/// The same URL with another database: `mysql://user:password@host:port/old?options`.
fn with_database(url: &str, name: &str) -> String {
    let (address, options) = url.split_once('?').map_or((url, None), |(a, o)| (a, Some(o)));
    let host = address.strip_prefix("mysql://").expect("it was looked at");
    let host = host.split('/').next().expect("at least one part");
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("mysql://{host}/{name}{options}")
}

/// A server that stops when this value is dropped.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start(options: &Servers, kind: PoolChoice, db: &str) -> Result<Self, Box<dyn Error>> {
        let program = beside_this("triage_server")?;
        let mut child = Command::new(&program)
            .args(["--pool", &kind.to_string()])
            .args(["--connections", &options.connections.to_string()])
            .args(["--workers", &options.workers.to_string()])
            .env("THREADWISE_DB", db) // not an argument: all users can see those
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()) // little, and only of interest if it fails
            .spawn()
            .map_err(|error| {
                let build = "cargo build -p threadwise-systems --bins";
                format!("{}: {error}; `{build}` makes it", program.display())
            })?;
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut server = Self { child, output, address: String::new() };
        loop {
            let mut line = String::new();
            if server.output.read_line(&mut line)? == 0 {
                let errors = server.errors();
                return Err(format!("the server with pool {kind} did not start: {errors}").into());
            }
            if let Some(address) = line.trim().strip_prefix("listening on ") {
                server.address = address.to_owned();
                return Ok(server);
            }
        }
    }

    /// Lets the server finish its work, and expects success.
    fn finish(mut self) -> Result<(), Box<dyn Error>> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("the server ended with {status}: {}", self.errors()).into());
        }
        Ok(())
    }

    fn errors(&mut self) -> String {
        let mut errors = String::new();
        if let Some(pipe) = &mut self.child.stderr {
            let _ = pipe.read_to_string(&mut errors); // what can be read
        }
        errors
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended, unless something failed
        let _ = self.child.wait();
    }
}

fn beside_this(program: &str) -> std::io::Result<PathBuf> {
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    Ok(std::env::current_exe()?.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_all_but_its_database() {
        for (url, expected) in [
            ("mysql://me:pw@host:3306", "mysql://me:pw@host:3306/new"),
            ("mysql://me:pw@host/old", "mysql://me:pw@host/new"),
            ("mysql://me@host/old?a=b/c", "mysql://me@host/new?a=b/c"),
        ] {
            assert_eq!(with_database(url, "new"), expected);
        }
    }
}
