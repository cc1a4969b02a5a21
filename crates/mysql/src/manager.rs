//! The connection manager: its settings, and what the pools ask of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mysql::consts::CapabilityFlags;
use mysql::{Conn, DriverError, Error, MySqlError, Opts, OptsBuilder, PoolOpts};
use threadwise_core::sync::Mutex;
use threadwise_core::{ManageConnection, fork};

use crate::catalog::Catalog;
use crate::error::{self, ErrorClass};
use crate::socket::{self, Timeouts};
use crate::url::{self, Parsed, UrlError};
use crate::{Connection, classify};

/// Opens, checks and resets connections to one MySQL or MariaDB server.
///
/// Made from a URL, or from the driver's own [`Opts`] or [`OptsBuilder`]. Where those set no
/// time-outs, which the driver takes for "wait for ever", the defaults below apply.
///
/// All methods run on the thread that calls them, and wait for the server there: a round trip for a
/// check or a reset, three or four for a new connection.
pub struct MysqlManager {
    /// All but the credentials.
    opts: Opts,
    /// Locked for a moment only, in which the process is not forked: a child never finds it locked.
    credentials: Mutex<Arc<Credentials>>,
    catalog: Catalog,
}

/// Who logs in. May change while a pool is at work.
struct Credentials {
    user: Option<String>,
    password: Option<String>,
}

impl MysqlManager {
    /// How long to wait for a TCP connection, unless set.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// How long to wait for the server's next bytes, unless set.
    pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
    /// How long to wait for the server to take bytes, unless set.
    pub const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
    /// After how long without traffic the system begins to ask whether the server is still there,
    /// unless set. It then asks every 10 s, and gives the connection up after 6 questions.
    pub const KEEPALIVE: Duration = Duration::from_secs(60);

    const KEEPALIVE_INTERVAL_SECS: u32 = 10;
    const KEEPALIVE_PROBES: u32 = 6;

