//! Settings as texts.

use std::fmt;
use std::time::Duration;

use crate::{Reset, Validation};

/// The value of a setting, as a configuration file would have it: `30s`, `none`, `8`. For writers of
/// pools.
///
/// ```
/// use std::time::Duration;
/// use threadwise_core::parts::Setting;
///
/// assert_eq!(Setting::from(Duration::from_millis(1_500)).to_string(), "1500ms");
/// assert_eq!(Setting::from(None::<Duration>).to_string(), "none");
/// assert_eq!(Setting::from(Some(8_u64)).to_string(), "8");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    /// No limit, or switched off.
    None,
    /// A number.
    Count(u64),
    /// A part of something.
    Fraction(f64),
    /// A length of time.
    Time(Duration),
    /// The shortest and the longest time.
    Times(Duration, Duration),
    /// A word.
    Word(&'static str),
}

impl Setting {
    /// The settings of a builder with their values as texts: the pool's name first, if it has one, and
    /// then `own`, in their order.
    #[must_use]
    pub fn list(
        name: Option<&str>,
        own: impl IntoIterator<Item = (&'static str, Self)>,
    ) -> Vec<(&'static str, String)> {
        let name = name.map(|name| ("name", name.to_owned()));
        let own = own.into_iter().map(|(name, value)| (name, value.to_string()));
        name.into_iter().chain(own).collect()
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Count(count) => count.fmt(f),
            Self::Fraction(fraction) => fraction.fmt(f),
            Self::Time(time) => write_time(f, *time),
            Self::Times(shortest, longest) => {
                write_time(f, *shortest)?;
                f.write_str("..")?;
                write_time(f, *longest)
            }
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// Writes a time as a whole number of its largest unit up to seconds.
fn write_time(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    let nanos = time.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    match units.iter().find(|(_, length)| nanos.is_multiple_of(*length)) {
        Some((unit, length)) => write!(f, "{}{unit}", nanos / length),
        None => write!(f, "{nanos}ns"),
    }
}

impl From<Duration> for Setting {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

impl From<u64> for Setting {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Setting {
    fn from(count: usize) -> Self {
        Self::Count(count.try_into().unwrap_or(u64::MAX))
    }
}

impl From<f64> for Setting {
    fn from(fraction: f64) -> Self {
        Self::Fraction(fraction)
    }
}

impl From<bool> for Setting {
    fn from(on: bool) -> Self {
        Self::Word(if on { "true" } else { "false" })
    }
}

impl<T: Into<Self>> From<Option<T>> for Setting {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

impl From<Validation> for Setting {
    fn from(validation: Validation) -> Self {
        match validation {
            Validation::Never => Self::Word("never"),
            Validation::OnCheckout => Self::Word("on_checkout"),
            Validation::OnReturn => Self::Word("on_return"),
            Validation::IdleLongerThan(limit) => Self::Time(limit),
        }
    }
}

impl From<Reset> for Setting {
    fn from(reset: Reset) -> Self {
        Self::Word(match reset {
            Reset::Always => "always",
            Reset::WhenChanged => "when_changed",
            Reset::InTransaction => "in_transaction",
            Reset::Never => "never",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_number_of_its_largest_unit() {
        let text = |nanos| Setting::from(Duration::from_nanos(nanos)).to_string();
        assert_eq!(text(90_000_000_000), "90s");
        assert_eq!(text(1_500_000_000), "1500ms");
        assert_eq!(text(20_000), "20us");
        assert_eq!(text(7), "7ns");
        assert_eq!(text(0), "0s");
    }
}
