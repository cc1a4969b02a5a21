//! Connection URLs and libpq's texts. The driver reads them, after this module has refused what the
//! driver would ignore, and has taken out what only this crate knows.

mod advice;

use std::fmt;
use std::time::Duration;

use postgres::Config;

use self::advice::advice;
use crate::error::explain;

/// Why a connection URL or text cannot be used: which part is wrong, and how.
///
/// The error never shows the whole text, because that contains a password.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlError {
    part: String,
    problem: String,
}

impl UrlError {
    fn new(part: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { part: part.into(), problem: problem.into() }
    }

    fn parameter(name: &str, problem: impl Into<String>) -> Self {
        Self::new(format!("parameter `{name}`"), problem)
    }

    /// The part that is wrong: `scheme`, `host`, `text`, or ``parameter `name` ``.
    ///
    /// ```
    /// use threadwise_postgres::PostgresManager;
    ///
    /// let error = PostgresManager::from_url("mysql://app:secret@db.example/shop").unwrap_err();
    /// assert_eq!(error.part(), "scheme");
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
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) config: Config,
    pub(crate) ours: Ours,
}

/// What the driver's settings cannot hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ours {
    /// `None` is a parameter that is not there.
    pub(crate) read_timeout: Option<Option<Duration>>,
    pub(crate) init: Option<String>,
    /// `connect_timeout=0`: the driver takes that for a parameter that is not there.
    pub(crate) connects_without_limit: bool,
}

pub(crate) fn parse(text: &str) -> Result<Parsed, UrlError> {
    let (for_driver, ours) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['=', ' ', '\'']) => {
            if let Some(problem) = scheme_problem(scheme) {
                return Err(UrlError::new("scheme", problem));
            }
            split_url(text, rest)?
        }
        _ => split_text(text)?,
    };
    let config: Config = for_driver.parse().map_err(|error| of_driver(&error))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        let problem = "it is missing: write a name, an address, or the directory of a Unix socket";
        return Err(UrlError::new("host", problem));
    }
    Ok(Parsed { config, ours })
}

/// What is wrong with a scheme.
fn scheme_problem(scheme: &str) -> Option<&'static str> {
    Some(match scheme {
        "postgres" | "postgresql" => return None,
        "mysql" | "mariadb" => {
            "this is the address of a MySQL or MariaDB server: use `threadwise_mysql` for it, or write \
             `postgres://`"
        }
        "sqlite" | "file" => {
            "this is the address of a SQLite database: use `threadwise_sqlite` for it, or write \
             `postgres://`"
        }
        "jdbc" | "jdbc:postgresql" => {
            "remove `jdbc:`, and write user and password before the host: \
             `postgresql://user:password@host/database`"
        }
        _ => "it must be `postgres` or `postgresql`",
    })
}

/// Takes this crate's parameters out of a URL.
fn split_url(url: &str, rest: &str) -> Result<(String, Ours), UrlError> {
    // A password may contain a question mark; the driver reads on to the last `@`, too.
    let after_login = rest.rfind('@').map_or(0, |at| at + 1);
    let Some(at) = rest[after_login..].find('?') else {
        return Ok((url.to_owned(), Ours::default()));
    };
    let query_start = url.len() - rest.len() + after_login + at;
    let (before, query) = (&url[..query_start], &url[query_start + 1..]);
    let mut ours = Ours::default();
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !ours.take(&decode(name), &decode(value))? {
            kept.push(pair);
        }
    }
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    Ok((format!("{before}{query}"), ours))
}

/// Takes this crate's parameters out of a text `name=value name='value'`.
fn split_text(text: &str) -> Result<(String, Ours), UrlError> {
    let mut ours = Ours::default();
    let mut kept = Vec::new();
    for (name, value) in pairs(text)? {
        if !ours.take(&name, &value)? {
            let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
            kept.push(format!("{name}='{quoted}'"));
        }
    }
    Ok((kept.join(" "), ours))
}

/// The names and values of a text. A value in quotes may hold spaces; a backslash takes the next
/// character as it is.
fn pairs(text: &str) -> Result<Vec<(String, String)>, UrlError> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once('=') else {
            let problem = "it must be `postgres://user@host/database`, or `host=… user=… dbname=…`";
            return Err(UrlError::new("text", problem));
        };
        let mut chars = after.trim_start().chars();
        let is_quoted = chars.as_str().starts_with('\'');
        if is_quoted {
            chars.next();
        }
        let mut value = String::new();
        loop {
            match chars.next() {
                Some('\\') => value.extend(chars.next()),
                Some('\'') if is_quoted => break,
                Some(c) if !is_quoted && c.is_whitespace() => break,
                Some(c) => value.push(c),
                None if is_quoted => {
                    return Err(UrlError::parameter(name.trim(), "its quote does not end"));
                }
                None => break,
            }
        }
        pairs.push((name.trim().to_owned(), value));
        rest = chars.as_str().trim_start();
    }
    Ok(pairs)
}

