//! Connection URLs: read by the driver, after a look at what it would misread or ignore.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use mysql::Opts;

/// Why a connection URL cannot be used: which part, and what is wrong with it.
///
/// Never shows the URL, since that has a password in it, and of its parts only harmless ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    part: String,
    problem: String,
}

impl UrlError {
    fn new(part: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { part: part.into(), problem: problem.into() }
    }

    /// The part of the URL: `scheme`, `user or password`, `host`, `port`, `database`, or
    /// ``parameter `name` ``.
    #[must_use]
    pub fn part(&self) -> &str {
        &self.part
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection URL cannot be used: {}: {}", self.part, self.problem)
    }
}

impl std::error::Error for UrlError {}

/// Settings of the driver's own pool, which would have no effect here.
const POOL_PARAMETERS: [&str; 4] = ["pool_min", "pool_max", "reset_connection", "check_health"];

/// What a URL says.
pub(crate) struct Parsed {
    pub(crate) opts: Opts,
    /// The driver's default cannot be told apart from the same word in the URL.
    pub(crate) prefer_socket: bool,
    pub(crate) ours: Ours,
}

/// Parameters that the driver does not know; `None` is one that is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ours {
    pub(crate) read_timeout: Option<Option<Duration>>,
    pub(crate) write_timeout: Option<Option<Duration>>,
    pub(crate) init: Option<String>,
    pub(crate) program_name: Option<String>,
}

