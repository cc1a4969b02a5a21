//! Connection URLs: read by the driver, after a look at what it would misread or ignore.

use std::collections::HashSet;
use std::fmt;

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
    let opts = Opts::from_url(url).map_err(explain)?;
    let prefer_socket = names.contains("prefer_socket") && opts.get_prefer_socket();
    Ok(Parsed { opts, prefer_socket })
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
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
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
        let Ok(Parsed { opts, prefer_socket }) = parse(url) else { panic!("refused") };
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
