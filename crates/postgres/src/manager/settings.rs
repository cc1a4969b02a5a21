//! The settings of the manager: from a URL, from the driver's options, and one by one.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use postgres::config::{
    ChannelBinding, LoadBalanceHosts, SslMode, SslNegotiation, TargetSessionAttrs,
};
use postgres::error::DbError;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres::{Config, Socket};
use threadwise_core::parts::Setting;
use threadwise_core::parts::sync::Mutex;

use super::{Opener, PostgresManager};
use crate::credentials::{Credentials, Source};
use crate::session::catalog::Catalog;
use crate::url::{self, Parsed, UrlError};
use crate::wire::tls::Encrypt;

/// What the driver does where its keepalive is not set: the first probe after two hours.
const DRIVERS_KEEPALIVE: Duration = Duration::from_secs(2 * 60 * 60);
/// How long the system waits between two probes, and how many without an answer end a connection.
const PROBES: (Duration, u32) = (Duration::from_secs(10), 6);
/// The port of PostgreSQL.
const PORT: u16 = 5432;

/// All settings but the credentials.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) hosts: Vec<Host>,
    pub(super) driver: Driver,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) read_timeout: Option<Duration>,
    pub(super) init: Vec<String>,
    pub(super) tls: Option<Arc<dyn Encrypt>>,
    pub(super) on_notice: Arc<dyn Fn(DbError) + Send + Sync>,
    /// The hosts, for messages.
    pub(super) address: String,
}

/// A server that connections may lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) place: Place,
    /// The name that a certificate must have.
    pub(super) name: String,
    pub(super) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A name that the system resolves at each connect.
    Name(String),
    Address(IpAddr),
    /// The directory of a Unix socket.
    #[cfg(unix)]
    Directory(PathBuf),
}

/// The driver's settings that hold for every host.
#[derive(Clone)]
pub(super) struct Driver {
    pub(super) dbname: Option<String>,
    pub(super) options: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) ssl_mode: SslMode,
    pub(super) ssl_negotiation: SslNegotiation,
    pub(super) channel_binding: ChannelBinding,
    pub(super) tcp_user_timeout: Duration,
    pub(super) keepalive: Option<Keepalive>,
    pub(super) target_session_attrs: TargetSessionAttrs,
    pub(super) shuffles_hosts: bool,
}

/// When the system probes whether a silent server is still there.
#[derive(Clone, Copy)]
pub(super) struct Keepalive {
    pub(super) idle: Duration,
    pub(super) interval: Duration,
    pub(super) retries: u32,
}

impl Driver {
    fn of(config: &Config) -> Self {
        let idle = match config.get_keepalives_idle() {
            DRIVERS_KEEPALIVE => PostgresManager::KEEPALIVE,
            idle => idle,
        };
        let keepalive = Keepalive {
            idle,
            interval: config.get_keepalives_interval().unwrap_or(PROBES.0),
            retries: config.get_keepalives_retries().unwrap_or(PROBES.1),
        };
        Self {
            dbname: config.get_dbname().map(str::to_owned),
            options: config.get_options().map(str::to_owned),
            application_name: config.get_application_name().map(str::to_owned),
            ssl_mode: config.get_ssl_mode(),
            ssl_negotiation: config.get_ssl_negotiation(),
            channel_binding: config.get_channel_binding(),
            tcp_user_timeout: config
                .get_tcp_user_timeout()
                .copied()
                .unwrap_or(PostgresManager::TCP_USER_TIMEOUT),
            keepalive: config.get_keepalives().then_some(keepalive),
            target_session_attrs: config.get_target_session_attrs(),
            shuffles_hosts: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
        }
    }
}

