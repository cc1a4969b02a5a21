//! The connection manager: its settings, and what the pools ask of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Error, Opts, OptsBuilder, PoolOpts};
use threadwise_core::sync::Mutex;
use threadwise_core::{ManageConnection, fork};

use crate::addresses;
use crate::catalog::CatalogOwner;
use crate::connection::Shared;
use crate::error::{self, ErrorClass};
use crate::login::Login;
use crate::record::Record;
use crate::socket::{self, SignalsHeld, Timeouts};
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
    login: Login,
    catalog: CatalogOwner,
    shared: Arc<Shared>,
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
            manager.login.init = vec![statement];
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
        // The driver would run them in its own order, and not at all after some resets.
        let login = Login::new(opts.get_init());
        let opts: Opts = OptsBuilder::from_opts(with_program_name(with_keepalive(opts).into()))
            .read_timeout(Some(read))
            .write_timeout(Some(write))
            .tcp_connect_timeout(Some(connect))
            .init::<String>(Vec::new())
            .prefer_socket(false)
            .into();
        let shared = Arc::new(Shared {
            address: address(&opts).into(),
            asks_readiness: AtomicBool::new(false),
            is_plain: opts.get_compress().is_none()
                && (opts.get_ssl_opts().is_none() || opts.get_socket().is_some()),
            keeps_statements: opts.get_stmt_cache_size() > 0,
        });
        Self { opts, credentials, login, catalog: CatalogOwner::new(), shared }
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
        self.catalog.forget(); // another user may see other names
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

    fn open(&self, limit: Option<Duration>) -> Result<Connection, Error> {
        if let Some(problem) = unusable(&self.opts) {
            return Err(error::unusable_setting(problem));
        }
        let start = Instant::now();
        let limits = Limits {
            connect: shorter(self.opts.get_tcp_connect_timeout(), limit),
            timeouts: limit.map_or(self.timeouts(), |limit| self.timeouts().within(limit)),
        };
        let conn = self.log_in(&limits).map_err(|error| self.explain(error, &limits))?;
        let record = Record::new(Arc::clone(&self.catalog), &self.login.init);
        let mut conn = Connection::new(conn, limits.timeouts, record, Arc::clone(&self.shared));
        match limit {
            Some(limit) => {
                let left = limit.saturating_sub(start.elapsed()).max(SHORTEST);
                conn.within(left, |conn| self.begin(conn))?;
            }
            None => self.begin(&mut conn)?,
        }
        conn.set_usual_timeouts(self.timeouts())?;
        Ok(conn)
    }

    /// Asks whether the server is ready, if that is in question, and does what the settings ask for.
    fn begin(&self, conn: &mut Connection) -> Result<(), Error> {
        // Relaxed: see where it is set.
        if self.shared.asks_readiness.load(Ordering::Relaxed) {
            conn.run(|conn| (conn.query_drop("DO 0"), Ok(())))?;
        }
        conn.begin_as_configured(&self.login)?;
        conn.begin_session();
        let ask = |conn: &mut Conn| self.catalog.ask_first(conn, || self.own_opts());
        conn.run(|conn| (ask(conn), Ok(())))
    }

    /// For the session of the manager's own that asks about names.
    fn own_opts(&self) -> OptsBuilder {
        let opts = self.complete(OptsBuilder::from_opts(self.opts.clone()));
        OptsBuilder::from_opts(opts).init(self.login.init.clone())
    }

    /// Connects to the first of the host's addresses that takes the connection, and logs in.
    fn log_in(&self, limits: &Limits) -> Result<Conn, Error> {
        let opts = OptsBuilder::from_opts(self.opts.clone())
            .tcp_connect_timeout(limits.connect)
            .read_timeout(limits.timeouts.read)
            .write_timeout(limits.timeouts.write);
        let opts = self.complete(opts);
        // Else a signal that comes again and again could draw the handshake out forever.
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

    /// With what may have changed since the manager was made, or was learned since.
    fn complete(&self, opts: OptsBuilder) -> Opts {
        let Credentials { user, password } = &*self.credentials();
        // The driver would ask the server for it, which costs a round trip.
        let packet =
            self.opts.get_max_allowed_packet().or_else(|| self.catalog.max_allowed_packet());
        opts.user(user.as_deref()).pass(password.as_deref()).max_allowed_packet(packet).into()
    }

    /// Says of a time-out which server did not answer, and for how long, and of a file that is missing
    /// in which setting it stands.
    fn explain(&self, error: Error, limits: &Limits) -> Error {
        let problem = match &error {
            Error::DriverError(DriverError::ConnectTimeout) => {
                format!(
                    "no answer within the connect time-out of {:?}",
                    limits.connect.unwrap_or_default()
                )
            }
            error if error::is_timeout(error) => format!(
                "the connection was accepted, but the server said nothing more within {:?}",
                limits.timeouts.read.unwrap_or_default()
            ),
            Error::IoError(io) if is_of_a_file(io) && names_files(&self.opts) => {
                return error::unusable_setting(format!(
                    "setting `ssl_opts` or `server_key_path`: a file that it names cannot be read: {io}"
                ));
            }
            _ => return error,
        };
        let details = (self.shared.address.to_string(), problem, ErrorKind::TimedOut);
        Error::DriverError(DriverError::CouldNotConnect(Some(details)))
    }
}

