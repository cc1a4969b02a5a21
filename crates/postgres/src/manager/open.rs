//! Opens a connection: the credentials, the hosts and their addresses, one after the other, within one
//! deadline.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::config::{SslMode, SslNegotiation};
use postgres::{Client, Config, Error};

use super::Opener;
use super::settings::{Host, Place};
use threadwise_core::parts::fork;

use crate::credentials::Credentials;
use crate::error::{Own, from_io, own};
use crate::session::catalog;
use crate::session::history::History;
use crate::wire::WireState;
use crate::wire::connector::{Connector, Encryption, Route};
use crate::{Connection, ErrorClass, classify};

/// One address of a host.
struct Target<'m> {
    host: &'m Host,
    /// For the driver: where it connects to.
    address: Option<IpAddr>,
}

impl Opener {
    /// Opens a connection within `limit` and the connect timeout, and runs `init` on it.
    pub(super) fn open(&self, limit: Option<Duration>) -> Result<Connection, Error> {
        let limit = limit.into_iter().chain(self.settings.connect_timeout).min();
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut conn = self.open_bare(until)?;
        self.run_init(&mut conn)?;
        conn.end_connect(self.settings.read_timeout);
        Ok(conn)
    }

    /// Runs the statements of `init`.
    pub(super) fn run_init(&self, conn: &mut Connection) -> Result<(), Error> {
        for (index, statement) in self.settings.init.iter().enumerate() {
            conn.batch_execute(statement)
                .map_err(|error| own(Own::Init { number: index + 1, error: Box::new(error) }))?;
        }
        Ok(())
    }

    /// Asks about code, on a session of its own. Without an answer the question is dropped, which counts
    /// as a failure.
    pub(super) fn answer(&self, question: catalog::Question) {
        let until = Instant::now().checked_add(catalog::LIMIT);
        if let Ok(mut conn) = self.open_bare(until) {
            // An error is a question without an answer.
            let _ = conn.within(Some(catalog::LIMIT), |conn| conn.ask_about_code(question));
        }
    }

    fn credentials(&self, until: Option<Instant>) -> Result<Credentials, Own> {
        let source = fork::hold_off(|| self.credentials.lock().clone());
        source.get(until)
    }

    /// Opens a connection until then.
    fn open_bare(&self, until: Option<Instant>) -> Result<Connection, Error> {
        self.check_settings()?;
        let credentials = self.credentials(until).map_err(own)?;
        let targets = self.targets()?;
        let mut first_permanent = None;
        let mut last = None;
        for (index, target) in targets.iter().enumerate() {
            let until = share(until, targets.len() - index).map_err(own)?;
            match self.open_at(target, &credentials, until) {
                Ok(conn) => return Ok(conn),
                Err(error) if classify(&error) == ErrorClass::Permanent => {
                    first_permanent.get_or_insert(error);
                }
                Err(error) => last = Some(error),
            }
        }
        // What may pass decides: another host may come back.
        Err(last.or(first_permanent).expect("there is at least one target"))
    }

    fn check_settings(&self) -> Result<(), Error> {
        let problem = if self.settings.hosts.is_empty() {
            "the settings name no host, or as many ports or addresses as do not fit the hosts"
        } else if self.settings.driver.ssl_mode == SslMode::Require
            && self.settings.tls.is_none()
            && self.settings.hosts.iter().any(Host::may_encrypt)
        {
            "`sslmode=require` needs a TLS connector: give one to `PostgresManager::tls`"
        } else {
            return Ok(());
        };
        Err(own(Own::Setting(problem.to_owned())))
    }