    /// Reads `mysql://user:password@host:port/database?parameter=value&…`, with the parameters that
    /// [the driver knows](mysql#url-based-connection-string) and these. Opens nothing yet.
    ///
    /// | parameter | as |
    /// |---|---|
    /// | `read_timeout_ms`, `write_timeout_ms` | [`read_timeout`](Self::read_timeout), [`write_timeout`](Self::write_timeout): milliseconds, or `none` |
    /// | `init` | a statement that is run on each new session, and again after each reset |
    /// | `program_name` | [`program_name`](Self::program_name) |
    ///
    /// # Errors
    ///
    /// If the URL is malformed, or has a parameter that is unknown or would have no effect. The
    /// error names the part, and shows no password.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let Parsed { opts, prefer_socket, ours } = url::parse(url)?;
        let mut manager = Self::new(opts).prefer_socket(prefer_socket);
        if let Some(timeout) = ours.read_timeout {
            manager = manager.read_timeout(timeout);
        }
        if let Some(timeout) = ours.write_timeout {
            manager = manager.write_timeout(timeout);
        }
        if let Some(statement) = ours.init {
            manager = manager.with(|opts| opts.init(vec![statement]));
        }
        if let Some(name) = ours.program_name {
            manager = manager.program_name(&name);
        }
        Ok(manager)
    }

    /// Takes the driver's options. Opens nothing yet; options that no connection can be made with
    /// (TLS with a driver that was built without, settings of the driver's own pool, a time-out of
    /// zero) are errors of `connect`.
    ///
    /// `prefer_socket` is off whatever the options say, since they cannot tell "on" from "not set":
    /// see [`prefer_socket`](Self::prefer_socket).
    #[must_use]
    pub fn new(opts: impl Into<Opts>) -> Self {
        let opts: Opts = opts.into();
        let read = opts.get_read_timeout().copied().unwrap_or(Self::READ_TIMEOUT);
        let write = opts.get_write_timeout().copied().unwrap_or(Self::WRITE_TIMEOUT);
        let connect = opts.get_tcp_connect_timeout().unwrap_or(Self::CONNECT_TIMEOUT);
        let credentials = Mutex::new(Arc::new(Credentials {
            user: opts.get_user().map(str::to_owned),
            password: opts.get_pass().map(str::to_owned),
        }));
        let opts = OptsBuilder::from_opts(with_program_name(with_keepalive(opts).into()))
            .read_timeout(Some(read))
            .write_timeout(Some(write))
            .tcp_connect_timeout(Some(connect))
            .prefer_socket(false);
        Self { opts: opts.into(), credentials, catalog: Catalog::default() }
    }

    /// Logs in as `user` with this password from now on, which a pool at work may be told at any
    /// time: `pool.manager().set_credentials(…)`. Connections that are open stay so; where they are to
    /// go too, evict them from the pool. `None` is the system's user, or no password.
    ///
    /// For passwords that are changed regularly: give the server the new one as a second account or
    /// a second password first, then tell the manager, then take the old one away.
    pub fn set_credentials(&self, user: Option<&str>, password: Option<&str>) {
        let new =
            Credentials { user: user.map(str::to_owned), password: password.map(str::to_owned) };
        let new = Arc::new(new);
        fork::hold_off(|| *self.credentials.lock() = new);
    }

    fn credentials(&self) -> Arc<Credentials> {
        fork::hold_off(|| Arc::clone(&self.credentials.lock()))
    }

    /// What the program is called in the server's list of connection attributes
    /// (`performance_schema.session_connect_attrs`); the name of the program's file unless set.
    #[must_use]
    pub fn program_name(mut self, name: &str) -> Self {
        self.opts = with_attribute(self.opts, "program_name", name);
        self
    }

    /// How long to wait for a TCP connection, per address of the host; `None` as long as the system
    /// does, which is minutes.
    #[must_use]
    pub fn connect_timeout(self, timeout: Option<Duration>) -> Self {
        self.with(|opts| opts.tcp_connect_timeout(timeout))
    }

    /// How long to wait for the server's next bytes, so at least as long as the slowest statement
    /// takes to begin its answer; `None` for ever. A connection that ran into it is replaced.
    #[must_use]
    pub fn read_timeout(self, timeout: Option<Duration>) -> Self {
        self.with(|opts| opts.read_timeout(timeout))
    }

    /// How long to wait for the server to take bytes; `None` for ever.
    #[must_use]
    pub fn write_timeout(self, timeout: Option<Duration>) -> Self {
        self.with(|opts| opts.write_timeout(timeout))
    }

    /// Waits for ever: no connect, read or write time-out. A server that vanishes without a word
    /// then blocks its connection's holder until the system's keep-alive notices.
    #[must_use]
    pub fn without_timeouts(self) -> Self {
        self.connect_timeout(None).read_timeout(None).write_timeout(None)
    }

    /// Whether a connection to this machine's loopback address asks the server for its Unix socket
    /// and connects a second time, over that. Off unless set: it makes opening a connection half as
    /// slow again, and goes around whatever listens on the port. To use the socket, give its path
    /// as the parameter `socket`.
    #[must_use]
    pub fn prefer_socket(self, prefer: bool) -> Self {
        self.with(|opts| opts.prefer_socket(prefer))
    }

    fn with(self, change: impl FnOnce(OptsBuilder) -> OptsBuilder) -> Self {
        Self { opts: change(OptsBuilder::from_opts(self.opts)).into(), ..self }
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts {
            read: self.opts.get_read_timeout().copied(),
            write: self.opts.get_write_timeout().copied(),
        }
    }

    /// Where the server is, for messages.
    fn address(&self) -> Cow<'_, str> {
        match self.opts.get_socket() {
            Some(path) => path.into(),
            None => {
                let (host, port) = (self.opts.get_ip_or_hostname(), self.opts.get_tcp_port());
                format!("{host}:{port}").into()
            }
        }
    }

    fn open(&self, opts: OptsBuilder) -> Result<Connection, Error> {
        let opts = self.complete(opts);
        if let Some(problem) = unusable(&opts) {
            return Err(error::unusable_setting(problem));
        }
        let waits = (opts.get_tcp_connect_timeout(), opts.get_read_timeout().copied());
        let conn = Conn::new(opts).map_err(|error| self.explain(error, waits))?;
        Ok(Connection::new(conn, self.timeouts()))
    }

    /// With what may have changed since the manager was made, or was learned since.
    fn complete(&self, opts: OptsBuilder) -> Opts {
        let Credentials { user, password } = &*self.credentials();
        // The driver would ask the server for it, which costs a round trip.
        let packet =
            self.opts.get_max_allowed_packet().or_else(|| self.catalog.max_allowed_packet());
        opts.user(user.as_deref()).pass(password.as_deref()).max_allowed_packet(packet).into()
    }

    /// Says of a time-out which server did not answer, and for how long.
    fn explain(
        &self,
        error: Error,
        (connect, read): (Option<Duration>, Option<Duration>),
    ) -> Error {
        let problem = match &error {
            Error::DriverError(DriverError::ConnectTimeout) => {
                format!(
                    "no answer within the connect time-out of {:?}",
                    connect.unwrap_or_default()
                )
            }
            error if error::is_timeout(error) => format!(
                "the connection was accepted, but the server said nothing more within {:?}",
                read.unwrap_or_default()
            ),
            Error::MySqlError(answer)
                if !self.opts.get_init().is_empty() && classify(&error) == ErrorClass::Ordinary =>
            {
                // A login is answered otherwise.
                let message = format!("in the setting `init`: {}", answer.message);
                return Error::MySqlError(MySqlError { message, ..answer.clone() });
            }
            _ => return error,
        };
        let details = (self.address().into_owned(), problem, ErrorKind::TimedOut);
        Error::DriverError(DriverError::CouldNotConnect(Some(details)))
    }
}

