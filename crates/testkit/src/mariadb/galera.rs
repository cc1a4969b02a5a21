//! A private Galera cluster: several MariaDB servers that replicate to each other.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql::prelude::Queryable;

use super::{MariaDb, StartError, process, queries};
use crate::server::{poll, port};

/// How long a node may take to join.
const JOIN_LIMIT: Duration = Duration::from_secs(60);
/// Where packages put the library.
const USUAL_PROVIDERS: &[&str] = &[
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib64/galera/libgalera_smm.so",
];

/// Tells a node where it was.
const POSITION: &str = "--wsrep-start-position=";
/// A state transfer that copies nothing. The server calls it by its name.
const TRANSFER: (&str, &str) = ("wsrep_sst_nothing", include_str!("wsrep_sst_nothing.sh"));
/// Begins a cluster instead of joining one.
const NEW_CLUSTER: &str = "--wsrep-new-cluster";

/// How fast the nodes notice that one of them is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timers {
    /// Galera's own values: some six seconds.
    Stock,
    /// Less than a second, for tests.
    Fast,
}

const FAST: &str = "evs.keepalive_period=PT0.2S;evs.inactive_check_period=PT0.1S;evs.suspect_timeout=PT0.6S;\
     evs.inactive_timeout=PT2S;evs.install_timeout=PT2S;evs.join_retrans_period=PT0.2S;gmcast.time_wait=PT0.5S;\
     gmcast.peer_timeout=PT0.6S;pc.announce_timeout=PT0.6S;evs.delay_margin=PT0.2S";

/// A running cluster on 127.0.0.1. Each node ends with this value, as a [`MariaDb`] does.
///
/// A node that was stopped or killed joins again without a copy of all data: it gets what it missed
/// from the memory of another node.
pub struct Galera {
    nodes: Vec<MariaDb>,
}

/// Why the cluster does not run.
#[derive(Debug)]
#[non_exhaustive]
pub enum GaleraError {
    /// The library is not installed. The paths that were searched.
    NoProvider(Vec<PathBuf>),
    /// A node does not start.
    Start(StartError),
    /// A node runs, and has not joined in time. Its number, and what it said last.
    NotJoined(usize, String),
}

impl fmt::Display for GaleraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProvider(searched) => write!(
                f,
                "Galera's library is not installed: install the package `galera-4`, or set GALERA_PROVIDER to it \
                 (searched {searched:?})"
            ),
            Self::Start(_) => f.write_str("a node of the private Galera cluster does not start"),
            Self::NotJoined(node, said) => {
                write!(f, "node {node} did not join within {JOIN_LIMIT:?}: {said}")
            }
        }
    }
}

impl std::error::Error for GaleraError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            _ => None,
        }
    }
}

impl Galera {
    /// Starts a cluster of so many nodes, in two seconds or so each.
    ///
    /// # Errors
    ///
    /// If the library or the server is not installed, or a node does not start or join.
    pub fn start(count: usize, timers: Timers) -> Result<Self, GaleraError> {
        let provider = find_provider()?;
        let ports: Vec<u16> =
            (0..count).map(|_| port::free()).collect::<Result<_, _>>().map_err(|error| {
                GaleraError::Start(StartError::io("find a free port", "127.0.0.1")(error))
            })?;
        let members: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut cluster = Self { nodes: Vec::new() };
        for (index, port) in ports.iter().enumerate() {
            let arguments = arguments(index, *port, &provider, &members.join(","), timers);
            cluster.add(arguments).map_err(GaleraError::Start)?;
            cluster.await_joined(index)?;
        }
        Ok(cluster)
    }

    /// Starts one more node.
    fn add(&mut self, arguments: Vec<String>) -> Result<(), StartError> {
        let builder = MariaDb::builder().max_connections(400);
        let builder = arguments.into_iter().fold(builder, super::Builder::arg);
        let mut node = MariaDb::prepare(builder)?;
        node.install_transfer()?;
        match self.position() {
            // All begin with the same data. So a node that is told where the first one is needs no copy.
            Some(position) => node.save_position(&position)?,
            None => node.settings.arguments.push(NEW_CLUSTER.into()),
        }
        node.launch_on_free_port()?;
        node.settings.arguments.retain(|argument| argument != NEW_CLUSTER);
        self.nodes.push(node);
        Ok(())
    }

    /// A node. Numbers begin at 0.
    #[must_use]
    pub fn node(&self, index: usize) -> &MariaDb {
        &self.nodes[index]
    }

    /// A node, to stop, kill, freeze or thaw it.
    pub fn node_mut(&mut self, index: usize) -> &mut MariaDb {
        &mut self.nodes[index]
    }

    /// How many nodes there are, running or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Starts a node that was stopped or killed, and waits until it has what it missed.
    ///
    /// # Errors
    ///
    /// If it does not start or join.
    pub fn rejoin(&mut self, index: usize) -> Result<(), GaleraError> {
        let node = &mut self.nodes[index];
        node.stop();
        node.restart_at_its_position().map_err(GaleraError::Start)?;
        self.await_joined(index)
    }

    /// Where the cluster is: its UUID and the number of its last transaction.
    fn position(&self) -> Option<(String, String)> {
        let first = self.nodes.first()?;
        Some((status(first, "wsrep_cluster_state_uuid")?, status(first, "wsrep_last_committed")?))
    }