    /// The addresses of all hosts, in the order in which they are tried. Fails only if no host has one.
    fn targets(&self) -> Result<Vec<Target<'_>>, Error> {
        let mut targets = Vec::new();
        let mut failure = None;
        for host in &self.settings.hosts {
            match addresses(host) {
                Ok(addresses) => {
                    targets.extend(addresses.into_iter().map(|address| Target { host, address }));
                }
                Err(error) => failure = Some(error),
            }
        }
        if self.settings.driver.shuffles_hosts {
            shuffle(&mut targets);
        }
        match failure {
            Some(error) if targets.is_empty() => Err(from_io(error)),
            _ => Ok(targets),
        }
    }

    fn open_at(
        &self,
        target: &Target<'_>,
        credentials: &Credentials,
        until: Option<Instant>,
    ) -> Result<Connection, Error> {
        let wire = WireState::new(History::new(Arc::clone(&self.catalog)), None);
        wire.lock().set_until(until);
        let mut config = self.config(credentials);
        if let Some(left) = until.map(|until| until.saturating_duration_since(Instant::now())) {
            config.connect_timeout(left);
        }
        config.host(&target.host.name);
        let connected = match (&target.host.place, target.address) {
            #[cfg(unix)]
            (Place::Directory(directory), _) => {
                // The driver gives its stream away only if it has connected to an address. So it connects
                // to this listener, which accepts nothing and is gone after that.
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(from_io)?;
                let port = listener.local_addr().map_err(from_io)?.port();
                config.hostaddr(Ipv4Addr::LOCALHOST.into()).port(port);
                let route = Route::UnixSocket(target.host.socket_path(directory));
                (connect(&config, Connector { wire: wire.clone(), route: route.clone() })?, route)
            }
            (_, address) => {
                if let Some(address) = address {
                    config.hostaddr(address);
                }
                config.port(target.host.port);
                let route = Route::Driver(Encryption {
                    mode: self.settings.driver.ssl_mode,
                    negotiation: self.settings.driver.ssl_negotiation,
                    connector: self.settings.tls.clone(),
                });
                (connect(&config, Connector { wire: wire.clone(), route: route.clone() })?, route)
            }
        };
        let (client, route) = connected;
        Ok(Connection::new(client, wire, route))
    }

    /// The driver's settings without a host.
    fn config(&self, credentials: &Credentials) -> Config {
        let driver = &self.settings.driver;
        let mut config = Config::new();
        if let Some(user) = &credentials.user {
            config.user(user);
        }
        if let Some(password) = &credentials.password {
            config.password(password);
        }
        if let Some(dbname) = &driver.dbname {
            config.dbname(dbname);
        }
        if let Some(options) = &driver.options {
            config.options(options);
        }
        if let Some(name) = &driver.application_name {
            config.application_name(name);
        }
        config.keepalives(driver.keepalive.is_some());
        if let Some(keepalive) = driver.keepalive {
            config
                .keepalives_idle(keepalive.idle)
                .keepalives_interval(keepalive.interval)
                .keepalives_retries(keepalive.retries);
        }
        let on_notice = Arc::clone(&self.settings.on_notice);
        config
            .tcp_user_timeout(driver.tcp_user_timeout)
            .target_session_attrs(driver.target_session_attrs)
            .channel_binding(driver.channel_binding)
            .notice_callback(move |notice| on_notice(notice))
            // So that the driver hands its socket to the connector; see `wire::connector`.
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        config
    }
}

/// Has the driver connect. It panics where the process has no descriptor left for its runtime.
fn connect(config: &Config, connector: Connector) -> Result<Client, Error> {
    match catch_unwind(AssertUnwindSafe(|| config.connect(connector))) {
        Ok(outcome) => outcome,
        Err(panic) => match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(_) => resume_unwind(panic),
            Err(lack) => Err(from_io(lack)),
        },
    }
}

/// The addresses of a host. Waits for the system's name service.
fn addresses(host: &Host) -> io::Result<Vec<Option<IpAddr>>> {
    match &host.place {
        Place::Address(address) => Ok(vec![Some(*address)]),
        #[cfg(unix)]
        Place::Directory(_) => Ok(vec![None]),
        Place::Name(name) => {
            let found = (&**name, host.port).to_socket_addrs().map_err(|error| {
                io::Error::new(error.kind(), format!("no address of the host {name}: {error}"))
            })?;
            Ok(found.map(|address| Some(address.ip())).collect())
        }
    }
}

/// The moment at which the attempt at the first of `count` targets must end, so that each of the
/// others has as much time.
fn share(until: Option<Instant>, count: usize) -> Result<Option<Instant>, Own> {
    let Some(until) = until else { return Ok(None) };
    let now = Instant::now();
    let left = until.saturating_duration_since(now);
    if left.is_zero() {
        return Err(Own::NoTime);
    }
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    Ok(now.checked_add(left / count))
}

fn shuffle<T>(items: &mut [T]) {
    let random = RandomState::new();
    for index in (1..items.len()).rev() {
        let other = random.hash_one(index) % (index as u64 + 1);
        items.swap(index, usize::try_from(other).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_targets_share_the_time() {
        let until = Instant::now() + Duration::from_secs(60);
        let first = share(Some(until), 3).unwrap().unwrap();
        assert!(first <= Instant::now() + Duration::from_secs(20));
        assert!(share(Some(until), 1).unwrap().unwrap() > first);
        assert!(matches!(share(Some(Instant::now()), 2), Err(Own::NoTime)));
        assert_eq!(share(None, 2).unwrap(), None);
    }

    #[test]
    fn a_shuffle_keeps_all() {
        let mut items: Vec<_> = (0..20).collect();
        shuffle(&mut items);
        items.sort_unstable();
        assert_eq!(items, (0..20).collect::<Vec<_>>());
    }
}