impl ManageConnection for MysqlManager {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        self.open(OptsBuilder::from_opts(self.opts.clone()))
    }

    /// Each single wait for the server is bounded by `limit` (or by the settings, if shorter), so
    /// a server that stops answering ends the attempt in time, wherever it stops. One that answers
    /// each of the handshake's questions just before it is too late can draw it out to a few times
    /// `limit`, and so can the system's name service, which knows no limit.
    fn connect_within(&self, limit: Duration) -> Result<Connection, Error> {
        let Timeouts { read, write } = self.timeouts().within(limit);
        let connect = socket::clip(self.opts.get_tcp_connect_timeout(), limit);
        let opts = OptsBuilder::from_opts(self.opts.clone())
            .tcp_connect_timeout(Some(connect))
            .read_timeout(read)
            .write_timeout(write);
        let mut conn = self.open(opts)?;
        conn.set_timeouts(self.timeouts())?;
        Ok(conn)
    }

    /// A ping; after [`query_iter`](mysql::prelude::Queryable::query_iter) and the like a query
    /// that shows whether the connection is in step. One round trip either way.
    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        conn.check()
    }

    fn is_valid_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        conn.check_within(self.timeouts().within(limit))
    }

    /// Whether an error put the connection out of use, or the server has closed it or said
    /// something unasked. A look at the socket, some 0.4 µs, unless the server has answered within the
    /// last 0.1 ms; without one where the system is not a Unix.
    fn has_broken(&self, conn: &mut Connection) -> bool {
        let is_broken = conn.is_broken();
        if is_broken {
            // With the question goes what its answer would show: a password that has expired.
            self.catalog.forget_max_allowed_packet();
        }
        is_broken
    }

    /// One round trip (`COM_RESET_CONNECTION`), and as many as there are statements in `init`,
    /// which run again; one or two more if the default database or the role may have changed, or if
    /// the connection is in doubt.
    fn reset(&self, conn: &mut Connection) -> Result<(), Error> {
        conn.reset(&self.opts, &self.catalog)
    }

    /// Whether anything ran since the connection was opened or reset that does not certainly leave
    /// the session as it was; see [the crate's page](crate#what-the-next-user-finds). Costs no round
    /// trip.
    fn has_changed(&self, conn: &mut Connection) -> bool {
        conn.has_changed(&self.catalog)
    }

    /// Whether the texts of the statements began a transaction and did not end it. It may have
    /// ended all the same (a `CREATE TABLE` commits, a deadlock rolls back). One that a trigger,
    /// a server-wide `autocommit = 0` or [`as_mut_conn`](Connection::as_mut_conn) opened is not
    /// seen, except that the last counts as one.
    fn in_transaction(&self, conn: &Connection) -> bool {
        conn.may_be_in_transaction()
    }

    fn begin_session(&self, conn: &mut Connection) {
        conn.begin_session();
    }

    fn is_lost(&self, error: &Error) -> bool {
        classify(error) == ErrorClass::Lost
    }

    /// Also the answers to statements of `init` that are wrong.
    fn is_permanent(&self, error: &Error) -> bool {
        match classify(error) {
            ErrorClass::Permanent => true,
            ErrorClass::Ordinary => matches!(error, Error::MySqlError(_)),
            ErrorClass::Lost | ErrorClass::Transient => false,
        }
    }

    /// Gives the server's socket up, in this process only, and then closes the connection, which has
    /// nobody to say good-bye to. Where the system is not a Unix there is no such connection.
    fn abandon(&self, conn: Connection) {
        conn.abandon();
    }

    /// Sends the pool's name as the connection attribute `pool_name`.
    fn set_pool_name(&mut self, name: &str) {
        self.opts = with_attribute(std::mem::take(&mut self.opts), "pool_name", name);
    }
}

