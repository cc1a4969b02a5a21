//! Settings as a part of a configuration file.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
use super::PoolConfig;
use super::entry::{Entry, Source};
use super::error::ConfigError;
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
use super::manager::{Configured, ManagerConfig};

/// Settings that `serde` can read from a table.
trait Table: Default {
    const EXPECTS: &'static str;

    /// Whether both entries set the same setting.
    fn is_same_setting(one: &Entry, other: &Entry) -> bool;

    fn add(&mut self, entries: Vec<Entry>) -> Result<(), ConfigError>;
}

/// Reads a table of settings. Values are texts, numbers and booleans of the file's format. Errors name the
/// key, and the format's library adds the line.
fn read_table<'de, T: Table, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Reader<T>(PhantomData<T>);

    impl<'de, T: Table> Visitor<'de> for Reader<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTS)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let mut entries: Vec<Entry> = Vec::new();
            while let Some(key) = map.next_key::<String>()? {
                let Scalar(value) = map.next_value()?;
                let entry = Entry::new(Source::Given, &key, &value);
                if entries.iter().any(|earlier| T::is_same_setting(earlier, &entry)) {
                    let problem = "is set twice, or under two names";
                    return Err(A::Error::custom(entry.error(problem.into())));
                }
                entries.push(entry);
            }
            let mut table = T::default();
            table.add(entries).map_err(A::Error::custom)?;
            Ok(table)
        }
    }

    deserializer.deserialize_map(Reader(PhantomData))
}

#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
impl Table for PoolConfig {
    const EXPECTS: &'static str = "a table of a pool's settings, such as `max_size = 8`";

    fn is_same_setting(one: &Entry, other: &Entry) -> bool {
        one.is_same_setting(other)
    }

    fn add(&mut self, entries: Vec<Entry>) -> Result<(), ConfigError> {
        Self::add(self, entries)
    }
}

/// Reads a table of a pool's settings.
#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
impl<'de> Deserialize<'de> for PoolConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_table(deserializer)
    }
}

/// Writes the kind and the settings that the program or a source has set, without defaults.
#[cfg(any(feature = "shared", feature = "persistent", feature = "queue"))]
impl Serialize for PoolConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len() + 1))?;
        map.serialize_entry("kind", self.kind.name())?;
        for entry in &self.entries {
            map.serialize_entry(&entry.key, &*entry.value)?;
        }
        map.end()
    }
}

#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
impl<M: Configured> Table for ManagerConfig<M> {
    const EXPECTS: &'static str =
        "a table of a connection manager's settings, such as `host = \"db\"`";

    fn is_same_setting(one: &Entry, other: &Entry) -> bool {
        one.key == other.key
    }

    fn add(&mut self, entries: Vec<Entry>) -> Result<(), ConfigError> {
        Self::add(self, entries)
    }
}

/// Reads a table of a manager's settings.
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
impl<'de, M: Configured> Deserialize<'de> for ManagerConfig<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_table(deserializer)
    }
}

/// Writes the settings that the program or a source has set, without defaults and secrets.
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
impl<M: Configured> Serialize for ManagerConfig<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown: Vec<_> = self.entries.iter().filter(|entry| !entry.is_secret()).collect();
        let mut map = serializer.serialize_map(Some(shown.len()))?;
        for entry in shown {
            map.serialize_entry(&entry.key, &*entry.value)?;
        }
        map.end()
    }
}

/// A single value, as its text.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Single;

        impl Visitor<'_> for Single {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, `true` or `false`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Scalar, E> {
                Ok(Scalar(on.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                if number.is_finite() {
                    Ok(Scalar(number.to_string()))
                } else {
                    Err(E::invalid_value(Unexpected::Float(number), &self))
                }
            }

            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar("none".into())) // `null` of JSON and YAML
            }

            fn visit_none<E: Error>(self) -> Result<Scalar, E> {
                self.visit_unit()
            }
        }

        deserializer.deserialize_any(Single)
    }
}
