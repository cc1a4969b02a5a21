//! The keys of the PostgreSQL manager.

use super::keys::{Key, Keys, Problem, Values, missing};
use crate::config::value::{self, Read};
use crate::postgres::PostgresManager;
use crate::postgres::postgres::Config;
use crate::postgres::postgres::config::{SslMode, TargetSessionAttrs};

impl Keys for PostgresManager {
    const WHAT: &'static str = "a PostgreSQL manager";
    const URL_KEY: &'static str = "url";
    const KEYS: &'static [Key] = &[
        Key::secret("url", |text| from_url(text).map(drop)),
        Key::new("host", |text| value::text(text).map(drop)),
        Key::new("port", |text| ports(text).map(drop)),
        Key::new("user", |text| value::text(text).map(drop)),
        Key::secret("password", |_| Ok(())),
        Key::new("database", |text| value::text(text).map(drop)),
        Key::new("connect_timeout", |text| value::timeout(text).map(drop)),
        Key::new("read_timeout", |text| value::timeout(text).map(drop)),
        Key::new("init", |text| value::text(text).map(drop)),
        Key::new("application_name", |text| value::text(text).map(drop)),
        Key::new("sslmode", |text| ssl_mode(text).map(drop)),
        Key::new("target_session_attrs", |text| target(text).map(drop)),
    ];

    fn build(values: &Values<'_>) -> Result<Self, Problem> {
        let in_url = ["host", "port", "application_name", "sslmode", "target_session_attrs"];
        values.exclude("url", &in_url)?;
        let mut manager = match values.read("url", from_url)? {
            Some(manager) => manager,
            None => of_parts(values)?,
        };
        if let Some(user) = values.get("user") {
            manager = manager.user(Some(user));
        }
        if let Some(password) = values.get("password") {
            manager = manager.password(Some(password));
        }
        if let Some(database) = values.get("database") {
            manager = manager.database(Some(database));
        }
        if let Some(timeout) = values.read("connect_timeout", value::timeout)? {
            manager = manager.connect_timeout(timeout);
        }
        if let Some(timeout) = values.read("read_timeout", value::timeout)? {
            manager = manager.read_timeout(timeout);
        }
        if let Some(statement) = values.get("init") {
            manager = manager.init(statement);
        }
        Ok(manager)
    }

    fn settings_as_texts(&self) -> Vec<(&'static str, String)> {
        self.settings()
    }
}

fn from_url(url: &str) -> Read<PostgresManager> {
    PostgresManager::from_url(url).map_err(|error| format!("is wrong: {error}"))
}

/// A manager of these hosts, without a URL.
fn of_parts(values: &Values<'_>) -> Result<PostgresManager, Problem> {
    let Some(hosts) = values.get("host") else { return Err(missing("url", "set `host`")) };
    let hosts: Vec<_> = hosts.split(',').map(str::trim).collect();
    let ports = values.read("port", ports)?.unwrap_or_default();
    if ports.len() > 1 && ports.len() != hosts.len() {
        let problem = format!(
            "has {} values for {} hosts; must be one port for all hosts, or one for each",
            ports.len(),
            hosts.len()
        );
        return Err(Problem { key: "port", problem });
    }
    let mut config = Config::new();
    for host in hosts {
        config.host(host);
    }
    for port in ports {
        config.port(port);
    }
    if let Some(name) = values.get("application_name") {
        config.application_name(name);
    }
    if let Some(mode) = values.read("sslmode", ssl_mode)? {
        config.ssl_mode(mode);
    }
    if let Some(target) = values.read("target_session_attrs", target)? {
        config.target_session_attrs(target);
    }
    Ok(PostgresManager::new(config))
}

fn ports(text: &str) -> Read<Vec<u16>> {
    text.split(',').map(value::port).collect()
}

fn ssl_mode(text: &str) -> Read<SslMode> {
    match text.trim() {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        "require" => Ok(SslMode::Require),
        _ => Err(value::wrong(text, "`disable`, `prefer` or `require`")),
    }
}

fn target(text: &str) -> Read<TargetSessionAttrs> {
    match text.trim() {
        "any" => Ok(TargetSessionAttrs::Any),
        "read-write" => Ok(TargetSessionAttrs::ReadWrite),
        "read-only" => Ok(TargetSessionAttrs::ReadOnly),
        _ => Err(value::wrong(text, "`any`, `read-write` or `read-only`")),
    }
}