impl TryFrom<&str> for MysqlManager {
    type Error = UrlError;

    fn try_from(url: &str) -> Result<Self, UrlError> {
        Self::from_url(url)
    }
}

// By hand: that of `Opts` prints the password.
impl fmt::Debug for MysqlManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlManager")
            .field("address", &self.address())
            .field("user", &self.credentials().user)
            .field("database", &self.opts.get_db_name())
            .field("connect_timeout", &self.opts.get_tcp_connect_timeout())
            .field("read_timeout", &self.opts.get_read_timeout())
            .field("write_timeout", &self.opts.get_write_timeout())
            .finish_non_exhaustive()
    }
}

/// Fills in the keep-alive settings that are missing.
fn with_keepalive(opts: Opts) -> OptsBuilder {
    let time = opts
        .get_tcp_keepalive_time_ms()
        .unwrap_or(MysqlManager::KEEPALIVE.as_millis().try_into().unwrap_or(u32::MAX));
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    let opts = {
        let interval = opts.get_tcp_keepalive_probe_interval_secs();
        let probes = opts.get_tcp_keepalive_probe_count();
        OptsBuilder::from_opts(opts)
            .tcp_keepalive_probe_interval_secs(Some(
                interval.unwrap_or(MysqlManager::KEEPALIVE_INTERVAL_SECS),
            ))
            .tcp_keepalive_probe_count(Some(probes.unwrap_or(MysqlManager::KEEPALIVE_PROBES)))
    };
    OptsBuilder::from_opts(opts).tcp_keepalive_time_ms(Some(time))
}

/// Adds a connection attribute, unless the options switched them off.
fn with_attribute(opts: Opts, name: &str, value: &str) -> Opts {
    let Some(attributes) = opts.get_connect_attrs() else { return opts };
    let mut attributes = attributes.clone();
    attributes.insert(name.to_owned(), value.to_owned());
    OptsBuilder::from_opts(opts).connect_attrs(Some(attributes)).into()
}

/// Says what the program is called, unless the options do. (The driver would send the path by which
/// it was started.)
fn with_program_name(opts: Opts) -> Opts {
    let is_set = opts.get_connect_attrs().is_some_and(|all| all.contains_key("program_name"));
    let program = std::env::current_exe().ok();
    match program.as_deref().and_then(Path::file_name) {
        Some(name) if !is_set => with_attribute(opts, "program_name", &name.to_string_lossy()),
        _ => opts,
    }
}

