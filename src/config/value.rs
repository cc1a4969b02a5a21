//! How a text becomes a value.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use threadwise_core::{ManageConnection, Reset, Validation};

/// Reads a value. The error says what it must be.
pub(super) type Read<T> = Result<T, String>;

pub(super) fn number<T: FromStr>(text: &str) -> Read<T> {
    text.trim().replace('_', "").parse().map_err(|_| wrong(text, "a whole number, such as `8`"))
}

pub(super) fn number_or_none<T: FromStr>(text: &str) -> Read<Option<T>> {
    if is_none(text) {
        return Ok(None);
    }
    number(text)
        .map(Some)
        .map_err(|_| wrong(text, "a whole number, such as `8`, or `none` for no limit"))
}

pub(super) fn fraction(text: &str) -> Read<f64> {
    text.trim().parse().map_err(|_| wrong(text, "a number from 0 to 1, such as `0.25`"))
}

pub(super) fn flag(text: &str) -> Read<bool> {
    text.trim().parse().map_err(|_| wrong(text, "`true` or `false`"))
}

pub(super) fn time(text: &str) -> Read<Duration> {
    parse_time(text).ok_or_else(|| wrong_time(text, ""))
}

pub(super) fn time_or_none(text: &str) -> Read<Option<Duration>> {
    if is_none(text) {
        return Ok(None);
    }
    parse_time(text).map(Some).ok_or_else(|| wrong_time(text, ", or `none` for no limit"))
}

/// Reads a timeout of a manager. Refuses zero, because drivers take it for no timeout.
pub(super) fn timeout(text: &str) -> Read<Option<Duration>> {
    match time_or_none(text)? {
        Some(Duration::ZERO) => {
            Err(wrong(text, "longer than zero, such as `30s`, or `none` for no limit"))
        }
        timeout => Ok(timeout),
    }
}

pub(super) fn port(text: &str) -> Read<u16> {
    match number(text) {
        Ok(port @ 1..) => Ok(port),
        _ => Err(wrong(text, "a port, from 1 to 65535")),
    }
}

/// Reads a text that must not be empty.
pub(super) fn text(text: &str) -> Read<&str> {
    if text.trim().is_empty() {
        Err("is empty; leave it out, or set a value".into())
    } else {
        Ok(text)
    }
}

/// Reads two times with `..` in between.
pub(super) fn two_times(text: &str) -> Read<(Duration, Duration)> {
    let times = text
        .split_once("..")
        .and_then(|(first, longest)| Some((parse_time(first)?, parse_time(longest)?)));
    times.ok_or_else(|| wrong(text, "the first and the longest pause, such as `10ms..5s`"))
}

pub(super) fn validation(text: &str) -> Read<Validation> {
    match text.trim() {
        "never" => Ok(Validation::Never),
        "on_checkout" => Ok(Validation::OnCheckout),
        "on_return" => Ok(Validation::OnReturn),
        other => parse_time(other).map(Validation::IdleLongerThan).ok_or_else(|| {
            wrong(text, "`never`, `on_checkout`, `on_return`, or the idle time, such as `30s`")
        }),
    }
}

pub(super) fn reset(text: &str) -> Read<Reset> {
    match text.trim() {
        "always" => Ok(Reset::Always),
        "when_changed" => Ok(Reset::WhenChanged),
        "in_transaction" => Ok(Reset::InTransaction),
        "never" => Ok(Reset::Never),
        _ => Err(wrong(text, "`always`, `when_changed`, `in_transaction` or `never`")),
    }
}

#[cfg(feature = "shared")]
pub(super) fn nested_get(text: &str) -> Read<crate::shared::NestedGet> {
    use crate::shared::NestedGet;

    match text.trim() {
        "off" => Ok(NestedGet::Off),
        "warn" => Ok(NestedGet::Warn),
        "error" => Ok(NestedGet::Error),
        _ => Err(wrong(text, "`off`, `warn` or `error`")),
    }
}

fn is_none(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("none")
}

fn parse_time(text: &str) -> Option<Duration> {
    humantime::parse_duration(text.trim()).ok()
}

/// Describes the problem with a time. Often only its unit is missing.
fn wrong_time(text: &str, otherwise: &str) -> String {
    let is_number = text.trim().parse::<f64>().is_ok();
    let example = if is_number { format!("{}s", text.trim()) } else { "30s".into() };
    wrong(text, &format!("a time with its unit, such as `{example}`{otherwise}"))
}

pub(super) fn wrong(text: &str, must_be: &str) -> String {
    format!("is {text:?}; must be {must_be}")
}

/// A manager of no server, for a builder that only reads settings.
pub(super) struct NoServer;

impl ManageConnection for NoServer {
    type Connection = Infallible;
    type Error = std::io::Error;

    fn connect(&self) -> Result<Infallible, std::io::Error> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn is_valid(&self, conn: &mut Infallible) -> Result<(), std::io::Error> {
        match *conn {}
    }

    fn has_broken(&self, conn: &mut Infallible) -> bool {
        match *conn {}
    }
}