    /// Waits until a running node is one of the cluster, and has what it missed.
    ///
    /// # Errors
    ///
    /// If that takes too long.
    pub fn await_joined(&self, index: usize) -> Result<(), GaleraError> {
        let mut said = None;
        poll::until(JOIN_LIMIT, || {
            said = status(&self.nodes[index], "wsrep_local_state_comment");
            (said.as_deref() == Some("Synced")).then_some(())
        })
        .ok_or_else(|| {
            let said = said.unwrap_or_else(|| "nothing".to_owned());
            let log = self.nodes[index].home.log_summary();
            GaleraError::NotJoined(index, format!("{said}; its log: {log}"))
        })
    }
}

impl fmt::Debug for Galera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Galera").field("nodes", &self.nodes).finish()
    }
}

impl MariaDb {
    /// Writes the program that the server calls for a state transfer, where the server finds it.
    fn install_transfer(&self) -> Result<(), StartError> {
        let (name, text) = TRANSFER;
        let path = self.home.path().join(name);
        let write = || {
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        };
        write().map_err(StartError::io("write", &path))
    }

    /// Writes the file from which a node learns where it was: the cluster's UUID and a transaction's
    /// number.
    fn save_position(&self, (uuid, number): &(String, String)) -> Result<(), StartError> {
        let path = self.saved_state();
        let text = format!(
            "# GALERA saved state\nversion: 2.1\nuuid:    {uuid}\nseqno:   {number}\nsafe_to_bootstrap: 0\n"
        );
        fs::write(&path, text).map_err(StartError::io("write", &path))
    }

    fn saved_state(&self) -> PathBuf {
        self.home.data().join("grastate.dat")
    }

    /// Starts a node that tells the cluster where it was. So it gets what it missed, and no copy of all.
    fn restart_at_its_position(&mut self) -> Result<(), StartError> {
        let position = match self.saved_position() {
            Some(position) => Some(position),
            None => self.recovered_position()?,
        };
        if let Some(position) = &position {
            self.save_position(position)?;
            let (uuid, number) = position;
            self.settings.arguments.push(format!("{POSITION}{uuid}:{number}").into());
        }
        let outcome = self.restart();
        let is_position = |it: &OsString| it.to_str().is_some_and(|it| it.starts_with(POSITION));
        self.settings.arguments.retain(|argument| !is_position(argument));
        outcome
    }

    /// Where a node was that was stopped properly.
    fn saved_position(&self) -> Option<(String, String)> {
        let saved = fs::read_to_string(self.saved_state()).ok()?;
        let of = |name: &str| {
            saved.lines().find_map(|line| line.strip_prefix(name)).map(|it| it.trim().to_owned())
        };
        Some((of("uuid:")?, of("seqno:")?)).filter(|(_, number)| number != "-1")
    }

    /// Where a killed node was, by its tables: asks the server program, which reads them. `None` if it
    /// does not know.
    fn recovered_position(&self) -> Result<Option<(String, String)>, StartError> {
        let mut command = process::command(&self.program, &self.home)?;
        let mut socket = OsString::from("--socket=");
        socket.push(self.home.socket());
        command
            .args(process::SMALL)
            .args(process::UNSAFE_ON_POWER_LOSS)
            .args(&self.settings.arguments)
            .args(["--skip-networking", "--wsrep-cluster-address=gcomm://", "--wsrep-recover"])
            .arg(socket);
        command.status().map_err(StartError::io("run", &self.program))?;
        let log = self.home.read_log();
        let line = log.lines().rev().find_map(|line| line.split_once("Recovered position:"));
        let position = line.and_then(|(_, position)| position.trim().split(',').next());
        let parts = position.and_then(|position| position.rsplit_once(':'));
        Ok(parts.map(|(uuid, number)| (uuid.to_owned(), number.to_owned())))
    }
}

fn find_provider() -> Result<PathBuf, GaleraError> {
    let named = env::var_os("GALERA_PROVIDER").map(PathBuf::from);
    let places: Vec<_> = match named {
        Some(path) => vec![path],
        None => USUAL_PROVIDERS.iter().map(PathBuf::from).collect(),
    };
    places.iter().find(|path| path.is_file()).cloned().ok_or(GaleraError::NoProvider(places))
}

fn arguments(
    index: usize,
    port: u16,
    provider: &Path,
    members: &str,
    timers: Timers,
) -> Vec<String> {
    let timers = if timers == Timers::Fast { FAST } else { "" };
    let receives = port::free().unwrap_or(0);
    vec![
        "--binlog-format=ROW".to_owned(),
        "--default-storage-engine=InnoDB".to_owned(),
        "--innodb-autoinc-lock-mode=2".to_owned(),
        "--wsrep-on=ON".to_owned(),
        format!("--wsrep-provider={}", provider.display()),
        "--wsrep-cluster-name=threadwise".to_owned(),
        format!("--wsrep-cluster-address=gcomm://{members}"),
        format!("--wsrep-node-name=n{}", index + 1),
        format!("--wsrep-node-address=127.0.0.1:{port}"),
        "--wsrep-sst-method=nothing".to_owned(),
        "--wsrep-slave-threads=2".to_owned(),
        format!("--server-id={}", index + 1),
        format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{port};\
             ist.recv_addr=tcp://127.0.0.1:{receives};gcache.size=64M;gcache.page_size=16M;{timers}"
        ),
    ]
}

fn status(node: &MariaDb, name: &str) -> Option<String> {
    let mut admin = queries::connect(node.socket()).ok()?;
    let row: Option<(String, String)> =
        admin.query_first(format!("SHOW GLOBAL STATUS LIKE '{name}'")).ok()?;
    row.map(|(_, value)| value)
}