/// The hosts of the driver's settings; none if the lists do not fit each other.
fn hosts(config: &Config) -> Vec<Host> {
    let (names, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let ports = config.get_ports();
    let count = names.len().max(addresses.len());
    let fits = |length: usize| length <= 1 || length == count;
    if !fits(ports.len())
        || (!names.is_empty() && !addresses.is_empty() && names.len() != addresses.len())
    {
        return Vec::new();
    }
    (0..count)
        .map(|index| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(PORT);
            host(names.get(index), addresses.get(index), port)
        })
        .collect()
}

fn host(name: Option<&postgres::config::Host>, address: Option<&IpAddr>, port: u16) -> Host {
    use postgres::config::Host as DriversHost;

    let text = match name {
        Some(DriversHost::Tcp(name)) => Some(name.clone()),
        _ => None,
    };
    let (place, name) = match (address, name) {
        (Some(address), _) => {
            (Place::Address(*address), text.unwrap_or_else(|| address.to_string()))
        }
        #[cfg(unix)]
        (None, Some(DriversHost::Unix(path))) => {
            (Place::Directory(path.clone()), "localhost".to_owned())
        }
        _ => {
            let name = text.unwrap_or_default();
            (Place::Name(name.clone()), name)
        }
    };
    Host { place, name, port }
}

impl Host {
    fn address(&self) -> String {
        match &self.place {
            Place::Name(name) => format!("{name}:{}", self.port),
            Place::Address(address) => format!("{address}:{}", self.port),
            #[cfg(unix)]
            Place::Directory(path) => self.socket_path(path).display().to_string(),
        }
    }

    /// Whether there may be TLS: not over a Unix socket.
    pub(super) fn may_encrypt(&self) -> bool {
        matches!(self.place, Place::Name(_) | Place::Address(_))
    }

    /// The path of a Unix socket in a directory.
    #[cfg(unix)]
    pub(super) fn socket_path(&self, directory: &std::path::Path) -> PathBuf {
        directory.join(format!(".s.PGSQL.{}", self.port))
    }
}

/// The defaults.
impl PostgresManager {
    /// How long a connect may take, unless set otherwise: all hosts, encryption and login together.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// How long to wait for the server's next bytes, unless set otherwise.
    pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
    /// How long sent bytes may remain unacknowledged by the server's system, unless set otherwise.
    pub const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
    /// How long a connection may be without traffic until the system probes whether the server is
    /// still there, unless set otherwise. It then probes every 10 s, and gives the connection up after
    /// 6 probes without an answer.
    pub const KEEPALIVE: Duration = Duration::from_secs(60);
}

/// Constructors.
impl PostgresManager {
    /// Reads `postgres://user:password@host:port,host:port/database?parameter=value&…`, or libpq's text
    /// `host=… user=… dbname=…`. Opens nothing yet.
    ///
    /// The parameters are [those of the driver](postgres::config::Config), and these:
    ///
    /// | parameter | meaning |
    /// |---|---|
    /// | `read_timeout` | [`read_timeout`](Self::read_timeout) in seconds; 0 is none |
    /// | `init` | a statement that runs on each new session, and again after each reset |
    ///
    /// ```
    /// use threadwise_postgres::PostgresManager;
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let url = "postgres://app:secret@db.example/shop?read_timeout=20";
    /// let manager = PostgresManager::from_url(url)?;
    ///
    /// let error = PostgresManager::from_url("postgres://app@db.example/?poolmax=9").unwrap_err();
    /// assert_eq!(error.part(), "parameter `poolmax`");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the text is malformed, or has a parameter that is unknown or would have no effect. The error
    /// names the part, and shows no password.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let Parsed { config, ours } = url::parse(url)?;
        let mut manager = Self::new(config);
        if ours.connects_without_limit {
            manager = manager.connect_timeout(None);
        }
        if let Some(timeout) = ours.read_timeout {
            manager = manager.read_timeout(timeout);
        }
        if let Some(statement) = ours.init {
            manager = manager.init(&statement);
        }
        Ok(manager)
    }

    /// Takes the driver's settings. Opens nothing yet.
    ///
    /// Settings that no connection can be made with (no host; lists of hosts and ports that do not fit)
    /// are errors of `connect`. A callback for notices cannot be read back from the driver's settings:
    /// give it to [`notice_callback`](Self::notice_callback).
    ///
    /// ```
    /// use threadwise_postgres::{PostgresManager, postgres};
    ///
    /// let mut config = postgres::Config::new();
    /// config.host("db.example").user("app").password("secret").dbname("shop");
    /// let manager = PostgresManager::new(config);
    /// ```
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // as the other managers
    pub fn new(config: Config) -> Self {
        let hosts = hosts(&config);
        let addresses: Vec<_> = hosts.iter().map(Host::address).collect();
        let credentials = Credentials {
            user: config.get_user().map(str::to_owned),
            password: config.get_password().map(<[u8]>::to_vec),
        };
        let settings = Settings {
            address: addresses.join(", "),
            hosts,
            driver: Driver::of(&config),
            connect_timeout: Some(
                config.get_connect_timeout().copied().unwrap_or(Self::CONNECT_TIMEOUT),
            ),
            read_timeout: Some(Self::READ_TIMEOUT),
            init: Vec::new(),
            tls: None,
            // As the driver does without a callback.
            on_notice: Arc::new(|notice| {
                log::info!("{}: {}", notice.severity(), notice.message());
            }),
        };
        Self {
            opener: Opener {
                settings: Arc::new(settings),
                credentials: Arc::new(Mutex::new(Source::Fixed(credentials))),
                catalog: Arc::new(Catalog::default()),
            },
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.opener.settings));
        self
    }
}