/// Why no connection can be made with these options.
fn unusable(opts: &Opts) -> Option<String> {
    let timeouts = [
        ("connect_timeout", opts.get_tcp_connect_timeout()),
        ("read_timeout", opts.get_read_timeout().copied()),
        ("write_timeout", opts.get_write_timeout().copied()),
    ];
    if let Some((name, _)) = timeouts.iter().find(|(_, timeout)| *timeout == Some(Duration::ZERO)) {
        return Some(format!("setting `{name}`: zero would always be over; `None` is no time-out"));
    }
    if *opts.get_pool_opts() != PoolOpts::default() {
        return Some(
            "setting `pool_opts`: it is for the driver's own pool and has no effect on this one: \
             use the pool's builder"
                .to_owned(),
        );
    }
    if opts.get_additional_capabilities().contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
        return Some(
            "setting `additional_capabilities`: the driver cannot read what a server sends with \
             `CLIENT_DEPRECATE_EOF`: leave it out"
                .to_owned(),
        );
    }
    // The driver would panic.
    if opts.get_ssl_opts().is_some() && opts.get_socket().is_none() && !driver_has_tls() {
        return Some(
            "setting `ssl_opts`: the driver was built without TLS: enable one of the features \
             `rustls-tls`, `rustls-tls-ring` or `native-tls` of the crate `mysql`"
                .to_owned(),
        );
    }
    None
}

/// Whether some crate of the program enabled TLS in the driver. The driver tells by whether it
/// knows the parameters for client certificates.
fn driver_has_tls() -> bool {
    ["cert_chain_path", "pkcs12_path"].into_iter().any(|parameter| {
        let asked = HashMap::from([(parameter.to_owned(), String::new())]);
        let answer = OptsBuilder::new().from_hash_map(&asked);
        !matches!(answer, Err(mysql::UrlError::FeatureRequired(..)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_and_keep_alive_are_set_where_the_options_set_none() {
        let opts = MysqlManager::new(OptsBuilder::new()).opts;
        assert_eq!(opts.get_tcp_connect_timeout(), Some(MysqlManager::CONNECT_TIMEOUT));
        assert_eq!(opts.get_read_timeout(), Some(&MysqlManager::READ_TIMEOUT));
        assert_eq!(opts.get_write_timeout(), Some(&MysqlManager::WRITE_TIMEOUT));
        assert_eq!(opts.get_tcp_keepalive_time_ms(), Some(60_000));
        assert!(!opts.get_prefer_socket());
    }

    #[test]
    fn what_the_options_set_is_kept() {
        let second = Some(Duration::from_secs(1));
        let opts = OptsBuilder::new()
            .tcp_connect_timeout(second)
            .read_timeout(second)
            .write_timeout(second)
            .tcp_keepalive_time_ms(Some(5));
        let opts = MysqlManager::new(opts).opts;
        assert_eq!(opts.get_tcp_connect_timeout(), second);
        assert_eq!(opts.get_read_timeout().copied(), second);
        assert_eq!(opts.get_write_timeout().copied(), second);
        assert_eq!(opts.get_tcp_keepalive_time_ms(), Some(5));
    }

    #[test]
    fn time_outs_can_be_done_without() {
        let opts = MysqlManager::new(OptsBuilder::new()).without_timeouts().opts;
        assert_eq!(opts.get_tcp_connect_timeout(), None);
        assert_eq!((opts.get_read_timeout(), opts.get_write_timeout()), (None, None));
    }

    #[test]
    fn the_socket_is_preferred_on_request_only() {
        let prefers = |url| {
            let manager = MysqlManager::from_url(url).expect("a good URL");
            manager.opts.get_prefer_socket()
        };
        assert!(!prefers("mysql://localhost/"));
        assert!(prefers("mysql://localhost/?prefer_socket=true"));
    }
}
