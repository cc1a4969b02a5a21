//! The settings of the manager: from a URL, from the driver's options, and one by one.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mysql::{Opts, OptsBuilder};
use threadwise_core::parts::Setting;

use super::{Credentials, Logins, MysqlManager, Source, open, options};
use crate::connection::Shared;
use crate::session::login::Login;
use crate::session::schema::SchemaOwner;
use crate::url::{self, Parsed, UrlError};

/// The defaults.
impl MysqlManager {
    /// How long to wait for a TCP connection, unless set otherwise.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// How long to wait for the server's next bytes, unless set otherwise.
    pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
    /// How long to wait for the server to accept bytes, unless set otherwise.
    pub const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
    /// How long a connection may be without traffic until the system probes whether the server is
    /// still there, unless set otherwise. It then probes every 10 s, and gives the connection up
    /// after 6 probes without an answer.
    pub const KEEPALIVE: Duration = Duration::from_secs(60);
}

/// Constructors.
impl MysqlManager {
    /// Reads `mysql://user:password@host:port/database?parameter=value&…`. Opens nothing yet.
    ///
    /// The parameters are [those of the driver](mysql#url-based-connection-string), and these:
    ///
    /// | parameter | meaning |
    /// |---|---|
    /// | `read_timeout_ms`, `write_timeout_ms` | [`read_timeout`](Self::read_timeout), [`write_timeout`](Self::write_timeout): milliseconds, or `none` |
    /// | `init` | a statement that runs on each new session, and again after each reset |
    /// | `program_name` | [`program_name`](Self::program_name) |
    ///
    /// ```
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let url = "mysql://app:secret@db.example:3306/shop?read_timeout_ms=20000";
    /// let manager = MysqlManager::from_url(url)?;
    ///
    /// let error = MysqlManager::from_url("mysql://app:secret@db.example/?poolmax=9").unwrap_err();
    /// assert_eq!(error.part(), "parameter `poolmax`");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the URL is malformed, or has a parameter that is unknown or would have no effect. The error
    /// names the part, and shows no password.
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

    /// Reads a URL with several hosts, `mysql://user:password@a,b:3307,c/database?…`, and makes a manager
    /// for each, in the order of the list. Everything but the address holds for all of them. A host without
    /// a port has the usual one, 3306.
    ///
    /// With the feature `hosts`, `threadwise_hosts::Hosts` makes one manager of them.
    ///
    /// ```
    /// use threadwise_core::ManageConnection;
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let managers = MysqlManager::each_from_url("mysql://app:secret@db1,db2:3307/shop")?;
    /// assert_eq!(managers[1].address().as_deref(), Some("db2:3307"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_url`](Self::from_url), and if the list has an empty entry.
    pub fn each_from_url(url: &str) -> Result<Vec<Self>, UrlError> {
        url::each_host(url)?.iter().map(|url| Self::from_url(url)).collect()
    }

    /// Takes the driver's options. Opens nothing yet.
    ///
    /// Options that no connection can be made with are errors of `connect`: TLS with a driver that was
    /// built without it, settings of the driver's own pool, a timeout of zero.
    ///
    /// `prefer_socket` is off whatever the options say, because they do not tell "on" from "not set";
    /// see [`prefer_socket`](Self::prefer_socket).
    ///
    /// ```
    /// use mysql::OptsBuilder;
    /// use threadwise_mysql::{MysqlManager, mysql};
    ///
    /// let opts = OptsBuilder::new()
    ///     .ip_or_hostname(Some("db.example"))
    ///     .user(Some("app"))
    ///     .pass(Some("secret"))
    ///     .db_name(Some("shop"));
    /// let manager = MysqlManager::new(opts);
    /// ```
    #[must_use]
    pub fn new(opts: impl Into<Opts>) -> Self {
        let opts: Opts = opts.into();
        let read = opts.get_read_timeout().copied().unwrap_or(Self::READ_TIMEOUT);
        let write = opts.get_write_timeout().copied().unwrap_or(Self::WRITE_TIMEOUT);
        let connect = opts.get_tcp_connect_timeout().unwrap_or(Self::CONNECT_TIMEOUT);
        let credentials = Credentials {
            user: opts.get_user().map(str::to_owned),
            password: opts.get_pass().map(str::to_owned),
        };
        // The driver would run these in its own order, and not at all after some resets.
        let login = Login::new(opts.get_init());
        let opts = options::with_program_name(options::with_keepalive(opts).into());
        let opts: Opts = OptsBuilder::from_opts(opts)
            .read_timeout(Some(read))
            .write_timeout(Some(write))
            .tcp_connect_timeout(Some(connect))
            .init::<String>(Vec::new())
            .prefer_socket(false)
            .into();
        let shared = Arc::new(Shared {
            address: open::address(&opts).into(),
            asks_readiness: AtomicBool::new(false),
            is_plain: opts.get_compress().is_none()
                && (opts.get_ssl_opts().is_none() || opts.get_socket().is_some()),
            caches_statements: opts.get_stmt_cache_size() > 0,
        });
        let schema = SchemaOwner::new();
        let logins = Arc::new(Logins::new(credentials, Arc::clone(&schema)));
        Self { opts, logins, login, schema, shared }
    }
}

