//! Connection URLs. The driver reads them, after this module has refused what the driver would
//! misread or ignore.

mod advice;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use mysql::Opts;

use self::advice::{OF_THE_DRIVERS_POOL, POOL_PARAMETERS, advice};

/// Why a connection URL cannot be used: which part is wrong, and how.
///
/// The error never shows the whole URL, because that contains a password. Of the URL's parts it
/// shows only harmless ones.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlError {
    part: String,
    problem: String,
}

impl UrlError {
    fn new(part: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { part: part.into(), problem: problem.into() }
    }

    /// The part of the URL that is wrong: `scheme`, `user or password`, `host`, `port`, `database`,
    /// or ``parameter `name` ``.
    ///
    /// ```
    /// use threadwise_mysql::MysqlManager;
    ///
    /// let error = MysqlManager::from_url("mysql://app:secret@/shop").unwrap_err();
    /// assert_eq!(error.part(), "host");
    /// assert!(!error.to_string().contains("secret"));
    /// ```
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

// By hand, because `unwrap` prints this.
impl fmt::Debug for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for UrlError {}

/// The content of a URL.
pub(crate) struct Parsed {
    pub(crate) opts: Opts,
    /// Apart from `opts`, because there the driver's default looks like the same word in the URL.
    pub(crate) prefer_socket: bool,
    pub(crate) ours: Ours,
}

/// The parameters that only this crate knows. `None` is a parameter that is not in the URL.
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

/// Reads a timeout in milliseconds, or `none`.
fn timeout(name: &str, value: &str) -> Result<Option<Duration>, UrlError> {
    if value == "none" {
        return Ok(None);
    }
    match value.parse() {
        Ok(millis @ 1..) => Ok(Some(Duration::from_millis(millis))),
        _ => {
            let problem = format!("`{value}` must be milliseconds, at least 1, or `none`");
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
    let opts = Opts::from_url(&for_driver(address, path, query)).map_err(explain)?;
    let prefer_socket = names.contains("prefer_socket") && opts.get_prefer_socket();
    Ok(Parsed { opts, prefer_socket, ours })
}

/// A URL for each host of the list in this one's address.
pub(crate) fn each_host(url: &str) -> Result<Vec<String>, UrlError> {
    let rest = strip_scheme(url)?;
    let (address, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    check_credentials(tail)?;
    let (user, list) = match address.rsplit_once('@') {
        Some((user, list)) => (format!("{user}@"), list),
        None => (String::new(), address),
    };
    if list.split(',').any(|host| host.trim().is_empty()) && list.contains(',') {
        return Err(UrlError::new("host", "the list has an empty entry: remove a comma"));
    }
    Ok(list.split(',').map(|host| format!("mysql://{user}{}{tail}", host.trim())).collect())
}

/// The URL for the driver: without the parameters that it would refuse, and with the scheme that it
/// knows.
fn for_driver(address: &str, path: &str, query: &str) -> String {
    let is_ours = |pair: &&str| Ours::NAMES.contains(&name_of(pair));
    let others: Vec<_> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    format!("mysql://{address}{path}?{}", others.join("&"))
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn strip_scheme(url: &str) -> Result<&str, UrlError> {
    const FORM: &str = "write mysql://user:password@host:3306/database";
    let problem = |problem: String| Err(UrlError::new("scheme", format!("{problem}: {FORM}")));
    let url = url.trim();
    let known = |scheme: &str| {
        ["mysql", "mariadb"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))
    };
    if let Some((scheme, rest)) = url.split_once("://")
        && known(scheme).is_some()
    {
        return Ok(rest);
    }
    // What precedes the first colon may be a password, so only harmless words are shown.
    let Some((scheme, rest)) = url.split_once(':') else {
        return problem("it is missing: write `mysql://` before the host".to_owned());
    };
    if scheme.eq_ignore_ascii_case("jdbc") {
        return problem(
            "`jdbc:` is for Java: leave it out, and write user and password before the host"
                .to_owned(),
        );
    }
    if let Some((server, _)) = scheme.split_once('+')
        && let Some(server) = known(server)
    {
        return problem(format!(
            "the name after `{server}+` is a driver of another language: leave it out"
        ));
    }
    if let Some(scheme) = known(scheme) {
        return problem(format!("`//` is missing after `{scheme}:`"));
    }
    if !rest.starts_with("//") {
        return problem("it is missing: write `mysql`".to_owned());
    }
    let is_harmless = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    problem(if is_harmless {
        format!("`{scheme}` must be `mysql` or `mariadb`")
    } else {
        "it is not a name: write `mysql`".to_owned()
    })
}

/// Refuses a password with an unescaped `/`, `?` or `#`. Such a character ends the address too
/// early, and a message would show the rest.
fn check_credentials(tail: &str) -> Result<(), UrlError> {
    if tail.contains(['@', '#']) {
        let problem = "there is an `@` or `#` after the address: inside names, passwords and values write \
                       % @ : / ? # as %25 %40 %3A %2F %3F %23";
        return Err(UrlError::new("user or password", problem));
    }
    Ok(())
}

fn check_host(address: &str) -> Result<(), UrlError> {
    let host = address.rsplit_once('@').map_or(address, |(_, host)| host);
    if host.is_empty() || host.starts_with(':') {
        return Err(UrlError::new("host", "it is missing: write it after `//`, or after the `@`"));
    }
    if host.contains(',') {
        let problem = "one manager has one host: for several, call `MysqlManager::each_from_url` and give the \
                       managers to `threadwise_hosts::Hosts`";
        return Err(UrlError::new("host", problem));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), UrlError> {
    if path.trim_matches('/').contains('/') {
        return Err(UrlError::new("database", "its name contains a `/`: write it as %2F"));
    }
    Ok(())
}

/// Refuses parameters without effect and doubled ones. Returns the names of all parameters.
fn check_parameters(query: &str) -> Result<HashSet<&str>, UrlError> {
    let mut names = HashSet::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = name_of(pair);
        if POOL_PARAMETERS.contains(&name) {
            return Err(UrlError::new(parameter(name), OF_THE_DRIVERS_POOL));
        }
        if !names.insert(name) {
            return Err(UrlError::new(parameter(name), "it appears twice: remove one"));
        }
    }
    Ok(names)
}

/// The driver's error, with the part of the URL that it is about.
fn explain(error: mysql::UrlError) -> UrlError {
    use mysql::UrlError as Driver;
    match error {
        Driver::ParseError(error) => {
            let text = error.to_string();
            let part = if text.contains("port") { "port" } else { "host" };
            UrlError::new(part, text)
        }
        Driver::UnsupportedScheme(_) => UrlError::new("scheme", "it must be `mysql` or `mariadb`"),
        Driver::FeatureRequired(feature, name) => UrlError::new(
            parameter(&name),
            format!("it needs the feature `{feature}` of the crate `mysql`: enable it"),
        ),
        Driver::InvalidValue(name, value) => {
            let problem = format!("`{value}` is not valid: see the driver's documentation");
            UrlError::new(parameter(&name), problem)
        }
        Driver::UnknownParameter(name) => {
            let advice = advice(&name);
            UrlError::new(parameter(&name), format!("it does not exist: {advice}"))
        }
        Driver::InvalidPoolConstraints { .. } => {
            UrlError::new("parameter `pool_min`", OF_THE_DRIVERS_POOL)
        }
        Driver::BadUrl => {
            let problem = "it is missing or malformed: write `mysql://user@host:port/database`";
            UrlError::new("host", problem)
        }
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
            Ok(_) => panic!("{url} was accepted"),
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
    fn a_list_of_hosts_becomes_a_url_for_each() {
        let urls = each_host("mariadb://app:p%2Cw@a, b:3307,[::1]/shop?init=DO%200").unwrap();
        let expected = ["a", "b:3307", "[::1]"]
            .map(|host| format!("mysql://app:p%2Cw@{host}/shop?init=DO%200"));
        assert_eq!(urls, expected);
        assert_eq!(each_host("mysql://a").unwrap(), ["mysql://a"]);
        for list in ["a,,b", ",a", "a,"] {
            let error = each_host(&format!("mysql://app:secret@{list}/shop")).unwrap_err();
            assert_eq!(error.part(), "host");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn the_unix_socket_is_preferred_only_on_request() {
        let asked = |url| parse(url).is_ok_and(|parsed| parsed.prefer_socket);
        assert!(asked("mysql://h/?prefer_socket=true"));
        assert!(!asked("mysql://h/?prefer_socket=false"));
        assert!(!asked("mysql://h/"));
    }

    #[test]
    fn parameters_of_this_crate_are_read_beside_those_of_the_driver() {
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
    fn the_error_names_the_part_that_is_wrong() {
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
            ("mysql://a,b:3307/test", "host"),
            ("jdbc:mysql://h/test", "scheme"),
            ("mysql+pymysql://h/test", "scheme"),
            ("mysql:root@h/test", "scheme"),
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
            "jdbc:mysql://root:s3cret@h/test",
            "mysql+s3cret:s3cret@h/test",
            "mysql:root:s3cret@h/test",
            "mysql://root:s3cret@a,b/test",
            "mysql://root:s3cret@h/?max_sice=5",
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

    #[test]
    fn the_scheme_mariadb_is_accepted() {
        for url in ["mariadb://root:p@h:3307/d?stmt_cache_size=7", "MySQL://root:p@h:3307/d"] {
            let Ok(Parsed { opts, .. }) = parse(url) else { panic!("{url} refused") };
            assert_eq!((opts.get_tcp_port(), opts.get_db_name()), (3307, Some("d")));
        }
    }

    #[test]
    fn a_url_of_another_library_is_refused_and_the_error_says_what_to_write() {
        for (url, hint) in [
            ("jdbc:mysql://h/d?user=root", "leave it out"),
            ("jdbc:mariadb://h/d", "leave it out"),
            ("mysql+pymysql://h/d", "the name after `mysql+` is a driver"),
            ("mysql:root@h/d", "`//` is missing after `mysql:`"),
            ("mariadb:/h/d", "`//` is missing after `mariadb:`"),
            ("mysql://a:3306,b:3306/d", "one manager has one host"),
            ("mysql://u:p@a,b,c/d", "one manager has one host"),
        ] {
            let text = refused(url).to_string();
            assert!(text.contains(hint), "{url}: {text}");
        }
        let text = refused("jdbc:mysql://h/d").to_string();
        assert!(text.contains("write mysql://user:password@host:3306/database"), "{text}");
    }

    #[test]
    fn a_misspelled_parameter_gets_a_suggestion() {
        for (name, meant) in [
            ("poolmax", "did you mean `pool_max`?"),
            ("pool-max", "did you mean `pool_max`?"),
            ("stmt_cashe_size", "did you mean `stmt_cache_size`?"),
            ("readTimeoutMs", "did you mean `read_timeout_ms`?"),
            ("read_timout_ms", "did you mean `read_timeout_ms`?"),
            ("prefersocket", "did you mean `prefer_socket`?"),
            ("connectTimeout", "write `tcp_connect_timeout_ms`"),
            ("useSSL", "`root_cert_path`"),
            ("sslmode", "`root_cert_path`"),
            ("serverTimezone", "SET time_zone"),
            ("max_size", "`.max_size(…)`"),
            ("maxSize", "`.max_size(…)`"),
            ("max_lifetim", "`.max_lifetime(…)`"),
            ("get_timeout", "`.get_timeout(…)`"),
        ] {
            let text = refused(&format!("mysql://h/?{name}=1")).to_string();
            assert!(text.contains(meant), "{name}: {text}");
        }
        let text = refused("mysql://h/?colour=blue").to_string();
        assert!(!text.contains("did you mean"), "{text}");
    }

    #[test]
    fn unwrap_prints_the_message() {
        let error = refused("mysql://h/?poolmax=1");
        assert_eq!(format!("{error:?}"), error.to_string());
    }
}
