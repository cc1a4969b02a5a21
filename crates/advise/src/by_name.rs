//! A kind of pool by its name in JSON.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use threadwise::PoolKind;

pub(crate) fn serialize<S: Serializer>(kind: &PoolKind, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(kind.name())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<PoolKind, D::Error> {
    String::deserialize(input)?.parse().map_err(D::Error::custom)
}