/// One setting each.
impl PostgresManager {
    /// Sets how long a connect may take, with all hosts, encryption and login. `None` is no limit.
    /// Several hosts share the time evenly; what one does not use is left for the next.
    ///
    /// ```
    /// use std::time::Duration;
    /// use threadwise_postgres::PostgresManager;
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let manager = PostgresManager::from_url("postgres://app@db.example/shop")?
    ///     .connect_timeout(Some(Duration::from_secs(2)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn connect_timeout(self, timeout: Option<Duration>) -> Self {
        self.with(|settings| settings.connect_timeout = timeout)
    }

    /// Sets how long to wait for the server's next bytes while it owes an answer. `None` is no limit.
    /// After that the connection is out of use. The server goes on with the statement; set
    /// `statement_timeout` there to end it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use threadwise_postgres::PostgresManager;
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let manager = PostgresManager::from_url("postgres://app@db.example/shop")?
    ///     .read_timeout(Some(Duration::from_secs(5)))
    ///     .init("SET statement_timeout = '4s'");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn read_timeout(self, timeout: Option<Duration>) -> Self {
        self.with(|settings| settings.read_timeout = timeout)
    }

    /// Logs in as this user, with the password that is set. `None` is the user of the operating system.
    ///
    /// ```
    /// use threadwise_postgres::PostgresManager;
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let manager = PostgresManager::from_url("postgres://db.example/shop")?
    ///     .user(Some("app"))
    ///     .password(Some("secret"))
    ///     .database(Some("archive"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn user(self, user: Option<&str>) -> Self {
        self.change_credentials(|credentials| credentials.user = user.map(str::to_owned))
    }

    /// Logs in with this password, as the user that is set. Nothing prints it. See
    /// [`user`](Self::user).
    #[must_use]
    pub fn password(self, password: Option<&str>) -> Self {
        let password = password.map(|password| password.as_bytes().to_vec());
        self.change_credentials(|credentials| credentials.password = password)
    }

    /// Sets the database. `None` is the one with the user's name. See [`user`](Self::user).
    #[must_use]
    pub fn database(self, database: Option<&str>) -> Self {
        self.with(|settings| settings.driver.dbname = database.map(str::to_owned))
    }

    /// Changes the fixed credentials. Those of a function are given up.
    fn change_credentials(self, change: impl FnOnce(&mut Credentials)) -> Self {
        let mut credentials = self.source().fixed().cloned().unwrap_or_default();
        change(&mut credentials);
        self.replace_credentials(Source::Fixed(credentials));
        self
    }

    /// All settings with their values as texts, for a log. None is a secret: of the password, the list
    /// says only whether there is one, and of `init` the number of statements.
    ///
    /// ```
    /// use threadwise_postgres::PostgresManager;
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let manager = PostgresManager::from_url("postgres://app:secret@db.example/shop")?;
    /// let settings = manager.settings();
    /// assert!(settings.contains(&("read_timeout", "60s".to_owned())));
    /// assert!(settings.contains(&("password", "set".to_owned())));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let settings = &self.opener.settings;
        let driver = &settings.driver;
        let text = |value: Option<&str>| value.unwrap_or("none").to_owned();
        let (user, password) = match self.source().fixed() {
            Some(Credentials { user, password }) => {
                (text(user.as_deref()), text(password.as_ref().map(|_| "set")))
            }
            None => ("from a function".to_owned(), "from a function".to_owned()),
        };
        let own = [
            ("connect_timeout", Setting::from(settings.connect_timeout)),
            ("read_timeout", Setting::from(settings.read_timeout)),
            ("tcp_user_timeout", Setting::from(driver.tcp_user_timeout)),
            ("keepalive", Setting::from(driver.keepalive.map(|keepalive| keepalive.idle))),
            ("sslmode", Setting::Word(ssl_mode(driver.ssl_mode))),
            ("target_session_attrs", Setting::Word(target(driver.target_session_attrs))),
            ("tls", Setting::from(settings.tls.is_some())),
            ("init", Setting::from(settings.init.len())),
        ];
        let mut list = vec![
            ("address", settings.address.clone()),
            ("user", user),
            ("password", password),
            ("database", text(driver.dbname.as_deref())),
            ("application_name", text(driver.application_name.as_deref())),
        ];
        list.extend(Setting::list(None, own));
        list
    }

    /// Removes the timeouts for connecting and reading.
    ///
    /// ```
    /// use threadwise_postgres::PostgresManager;
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let manager =
    ///     PostgresManager::from_url("postgres://app@db.example/shop")?.without_timeouts();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_timeouts(self) -> Self {
        self.connect_timeout(None).read_timeout(None)
    }

    /// Adds a statement that runs on each new session, and again after each reset. It costs one round
    /// trip each time. For a setting, `options=-c name=value` in the URL costs none.
    ///
    /// ```
    /// use threadwise_postgres::PostgresManager;
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let manager = PostgresManager::from_url("postgres://app@db.example/shop")?
    ///     .init("SET search_path = shop, public");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn init(self, statement: &str) -> Self {
        self.with(|settings| settings.init.push(statement.to_owned()))
    }

    /// Encrypts connections with `connector`. It can be any connector that the driver takes, such
    /// as `postgres_native_tls::MakeTlsConnector` or `tokio_postgres_rustls::MakeRustlsConnect`.
    /// The setting `sslmode` decides whether a connection without encryption is accepted: `prefer`
    /// accepts it, `require` does not. The connector decides which certificates are accepted.
    ///
    /// ```
    /// use threadwise_postgres::{PostgresManager, postgres};
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// # let connector = postgres::NoTls;
    /// let manager = PostgresManager::from_url("postgres://app@db.example/shop?sslmode=require")?
    ///     .tls(connector);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tls<T>(self, connector: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::TlsConnect: Send,
        T::Stream: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        self.with(|settings| settings.tls = Some(Arc::new(connector)))
    }

    /// Calls `callback` for each notice of the server, on the thread that uses the connection. Unless
    /// set, notices go to the log.
    ///
    /// ```
    /// use threadwise_postgres::PostgresManager;
    ///
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let manager = PostgresManager::from_url("postgres://app@db.example/shop")?
    ///     .notice_callback(|notice| eprintln!("{}: {}", notice.severity(), notice.message()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn notice_callback(self, callback: impl Fn(DbError) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.on_notice = Arc::new(callback))
    }

    /// Asks `provide` for user and password at each connect, for tokens that expire; also for the session
    /// that asks about code, once a minute. It runs on a
    /// thread of its own, and what is left of the connect timeout is its limit. Its error is the error
    /// of the connect, and counts as one that may pass. A user of `None` is the operating system's.
    ///
    /// ```
    /// use threadwise_postgres::{Credentials, PostgresManager};
    ///
    /// # fn fresh_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # fn main() -> Result<(), threadwise_postgres::UrlError> {
    /// let manager = PostgresManager::from_url("postgres://db.example/shop?sslmode=require")?
    ///     .credentials_from(|| Ok(Credentials::new("app", fresh_token()?)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn credentials_from(
        self,
        provide: impl Fn() -> Result<Credentials, Box<dyn StdError + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.replace_credentials(Source::called(provide));
        self
    }
}