impl TryFrom<&str> for MysqlManager {
    type Error = UrlError;

    fn try_from(url: &str) -> Result<Self, UrlError> {
        Self::from_url(url)
    }
}

/// Setters.
impl MysqlManager {
    /// Sets how long to wait for a TCP connection, for all addresses of the host together. `None`
    /// waits as long as the system does, which is minutes.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager = MysqlManager::from_url("mysql://app@db.example/shop")?
    ///     .connect_timeout(Some(Duration::from_secs(2)))
    ///     .read_timeout(Some(Duration::from_secs(20)))
    ///     .write_timeout(Some(Duration::from_secs(20)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn connect_timeout(self, timeout: Option<Duration>) -> Self {
        self.with(|opts| opts.tcp_connect_timeout(timeout))
    }

    /// Sets how long to wait for the server's next bytes. It must be longer than the slowest
    /// statement takes to begin its answer. `None` sets no limit. A connection that runs into this
    /// timeout is replaced.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager = MysqlManager::from_url("mysql://app@db.example/shop")?
    ///     .read_timeout(Some(Duration::from_secs(20)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn read_timeout(self, timeout: Option<Duration>) -> Self {
        self.with(|opts| opts.read_timeout(timeout))
    }

    /// Sets how long to wait for the server to accept bytes. `None` sets no limit.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager = MysqlManager::from_url("mysql://app@db.example/shop")?
    ///     .write_timeout(Some(Duration::from_secs(20)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn write_timeout(self, timeout: Option<Duration>) -> Self {
        self.with(|opts| opts.write_timeout(timeout))
    }

    /// Removes the connect, read and write timeouts. If the server then vanishes without a message,
    /// a thread that waits for it is blocked until the system's keepalive notices.
    ///
    /// ```
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager = MysqlManager::from_url("mysql://app@db.example/shop")?.without_timeouts();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_timeouts(self) -> Self {
        self.connect_timeout(None).read_timeout(None).write_timeout(None)
    }

    /// Logs in as this user, with the password that is set. `None` is the user of the operating system.
    ///
    /// ```
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager = MysqlManager::from_url("mysql://db.example/shop")?
    ///     .user(Some("app"))
    ///     .password(Some("secret"))
    ///     .database(Some("archive"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn user(self, user: Option<&str>) -> Self {
        self.logins.change(|credentials| credentials.user = user.map(str::to_owned));
        self
    }

    /// Logs in with this password, as the user that is set. Nothing prints it. See
    /// [`user`](Self::user).
    #[must_use]
    pub fn password(self, password: Option<&str>) -> Self {
        self.logins.change(|credentials| credentials.password = password.map(str::to_owned));
        self
    }

    /// Sets the default database. See [`user`](Self::user).
    #[must_use]
    pub fn database(self, database: Option<&str>) -> Self {
        self.with(|opts| opts.db_name(database))
    }

    /// Adds a statement that runs on each new session, and again after each reset. It costs one round
    /// trip each time.
    ///
    /// ```
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager = MysqlManager::from_url("mysql://app@db.example/shop")?
    ///     .init("SET time_zone = '+00:00'");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn init(mut self, statement: &str) -> Self {
        self.login.init.push(statement.to_owned());
        self
    }

    /// Sets the program's name in the server's list of connection attributes
    /// (`performance_schema.session_connect_attrs`). Unless set, it is the name of the program's file.
    ///
    /// ```
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager =
    ///     MysqlManager::from_url("mysql://app@db.example/shop")?.program_name("nightly report");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn program_name(mut self, name: &str) -> Self {
        self.opts = options::with_attribute(self.opts, "program_name", name);
        self
    }

    /// Asks `provide` for user and password at each connect, for tokens that expire; also for the
    /// manager's own session that asks about names, once a minute. `provide` runs on a thread of its
    /// own, and what is left of the connect timeout is its limit. Its error is the error of the
    /// connect, and counts as one that may pass. A user of `None` is the operating system's.
    ///
    /// [`set_credentials`](Self::set_credentials) ends this.
    ///
    /// ```
    /// use threadwise_mysql::{Credentials, MysqlManager};
    ///
    /// # fn fresh_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager = MysqlManager::from_url("mysql://db.example/shop")?
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
        self.logins.replace(Source::called(provide));
        self
    }

    /// Sets whether a connection to this machine's loopback address asks the server for its Unix
    /// socket, and connects a second time over that. Off unless set: it makes opening a connection half
    /// as slow again, and bypasses a proxy that listens on the port. To use a Unix socket, give its
    /// path as the parameter `socket`.
    ///
    /// ```
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let over_socket = MysqlManager::from_url("mysql://app@localhost/shop?socket=%2Frun%2Fdb.sock")?;
    /// let by_question = MysqlManager::from_url("mysql://app@localhost/shop")?.prefer_socket(true);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn prefer_socket(self, prefer: bool) -> Self {
        self.with(|opts| opts.prefer_socket(prefer))
    }

    /// All settings with their values as texts, for a log. None is a secret: of the password, the list
    /// says only whether there is one, and of `init` the number of statements.
    ///
    /// ```
    /// use threadwise_mysql::MysqlManager;
    ///
    /// # fn main() -> Result<(), threadwise_mysql::UrlError> {
    /// let manager = MysqlManager::from_url("mysql://app:secret@db.example/shop")?;
    /// let settings = manager.settings();
    /// assert!(settings.contains(&("read_timeout", "60s".to_owned())));
    /// assert!(settings.contains(&("password", "set".to_owned())));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let opts = &self.opts;
        let (user, password) = self.logins.shown();
        let text = |value: Option<&str>| value.unwrap_or("none").to_owned();
        let program = opts.get_connect_attrs().and_then(|all| all.get("program_name"));
        let keepalive = opts.get_tcp_keepalive_time_ms();
        let keepalive = keepalive.map(|millis| Duration::from_millis(millis.into()));
        let own = [
            ("connect_timeout", Setting::from(opts.get_tcp_connect_timeout())),
            ("read_timeout", Setting::from(opts.get_read_timeout().copied())),
            ("write_timeout", Setting::from(opts.get_write_timeout().copied())),
            ("keepalive", Setting::from(keepalive)),
            ("compress", Setting::from(opts.get_compress().is_some())),
            ("tls", Setting::from(opts.get_ssl_opts().is_some())),
            ("stmt_cache_size", Setting::from(opts.get_stmt_cache_size())),
            ("prefer_socket", Setting::from(opts.get_prefer_socket())),
            ("init", Setting::from(self.login.init.len())),
        ];
        let mut settings = vec![
            ("address", self.shared.address.to_string()),
            ("user", user),
            ("password", password),
            ("database", text(opts.get_db_name())),
            ("program_name", text(program.map(String::as_str))),
        ];
        settings.extend(Setting::list(None, own));
        settings
    }

    fn with(self, change: impl FnOnce(OptsBuilder) -> OptsBuilder) -> Self {
        Self { opts: change(OptsBuilder::from_opts(self.opts)).into(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_and_keepalive_have_defaults() {
        let opts = MysqlManager::new(OptsBuilder::new()).opts;
        assert_eq!(opts.get_tcp_connect_timeout(), Some(MysqlManager::CONNECT_TIMEOUT));
        assert_eq!(opts.get_read_timeout(), Some(&MysqlManager::READ_TIMEOUT));
        assert_eq!(opts.get_write_timeout(), Some(&MysqlManager::WRITE_TIMEOUT));
        assert_eq!(opts.get_tcp_keepalive_time_ms(), Some(60_000));
        assert!(!opts.get_prefer_socket());
    }

    #[test]
    fn options_that_are_set_are_kept() {
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
    fn timeouts_can_be_removed() {
        let opts = MysqlManager::new(OptsBuilder::new()).without_timeouts().opts;
        assert_eq!(opts.get_tcp_connect_timeout(), None);
        assert_eq!((opts.get_read_timeout(), opts.get_write_timeout()), (None, None));
    }

    #[test]
    fn the_socket_is_preferred_only_on_request() {
        let prefers = |url| {
            let manager = MysqlManager::from_url(url).expect("a good URL");
            manager.opts.get_prefer_socket()
        };
        assert!(!prefers("mysql://localhost/"));
        assert!(prefers("mysql://localhost/?prefer_socket=true"));
    }
}
