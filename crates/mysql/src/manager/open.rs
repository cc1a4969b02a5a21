//! How the manager opens a connection.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Error, Opts, OptsBuilder};

use super::{MysqlManager, options};
use crate::credentials::{Credentials, Login};
use crate::session::history::History;
use crate::session::schema::OwnLogin;
use crate::socket::{self, SignalsHeld, Timeouts};
use crate::{Connection, addresses, error};

/// The shortest limit of a step. Zero would mean no limit to the system.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long each step of opening a connection may take.
struct Limits {
    connect: Option<Duration>,
    timeouts: Timeouts,
}

impl MysqlManager {
    pub(super) fn open(&self, limit: Option<Duration>) -> Result<Connection, Error> {
        if let Some(problem) = options::unusable(&self.opts) {
            return Err(error::unusable_setting(problem));
        }
        let start = Instant::now();
        let mut limits = self.limits(limit);
        let until = limits.connect.and_then(|limit| start.checked_add(limit));
        let Login { credentials, number: login, took } = self.logins.get(until)?;
        if !took.is_zero() {
            let left = |limit: Duration| limit.saturating_sub(took).max(SHORTEST);
            limits.connect = limits.connect.map(left);
        }
        let conn =
            self.log_in(&credentials, &limits).map_err(|error| self.explain(error, &limits))?;
        let history = History::new(Arc::clone(&self.schema), login, &self.login.init);
        let mut conn = Connection::new(conn, limits.timeouts, history, Arc::clone(&self.shared));
        match limit {
            Some(limit) => {
                let left = limit.saturating_sub(start.elapsed()).max(SHORTEST);
                conn.within(left, |conn| self.begin(conn, login))?;
            }
            None => self.begin(&mut conn, login)?,
        }
        conn.set_usual_timeouts(self.timeouts())?;
        Ok(conn)
    }

    fn limits(&self, limit: Option<Duration>) -> Limits {
        let connect = self.opts.get_tcp_connect_timeout();
        match limit {
            Some(limit) => Limits {
                connect: Some(socket::clip(connect, limit)),
                timeouts: self.timeouts().within(limit),
            },
            None => Limits { connect, timeouts: self.timeouts() },
        }
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts {
            read: self.opts.get_read_timeout().copied(),
            write: self.opts.get_write_timeout().copied(),
        }
    }

    /// Connects to the first of the host's addresses that accepts, and logs in.
    fn log_in(&self, credentials: &Credentials, limits: &Limits) -> Result<Conn, Error> {
        let opts = OptsBuilder::from_opts(self.opts.clone())
            .tcp_connect_timeout(limits.connect)
            .read_timeout(limits.timeouts.read)
            .write_timeout(limits.timeouts.write);
        let opts = self.complete(opts, credentials);
        // Signals that come again and again would prolong the handshake without a limit.
        let connect = |opts: Opts| {
            let _signals = SignalsHeld::hold();
            Conn::new(opts)
        };
        let addresses = match opts.get_socket() {
            Some(_) => Vec::new(),
            None => resolve(&opts)?,
        };
        addresses::try_each(&opts, &addresses, limits.connect, connect)
    }

    /// Begins the first session: asks whether the server is ready if that is in doubt, runs what the
    /// settings say, and asks about names if no connection has asked before.
    fn begin(&self, conn: &mut Connection, login: u64) -> Result<(), Error> {
        // Relaxed: see `ConnState::note_refusal`, which sets it.
        if self.shared.asks_readiness.load(Ordering::Relaxed) {
            conn.run(|conn| (conn.query_drop("DO 0"), Ok(())))?;
        }
        conn.run_session_setup(&self.login)?;
        conn.begin_session();
        let ask = |conn: &mut Conn| self.schema.ask_first(conn, login, || self.own_opts());
        conn.run(|conn| (ask(conn), Ok(())))
    }

    /// What the manager's own session needs, which asks about names.
    pub(super) fn own_opts(&self) -> OwnLogin {
        let opts = OptsBuilder::from_opts(self.opts.clone());
        let opts = self.complete(opts, &Credentials::default());
        let opts = OptsBuilder::from_opts(opts).init(self.login.init.clone());
        OwnLogin { opts, logins: Arc::clone(&self.logins) }
    }

    /// Adds the credentials, and the server's packet limit if it is known.
    fn complete(&self, opts: OptsBuilder, credentials: &Credentials) -> Opts {
        let Credentials { user, password } = credentials;
        // Without a limit the driver asks the server for it, which costs a round trip.
        let packet =
            self.opts.get_max_allowed_packet().or_else(|| self.schema.max_allowed_packet());
        opts.user(user.as_deref()).pass(password.as_deref()).max_allowed_packet(packet).into()
    }

    /// Adds to a timeout which server did not answer and for how long, and to a missing file which
    /// setting names it.
    fn explain(&self, error: Error, limits: &Limits) -> Error {
        let problem = match &error {
            Error::DriverError(DriverError::ConnectTimeout) => {
                let timeout = limits.connect.unwrap_or_default();
                format!("no answer within the connect timeout of {timeout:?}")
            }
            error if error::is_timeout(error) => {
                let timeout = limits.timeouts.read.unwrap_or_default();
                format!(
                    "it accepted the connection, but sent nothing more within the read timeout of \
                     {timeout:?}"
                )
            }
            Error::IoError(io) if is_of_a_file(io) && names_files(&self.opts) => {
                return error::unusable_setting(format!(
                    "a certificate or key file cannot be read: {io}; check `root_cert_path` in the URL, \
                     or the settings `ssl_opts` and `server_key_path`"
                ));
            }
            _ => return error,
        };
        let details = (self.shared.address.to_string(), problem, ErrorKind::TimedOut);
        Error::DriverError(DriverError::CouldNotConnect(Some(details)))
    }
}

/// The server's address, for messages.
pub(super) fn address(opts: &Opts) -> String {
    match opts.get_socket() {
        Some(path) => path.to_owned(),
        None => addresses::with_port(&opts.get_ip_or_hostname(), opts.get_tcp_port()),
    }
}

/// The addresses of the host, in the system's order.
fn resolve(opts: &Opts) -> Result<Vec<SocketAddr>, Error> {
    addresses::resolve(opts).map_err(|error| {
        let text = if socket::lacks_descriptors() {
            // The name service needs a descriptor, and does not say so.
            format!("cannot find its address: {}", addresses::no_descriptors())
        } else {
            format!("cannot find its address: {error}")
        };
        let details = (address(opts), text, error.kind());
        Error::DriverError(DriverError::CouldNotConnect(Some(details)))
    })
}

/// Whether an error is one of opening a file. Networks give no such errors.
fn is_of_a_file(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
        && matches!(
            error.kind(),
            ErrorKind::NotFound
                | ErrorKind::PermissionDenied
                | ErrorKind::IsADirectory
                | ErrorKind::NotADirectory
        )
}

fn names_files(opts: &Opts) -> bool {
    opts.get_ssl_opts().is_some() || opts.get_server_key_path().is_some()
}
