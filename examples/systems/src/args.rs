//! The options that all systems take.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeBounds;
use std::time::Duration;

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use threadwise::{AnyPool, BuildError, ManageConnection};

use crate::{PoolChoice, Source, note};

/// Reads a count from 1 to `most`.
#[must_use]
pub fn count(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

/// Reads a time in whole seconds.
#[must_use]
pub fn seconds(range: impl RangeBounds<u64>) -> impl TypedValueParser<Value = Duration> {
    RangedU64ValueParser::<u64>::new().range(range).map(Duration::from_secs)
}

/// Reads a time in whole milliseconds.
#[must_use]
pub fn millis(range: impl RangeBounds<u64>) -> impl TypedValueParser<Value = Duration> {
    RangedU64ValueParser::<u64>::new().range(range).map(Duration::from_millis)
}

/// Where the database is.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// `sqlite` (a temporary file), `sqlite:PATH` or `mysql://user:password@host:port/database`.
    #[arg(long, value_name = "URL", env = "THREADWISE_DB", hide_env_values = true)]
    #[arg(default_value = "sqlite", value_parser = ParseSource)]
    pub db: Source,
}

/// Reads `--db`. Clap itself would show the value in its error, and the value may have a password.
#[derive(Clone)]
struct ParseSource;

impl TypedValueParser for ParseSource {
    type Value = Source;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Source, clap::Error> {
        value.to_string_lossy().parse().map_err(|error| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("--db: {error}\n"))
                .with_cmd(command)
        })
    }
}

/// The kind of the pool, and its size.
#[derive(Args, Clone, Debug)]
pub struct PoolArgs {
    /// The pool to run on.
    #[arg(long, value_enum, default_value_t = PoolChoice::Shared)]
    pub pool: PoolChoice,

    /// Connections, for the pools that have a size.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count(1000))]
    pub connections: usize,
}

impl PoolArgs {
    /// Builds the pool.
    ///
    /// # Errors
    ///
    /// If the first connection cannot be opened.
    pub fn build<M: ManageConnection>(
        &self,
        manager: M,
    ) -> Result<AnyPool<M>, BuildError<M::Error>> {
        self.pool.build(manager, self.connections)
    }
}

/// The address of a server, and its limit of clients.
#[derive(Args, Clone, Debug)]
pub struct ListenArgs {
    /// The address to listen on; port 0 is any free one. Beyond loopback, any machine may connect.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,

    /// The most clients at once; the server refuses more, with a message.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count(100_000))]
    pub max_clients: usize,
}

impl ListenArgs {
    /// Listens on the address.
    ///
    /// # Errors
    ///
    /// If the system refuses it.
    pub fn bind(&self) -> Result<TcpListener, String> {
        TcpListener::bind(self.listen)
            .map_err(|error| format!("cannot listen on {} (--listen): {error}", self.listen))
    }

    /// Raises the process's limit of open files if all clients need more, each of them `each`.
    /// Prints a note if the system does not allow that.
    pub fn make_room(&self, each: u64) {
        const OTHERS: u64 = 64; // the database's, and what every program has
        let wanted = self.max_clients as u64 * each + OTHERS;
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
        let allowed = if wanted > soft
            && setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).is_ok()
        {
            wanted.min(hard)
        } else {
            soft
        };
        if allowed < wanted {
            let clients = allowed.saturating_sub(OTHERS) / each;
            note!(
                "{allowed} file handles (ulimit -n) are enough for {clients} of --max-clients {}",
                self.max_clients
            );
        }
    }
}
