//! A [`PoolConfig`] as a part of a configuration file.

use std::fmt;

use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PoolConfig;
use super::entry::{Entry, Source};

/// Reads a table of settings. Values are texts, numbers and booleans, as the format has them. Errors name
/// the key; the format adds the line.
impl<'de> Deserialize<'de> for PoolConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = PoolConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of a pool's settings, such as `max_size = 8`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PoolConfig, A::Error> {
                let mut entries: Vec<Entry> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    let Scalar(value) = map.next_value()?;
                    let entry = Entry::new(Source::Given, &key, &value);
                    if entries.iter().any(|earlier| earlier.is_same_setting(&entry)) {
                        let problem = "is set twice, or under two names";
                        return Err(A::Error::custom(entry.error(problem.into())));
                    }
                    entries.push(entry);
                }
                let mut config = PoolConfig::default();
                config.add(entries).map_err(A::Error::custom)?;
                Ok(config)
            }
        }

        deserializer.deserialize_map(Table)
    }
}

/// Writes the kind and the settings that were set. Defaults are left out.
impl Serialize for PoolConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len() + 1))?;
        map.serialize_entry("kind", self.kind.name())?;
        for entry in &self.entries {
            map.serialize_entry(&entry.key, &entry.value)?;
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