impl Ours {
    const NAMES: [&'static str; 4] =
        ["read_timeout_ms", "write_timeout_ms", "init", "program_name"];

    fn read(query: &str) -> Result<Self, UrlError> {
        let mut ours = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "read_timeout_ms" => ours.read_timeout = Some(timeout(&name, &value)?),
                "write_timeout_ms" => ours.write_timeout = Some(timeout(&name, &value)?),
                "init" => ours.init = Some(value.into_owned()),
                "program_name" => ours.program_name = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(ours)
    }
}

/// Milliseconds, or none at all.
fn timeout(name: &str, value: &str) -> Result<Option<Duration>, UrlError> {
    if value == "none" {
        return Ok(None);
    }
    match value.parse() {
        Ok(millis @ 1..) => Ok(Some(Duration::from_millis(millis))),
        _ => {
            let problem =
                format!("`{value}` is not a value it can have: milliseconds from 1, or `none`");
            Err(UrlError::new(parameter(name), problem))
        }
    }
}

pub(crate) fn parse(url: &str) -> Result<Parsed, UrlError> {
    let rest = strip_scheme(url)?;
    let address_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (address, tail) = rest.split_at(address_end);
    check_credentials(tail)?;
    check_host(address)?;
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    check_path(path)?;
    let names = check_parameters(query)?;
    let ours = Ours::read(query)?;
    let opts = Opts::from_url(&for_driver(url, query)).map_err(explain)?;
    let prefer_socket = names.contains("prefer_socket") && opts.get_prefer_socket();
    Ok(Parsed { opts, prefer_socket, ours })
}

/// The URL without the parameters that the driver would refuse.
fn for_driver(url: &str, query: &str) -> String {
    let is_ours = |pair: &&str| Ours::NAMES.contains(&name_of(pair));
    let others: Vec<_> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    let url = url.trim();
    format!("{}{}", &url[..url.len() - query.len()], others.join("&"))
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn strip_scheme(url: &str) -> Result<&str, UrlError> {
    const FORM: &str = "write mysql://user:password@host:3306/database";
    let Some((scheme, rest)) = url.trim().split_once("://") else {
        return Err(UrlError::new("scheme", format!("there is none: {FORM}")));
    };
    if scheme.eq_ignore_ascii_case("mysql") {
        return Ok(rest);
    }
    let harmless = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let found = if harmless { format!("`{scheme}` is not `mysql`") } else { "no name".into() };
    Err(UrlError::new("scheme", format!("{found}: {FORM}")))
}

/// A password with a `/`, `?` or `#` in it ends the address too early, and what follows would be
/// taken, and shown, as something else.
fn check_credentials(tail: &str) -> Result<(), UrlError> {
    if tail.contains(['@', '#']) {
        let problem = "there is an `@` or `#` after the address: write % @ : / ? # inside of \
                       names, passwords and values as %25 %40 %3A %2F %3F %23";
        return Err(UrlError::new("user or password", problem));
    }
    Ok(())
}

fn check_host(address: &str) -> Result<(), UrlError> {
    let host = address.rsplit_once('@').map_or(address, |(_, host)| host);
    if host.is_empty() || host.starts_with(':') {
        return Err(UrlError::new("host", "it is missing"));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), UrlError> {
    if path.trim_matches('/').contains('/') {
        return Err(UrlError::new("database", "there is a `/` in its name: write it as %2F"));
    }
    Ok(())
}

/// The names of all parameters.
fn check_parameters(query: &str) -> Result<HashSet<&str>, UrlError> {
    let mut names = HashSet::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = name_of(pair);
        if POOL_PARAMETERS.contains(&name) {
            let problem = "this is a setting of the driver's own pool, and has no effect on this \
                           one: use the pool's builder";
            return Err(UrlError::new(parameter(name), problem));
        }
        if !names.insert(name) {
            return Err(UrlError::new(parameter(name), "it is there twice"));
        }
    }
    Ok(names)
}

/// The driver's complaint, sorted by the part that it is about.
fn explain(error: mysql::UrlError) -> UrlError {
    use mysql::UrlError as Driver;
    match error {
        Driver::ParseError(error) => {
            let text = error.to_string();
            let part = if text.contains("port") { "port" } else { "host" };
            UrlError::new(part, text)
        }
        Driver::UnsupportedScheme(_) => UrlError::new("scheme", "it is not `mysql`"),
        Driver::FeatureRequired(feature, name) => UrlError::new(
            parameter(&name),
            format!("the driver was built without the feature it needs: {feature}"),
        ),
        Driver::InvalidValue(name, value) => {
            UrlError::new(parameter(&name), format!("`{value}` is not a value it can have"))
        }
        Driver::UnknownParameter(name) => UrlError::new(parameter(&name), "there is no such one"),
        Driver::InvalidPoolConstraints { .. } => UrlError::new("parameter `pool_min`", "no effect"),
        Driver::BadUrl => UrlError::new("host", "it is missing or malformed"),
    }
}

fn parameter(name: &str) -> String {
    format!("parameter `{name}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> UrlError {
        match parse(url) {
            Ok(_) => panic!("{url} was taken"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_complete_url_is_read() {
        let url = "mysql://some%40one:p%2Fw%3F%23@db.example:3307/my%2Fdata?stmt_cache_size=7";
        let Ok(Parsed { opts, prefer_socket, .. }) = parse(url) else { panic!("refused") };
        assert_eq!(opts.get_user(), Some("some@one"));
        assert_eq!(opts.get_pass(), Some("p/w?#"));
        assert_eq!(opts.get_ip_or_hostname(), "db.example");
        assert_eq!(opts.get_tcp_port(), 3307);
        assert_eq!(opts.get_db_name(), Some("my/data"));
        assert_eq!(opts.get_stmt_cache_size(), 7);
        assert!(!prefer_socket);
    }

    #[test]
    fn the_hop_to_the_socket_is_made_on_request_only() {
        let asked = |url| parse(url).is_ok_and(|parsed| parsed.prefer_socket);
        assert!(asked("mysql://h/?prefer_socket=true"));
        assert!(!asked("mysql://h/?prefer_socket=false"));
        assert!(!asked("mysql://h/"));
    }

    #[test]
    fn parameters_that_the_driver_does_not_know_are_read_beside_its_own() {
        let url = "mysql://h/d?read_timeout_ms=1500&stmt_cache_size=7&write_timeout_ms=none\
                   &init=SET%20time_zone%3D'%2B00:00'&program_name=shop+window";
        let Ok(Parsed { opts, ours, .. }) = parse(url) else { panic!("refused") };
        assert_eq!(opts.get_stmt_cache_size(), 7);
        assert_eq!(opts.get_db_name(), Some("d"));
        assert_eq!(ours.read_timeout, Some(Some(Duration::from_millis(1500))));
        assert_eq!(ours.write_timeout, Some(None));
        assert_eq!(ours.init.as_deref(), Some("SET time_zone='+00:00'"));
        assert_eq!(ours.program_name.as_deref(), Some("shop window"));
        let Ok(Parsed { ours, .. }) = parse("mysql://h/?compress=fast") else { panic!("refused") };
        assert_eq!(ours, Ours::default());
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        for (url, part) in [
            ("", "scheme"),
            ("root@localhost/test", "scheme"),
            ("postgres://root@localhost/test", "scheme"),
            ("mysql://", "host"),
            ("mysql:///test", "host"),
            ("mysql://root@/test", "host"),
            ("mysql://root@:3306/test", "host"),
            ("mysql://h:port/test", "port"),
            ("mysql://h:99999/test", "port"),
            ("mysql://h/a/b", "database"),
            ("mysql://h/?colour=blue", "parameter `colour`"),
            ("mysql://h/?stmt_cache_size=many", "parameter `stmt_cache_size`"),
            ("mysql://h/?prefer_socket=true&prefer_socket=false", "parameter `prefer_socket`"),
            ("mysql://h/?read_timeout_ms=0", "parameter `read_timeout_ms`"),
            ("mysql://h/?write_timeout_ms=soon", "parameter `write_timeout_ms`"),
            ("mysql://h/?init=a&init=b", "parameter `init`"),
            ("mysql://h/?pool_min=1", "parameter `pool_min`"),
            ("mysql://h/?pool_max=1", "parameter `pool_max`"),
            ("mysql://h/?check_health=false", "parameter `check_health`"),
            ("mysql://h/?reset_connection=false", "parameter `reset_connection`"),
            ("mysql://h/#comment", "user or password"),
        ] {
            assert_eq!(refused(url).part(), part, "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "root:s3cret@h/test",
            "root:s3cret://h/test",
            "mysql://root:s3cret@/test",
            "mysql://root:s3cret@h:port/test",
            "mysql://root:s3cret@h/a/b",
            "mysql://root:s3cret@h/?colour=blue",
            "mysql://root:/s3cret@h/test",
            "mysql://root:1?s3cret@h/test",
            "mysql://root:1#s3cret@h/test",
            "mysql://root:1/s3cret@h/test",
            "mysql://root:s3cret:1@h:x/test",
            "mysql://root:s3cret",
        ] {
            let error = refused(url);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
