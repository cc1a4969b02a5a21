//! The keys of the MySQL manager.

use super::keys::{Key, Keys, Problem, Values, missing};
use crate::config::value::{self, Read};
use crate::mysql::MysqlManager;
use crate::mysql::mysql::OptsBuilder;

impl Keys for MysqlManager {
    const WHAT: &'static str = "a MySQL manager";
    const URL_KEY: &'static str = "url";
    const KEYS: &'static [Key] = &[
        Key::secret("url", |text| from_url(text).map(drop)),
        Key::new("host", |text| value::text(text).map(drop)),
        Key::new("port", |text| value::port(text).map(drop)),
        Key::new("socket", |text| value::text(text).map(drop)),
        Key::new("user", |text| value::text(text).map(drop)),
        Key::secret("password", |_| Ok(())),
        Key::new("database", |text| value::text(text).map(drop)),
        Key::new("connect_timeout", |text| value::timeout(text).map(drop)),
        Key::new("read_timeout", |text| value::timeout(text).map(drop)),
        Key::new("write_timeout", |text| value::timeout(text).map(drop)),
        Key::new("init", |text| value::text(text).map(drop)),
        Key::new("program_name", |text| value::text(text).map(drop)),
        Key::new("prefer_socket", |text| value::flag(text).map(drop)),
    ];

    fn build(values: &Values<'_>) -> Result<Self, Problem> {
        values.exclude("url", &["host", "port", "socket"])?;
        values.exclude("socket", &["host", "port", "prefer_socket"])?;
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
        if let Some(timeout) = values.read("write_timeout", value::timeout)? {
            manager = manager.write_timeout(timeout);
        }
        if let Some(statement) = values.get("init") {
            manager = manager.init(statement);
        }
        if let Some(name) = values.get("program_name") {
            manager = manager.program_name(name);
        }
        if let Some(prefers) = values.read("prefer_socket", value::flag)? {
            manager = manager.prefer_socket(prefers);
        }
        Ok(manager)
    }

    fn settings_as_texts(&self) -> Vec<(&'static str, String)> {
        self.settings()
    }
}

fn from_url(url: &str) -> Read<MysqlManager> {
    MysqlManager::from_url(url).map_err(|error| format!("is wrong: {error}"))
}

/// A manager of these hosts, without a URL.
fn of_parts(values: &Values<'_>) -> Result<MysqlManager, Problem> {
    if values.get("host").or(values.get("socket")).is_none() {
        return Err(missing("url", "set `host` or `socket`"));
    }
    let mut opts = OptsBuilder::new().socket(values.get("socket"));
    if let Some(host) = values.get("host") {
        opts = opts.ip_or_hostname(Some(host));
    }
    if let Some(port) = values.read("port", value::port)? {
        opts = opts.tcp_port(port);
    }
    Ok(MysqlManager::new(opts))
}
