//! One setting: its key, its value, and where it comes from.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use super::ConfigError;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    source: Source,
    pub(super) key: String,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// The program or a configuration file gave it.
    Given,
    /// An environment variable of this name.
    Variable(String),
    /// A parameter of a URL, with this prefix.
    Parameter(&'static str),
}

/// The text of a value. After [`Entry::hide`], nothing prints it.
#[derive(Clone, PartialEq)]
pub(super) struct Value {
    text: String,
    is_secret: bool,
}

impl Deref for Value {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret { f.write_str("***") } else { self.text.fmt(f) }
    }
}

impl Entry {
    pub(super) fn new(source: Source, key: &str, value: &str) -> Self {
        let value = Value { text: value.to_owned(), is_secret: false };
        Self { source, key: key.to_owned(), value }
    }

    pub(super) fn set(&mut self, value: String) {
        self.value.text = value;
    }

    /// Keeps the value from being printed.
    pub(super) fn hide(&mut self) {
        self.value.is_secret = true;
    }

    pub(super) fn is_secret(&self) -> bool {
        self.value.is_secret
    }

    pub(super) fn error(&self, problem: String) -> ConfigError {
        let place = match &self.source {
            Source::Given => format!("`{}`", self.key),
            Source::Variable(name) => format!("the environment variable `{name}`"),
            Source::Parameter(prefix) => format!("the parameter `{prefix}{}` of the URL", self.key),
        };
        ConfigError { key: self.key.clone(), place, problem }
    }
}

/// Returns the environment's variables whose names are valid Unicode.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    })
}

/// Makes entries of the variables `PREFIX_KEY`.
pub(super) fn from_vars(prefix: &str, vars: impl Iterator<Item = (String, String)>) -> Vec<Entry> {
    let own = |(name, value): (String, String)| {
        let key = name.strip_prefix(prefix)?.strip_prefix('_')?.to_ascii_lowercase();
        Some(Entry::new(Source::Variable(name), &key, &value))
    };
    let mut entries: Vec<_> = vars.filter_map(own).collect();
    entries.sort_by(|one, other| one.key.cmp(&other.key)); // the environment has no order
    entries
}

/// Returns the parameters of a URL whose names begin with `prefix`, and the URL without them.
pub(super) fn take_parameters<'u>(
    prefix: &'static str,
    url: &'u str,
) -> (Vec<Entry>, Cow<'u, str>) {
    let (before, fragment) = match url.split_once('#') {
        Some((before, fragment)) => (before, Some(fragment)),
        None => (url, None),
    };
    let Some((base, query)) = before.split_once('?') else { return (Vec::new(), url.into()) };
    let (own, others): (Vec<_>, Vec<_>) =
        query.split('&').partition(|pair| pair.starts_with(prefix));
    if own.is_empty() {
        return (Vec::new(), url.into());
    }
    let entries = own.into_iter().map(|pair| of_parameter(prefix, pair)).collect();
    let mut rest = base.to_owned();
    for (part, mark) in [(others.join("&"), '?'), (fragment.unwrap_or("").to_owned(), '#')] {
        if !part.is_empty() {
            rest.push(mark);
            rest.push_str(&part);
        }
    }
    (entries, rest.into())
}

/// Makes an entry of a URL's parameter `prefix.key=value`.
fn of_parameter(prefix: &'static str, pair: &str) -> Entry {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let key = key.strip_prefix(prefix).unwrap_or(key);
    Entry::new(Source::Parameter(prefix), key, &decoded(value))
}

/// Describes the problem with a key that is not among `known`, the settings of `what`. Suggests the most
/// similar setting. If none is similar, says `where_to_look` for the settings.
pub(super) fn unknown(key: &str, known: &[&str], what: &str, where_to_look: &str) -> String {
    let plain = |key: &str| key.to_ascii_lowercase().replace(['-', '.'], "_");
    let near = |known: &&&str| strsim::jaro_winkler(&plain(key), known);
    let nearest = known.iter().max_by(|one, other| near(one).total_cmp(&near(other)));
    match nearest.filter(|known| near(known) > 0.85) {
        Some(known) => format!("is no setting of {what}; did you mean `{known}`?"),
        None => format!("is no setting of {what}; the settings are {where_to_look}"),
    }
}

/// Decodes `%41` and `+`. An invalid escape stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(escaped)) => {
                decoded.push(escaped);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
