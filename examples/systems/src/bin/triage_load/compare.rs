//! Measures a server for each kind of pool in turn, each with a fresh database.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use mysql::prelude::Queryable;
use tempfile::TempDir;
use threadwise_systems::args::count;
use threadwise_systems::{PoolChoice, Program, Shutdown, Turn};
use url::Url;

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
    #[arg(value_parser = count(1000))]
    connections: usize,

    /// With --compare: worker threads of the server.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "compare")]
    #[arg(value_parser = count(1000))]
    workers: usize,
}

impl Servers {
    /// Runs one turn on each kind of pool. At Ctrl-C the turn ends, and with it its server and its
    /// database.
    pub(crate) fn compare(
        &self,
        clients: usize,
        time: Duration,
    ) -> Result<Vec<Turn>, Box<dyn Error>> {
        let shutdown = Shutdown::on_signals()?;
        let turn = |kind: PoolChoice| match self.turn(&kind.to_string(), clients, time) {
            _ if shutdown.has_begun() => Err("interrupted".into()),
            turn => turn,
        };
        PoolChoice::ALL.into_iter().map(turn).collect()
    }

    fn turn(&self, kind: &str, clients: usize, time: Duration) -> Result<Turn, Box<dyn Error>> {
        let database = Database::create(&self.db, kind)?;
        let [connections, workers] = [self.connections, self.workers].map(|n| n.to_string());
        let options = [("--pool", kind), ("--connections", &connections), ("--workers", &workers)];
        let server = Program::start("triage_server", &database.url(), &options)?;
        let turn = load::turn(kind, server.address(), clients, time)?;
        server.finish()?;
        Ok(turn)
    }
}

/// A database that this value removes when it is dropped.
enum Database {
    File(TempDir),
    OnServer { server: Url, name: String },
}

impl Database {
    fn create(db: &str, kind: &str) -> Result<Self, Box<dyn Error>> {
        if db == "sqlite" {
            return Ok(Self::File(tempfile::Builder::new().prefix("triage-").tempdir()?));
        }
        let server = Url::parse(db).ok().filter(|url| url.scheme() == "mysql");
        let server = server.ok_or("--db: write `sqlite` or `mysql://user:password@host:port`")?;
        let name = format!("triage_{}_{kind}", std::process::id());
        run(&server, &format!("CREATE DATABASE {name}"))?;
        Ok(Self::OnServer { server, name })
    }

    fn url(&self) -> String {
        match self {
            Self::File(folder) => format!("sqlite:{}", folder.path().join("triage.db").display()),
            Self::OnServer { server, name } => {
                let mut url = server.clone();
                url.set_path(name);
                url.into()
            }
        }
    }
}

fn run(server: &Url, sql: &str) -> mysql::Result<()> {
    mysql::Conn::new(mysql::Opts::from_url(server.as_str())?)?.query_drop(sql)
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::OnServer { server, name } = self else { return };
        if let Err(error) = run(server, &format!("DROP DATABASE {name}")) {
            eprintln!("the database {name} is still there: {}", threadwise::chain(&error));
        }
    }
}