impl Ours {
    /// Takes a parameter of this crate. Returns whether it was one. Refuses a name that neither
    /// this crate nor the driver knows.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, UrlError> {
        match name {
            "read_timeout" => {
                let Ok(seconds) = value.parse() else {
                    return Err(UrlError::parameter(name, "it must be a number of seconds"));
                };
                self.read_timeout = Some((seconds > 0).then(|| Duration::from_secs(seconds)));
                Ok(true)
            }
            "init" => {
                self.init = Some(value.to_owned());
                Ok(true)
            }
            "connect_timeout" if value == "0" => {
                self.connects_without_limit = true;
                Ok(true)
            }
            _ => match advice(name, value) {
                Some(problem) => Err(UrlError::parameter(name, problem)),
                None => Ok(false),
            },
        }
    }
}

/// Decodes `%20` and the like.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The driver's error, which names at most a parameter.
fn of_driver(error: &postgres::Error) -> UrlError {
    let text = explain(error);
    let text = text.trim_start_matches("invalid connection string: ");
    match text.split('`').nth(1) {
        Some(name) if text.starts_with("invalid value for option") => {
            UrlError::parameter(name, "its value cannot be read")
        }
        _ => UrlError::new("text", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn urls_and_texts_are_read() {
        for text in [
            "postgres://app:pw@db/shop?read_timeout=5&sslmode=disable&init=SET%20a.b%20%3D%201",
            "postgresql://app:pw@db/shop?sslmode=disable&init=SET a.b = 1&read_timeout=5",
            "host=db user=app password=pw dbname=shop read_timeout=5 init='SET a.b = 1'",
        ] {
            let Parsed { config, ours } = parse(text).expect(text);
            assert_eq!(config.get_user(), Some("app"), "{text}");
            assert_eq!(config.get_dbname(), Some("shop"), "{text}");
            assert_eq!(ours.read_timeout, Some(Some(Duration::from_secs(5))), "{text}");
            assert_eq!(ours.init.as_deref(), Some("SET a.b = 1"), "{text}");
        }
    }

    #[test]
    fn a_password_may_hold_signs_that_mean_something_elsewhere() {
        let parsed = parse(r"host=db password='it\'s = a ? b'").unwrap();
        assert_eq!(parsed.config.get_password(), Some(&b"it's = a ? b"[..]));
        let parsed = parse("postgres://app:a%3Fb@db/shop?read_timeout=5").unwrap();
        assert_eq!(parsed.config.get_password(), Some(&b"a?b"[..]));
    }

    #[test]
    fn mistakes_are_explained_without_the_password() {
        for (text, parts) in [
            ("mysql://app:sesame@db/shop", &["scheme", "threadwise_mysql"][..]),
            ("sqlite://sesame.db", &["scheme", "threadwise_sqlite"]),
            ("jdbc:postgresql://db/shop?password=sesame", &["scheme", "jdbc:"]),
            ("http://app:sesame@db/shop", &["scheme", "`postgres` or `postgresql`"]),
            ("sesame", &["text", "host=…"]),
            ("postgres://app:sesame@/shop", &["host"]),
            ("host=db password='sesame", &["parameter `password`", "quote"]),
            ("postgres://app:sesame@db/?pool_max=5", &["parameter `pool_max`", "builder"]),
            ("postgres://app:sesame@db/?max_size=5", &["parameter `max_size`", "builder"]),
            ("postgres://app:sesame@db/?conect_timeout=5", &["did you mean `connect_timeout`"]),
            ("postgres://app:sesame@db/?connect_timeout=5s", &["parameter `connect_timeout`"]),
            ("postgres://app:sesame@db/?sslmode=verify-full", &["`sslmode`", "tls"]),
            ("postgres://app:sesame@db/?sslrootcert=x", &["`sslrootcert`", "tls"]),
            ("postgres://app:sesame@db/?target_session_attrs=primary", &["read-write"]),
            ("postgres://app:sesame@db/?search_path=x", &["`search_path`", "options=-c"]),
            ("postgres://app:sesame@db/?database=x", &["`dbname`"]),
            ("postgres://app:sesame@db/?read_timeout=soon", &["number of seconds"]),
            ("postgres://app:sesame@db:port/x", &["parameter `port`"]),
        ] {
            let error = refusal(text);
            for part in parts {
                assert!(error.contains(part), "{text}: {error}");
            }
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