/// The word of a URL.
fn ssl_mode(mode: SslMode) -> &'static str {
    match mode {
        SslMode::Disable => "disable",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        _ => "another",
    }
}

/// The word of a URL.
fn target(target: TargetSessionAttrs) -> &'static str {
    match target {
        TargetSessionAttrs::Any => "any",
        TargetSessionAttrs::ReadWrite => "read-write",
        TargetSessionAttrs::ReadOnly => "read-only",
        _ => "another",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings::clone(&PostgresManager::from_url(url).expect("a good URL").opener.settings)
    }

    #[test]
    fn timeouts_and_keepalive_have_defaults() {
        let settings = settings("postgres://app@db.example/shop");
        assert_eq!(settings.connect_timeout, Some(PostgresManager::CONNECT_TIMEOUT));
        assert_eq!(settings.read_timeout, Some(PostgresManager::READ_TIMEOUT));
        assert_eq!(settings.driver.tcp_user_timeout, PostgresManager::TCP_USER_TIMEOUT);
        let keepalive = settings.driver.keepalive.expect("keepalive is on");
        assert_eq!(keepalive.idle, PostgresManager::KEEPALIVE);
    }

    #[test]
    fn settings_of_the_driver_are_kept() {
        let url = "postgres://app@db.example/shop?connect_timeout=3&keepalives_idle=7\
                   &target_session_attrs=read-write&application_name=mine&options=-c%20a.b%3D1";
        let settings = settings(url);
        assert_eq!(settings.connect_timeout, Some(Duration::from_secs(3)));
        assert_eq!(settings.driver.keepalive.unwrap().idle, Duration::from_secs(7));
        assert_eq!(settings.driver.target_session_attrs, TargetSessionAttrs::ReadWrite);
        assert_eq!(settings.driver.application_name.as_deref(), Some("mine"));
        assert_eq!(settings.driver.options.as_deref(), Some("-c a.b=1"));
    }

    #[test]
    fn timeouts_can_be_removed() {
        let off = settings("postgres://app@h/?connect_timeout=0&read_timeout=0");
        assert_eq!((off.connect_timeout, off.read_timeout), (None, None));
        let manager = PostgresManager::from_url("postgres://app@h/").unwrap().without_timeouts();
        let off = Settings::clone(&manager.opener.settings);
        assert_eq!((off.connect_timeout, off.read_timeout), (None, None));
    }

    #[test]
    fn several_hosts_are_tried_in_order() {
        let settings = settings("postgres://app@one,two:5433/shop");
        let found: Vec<_> = settings.hosts.iter().map(|host| (&*host.name, host.port)).collect();
        assert_eq!(found, [("one", 5432), ("two", 5433)]);
        assert_eq!(settings.address, "one:5432, two:5433");
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_is_the_place_of_a_unix_socket() {
        let settings = settings("host=/run/postgresql user=app");
        assert_eq!(settings.address, "/run/postgresql/.s.PGSQL.5432");
    }
}