/// How long opening a connection may take, step by step.
struct Limits {
    connect: Option<Duration>,
    timeouts: Timeouts,
}

/// What is left of a limit that is over is no limit for the system, so it is at least this.
const SHORTEST: Duration = Duration::from_millis(1);

fn shorter(timeout: Option<Duration>, limit: Option<Duration>) -> Option<Duration> {
    match limit {
        Some(limit) => Some(socket::clip(timeout, limit)),
        None => timeout,
    }
}

/// Where the server is, for messages.
fn address(opts: &Opts) -> String {
    match opts.get_socket() {
        Some(path) => path.to_owned(),
        None => addresses::with_port(&opts.get_ip_or_hostname(), opts.get_tcp_port()),
    }
}

/// The addresses of the host, in the order in which the system gives them.
fn resolve(opts: &Opts) -> Result<Vec<SocketAddr>, Error> {
    addresses::resolve(opts).map_err(|error| {
        let mut text = format!("its address cannot be found: {error}");
        if socket::lacks_descriptors() {
            // The name service needs one, and does not say so.
            text = format!("its address cannot be found: {}", addresses::no_descriptors());
        }
        let details = (address(opts), text, error.kind());
        Error::DriverError(DriverError::CouldNotConnect(Some(details)))
    })
}

/// Whether an error is one of opening a file: no network gives such.
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

impl ManageConnection for MysqlManager {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        self.open(None)
    }

    /// Each single wait for the server is bounded by `limit` (or by the settings, if shorter), so
    /// a server that stops answering ends the attempt in time, wherever it stops. One that answers
    /// each of the handshake's questions just before it is too late can draw it out to a few times
    /// `limit`, and so can the system's name service, which knows no limit.
    fn connect_within(&self, limit: Duration) -> Result<Connection, Error> {
        self.open(Some(limit))
    }

    /// A ping; after [`query_iter`](mysql::prelude::Queryable::query_iter) and the like a query
    /// that shows whether the connection is in step. One round trip either way.
    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        match self.opts.get_read_timeout() {
            Some(timeout) => conn.within(*timeout, Connection::check),
            None => conn.check(),
        }
    }

    fn is_valid_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        conn.within(limit, Connection::check)
    }

    /// On a connection that is neither encrypted nor compressed, an answer that has not come when
    /// `patience` is over stays outstanding, and whoever uses the connection next reads it first. On
    /// others only the driver can read it: there, this waits for `limit`.
    fn is_valid_patient(
        &self,
        conn: &mut Connection,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Error>> {
        conn.check_patiently(patience, limit)
    }

    fn last_answer(&self, conn: &Connection) -> Option<Instant> {
        Some(conn.last_answer())
    }

    /// Whether an error put the connection out of use, or the server has closed it or said
    /// something unasked. A look at the socket, some 0.4 µs, unless the server has answered within the
    /// last 20 µs; without one where the system is not a Unix.
    ///
    /// Also true, though not for a connection that was opened within the last second, if the server has
    /// answered that it only reads now, or is not ready: another connection may lead to another server.
    fn has_broken(&self, conn: &mut Connection) -> bool {
        let is_broken = conn.is_broken();
        if is_broken {
            // With the question goes what its answer would show: a password that has expired.
            self.catalog.forget_max_allowed_packet();
        }
        is_broken
    }

    /// One round trip (`COM_RESET_CONNECTION`); one on MySQL for the character set; one for what the
    /// server runs at each login (`init_connect`) if there is such, which is asked once a minute; as many
    /// as there are statements in `init`, which run again; one or two more if the default database or the
    /// role may have changed, or if the connection is in doubt.
    fn reset(&self, conn: &mut Connection) -> Result<(), Error> {
        conn.reset(&self.opts, &self.login)
    }

    fn reset_within(&self, conn: &mut Connection, limit: Duration) -> Result<(), Error> {
        conn.within(limit, |conn| conn.reset(&self.opts, &self.login))
    }

    fn begin_session(&self, conn: &mut Connection) {
        conn.begin_session();
    }

    /// Whether anything ran since the session began that does not certainly leave it as it was; see
    /// [the crate's page](crate#what-the-next-user-finds). Costs no round trip.
    fn has_changed(&self, conn: &mut Connection) -> bool {
        let has_changed = conn.has_changed(&self.catalog);
        self.catalog.ask_if_wanted(|| self.own_opts());
        has_changed
    }

    /// Whether the texts of the statements began a transaction and did not end it. It may have
    /// ended all the same (a `CREATE TABLE` commits, a deadlock rolls back). Where the session began with
    /// autocommit off, by whatever, and after statements that may do anything, the server's own flags
    /// decide, as far as the driver shows them.
    fn in_transaction(&self, conn: &Connection) -> bool {
        conn.may_be_in_transaction()
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

    /// Finds the system's errors also where the driver has turned them into texts.
    fn is_shortage(&self, error: &Error) -> bool {
        error::is_shortage(error)
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
        error::not_reconnected(error, cause)
    }

    /// The host and its port, or the path of the socket.
    fn address(&self) -> Option<Cow<'_, str>> {
        Some((&*self.shared.address).into())
    }

    /// Gives the server's socket up, in this process only, and then closes the connection, which has
    /// nobody to say good-bye to. Where the system is not a Unix there is no such connection.
    fn forget_in_child(&self, conn: Connection) {
        conn.forget_in_child();
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
            .field("address", &self.shared.address)
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
