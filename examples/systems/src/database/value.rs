//! The values of statements and of rows: the server driver's, for both databases.

use mysql::Value;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::Error;

/// A row of a result. Its columns have the order of the statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub(super) Vec<Value>);

impl Row {
    /// The whole number in a column.
    ///
    /// # Errors
    ///
    /// If something else is there.
    pub fn integer(&self, column: usize) -> Result<i64, Error> {
        let value = self.0.get(column);
        let number = match value {
            Some(Value::Int(number)) => Some(*number),
            Some(Value::UInt(number)) => i64::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| Error::column(column, "a whole number", value))
    }

    /// The number in a column.
    ///
    /// # Errors
    ///
    /// If something else is there.
    pub fn real(&self, column: usize) -> Result<f64, Error> {
        match self.0.get(column) {
            Some(Value::Double(number)) => Ok(*number),
            Some(Value::Float(number)) => Ok((*number).into()),
            _ => Ok(self.integer(column)? as f64),
        }
    }

    /// The text in a column.
    ///
    /// # Errors
    ///
    /// If something else is there.
    pub fn text(&self, column: usize) -> Result<&str, Error> {
        let value = self.0.get(column);
        let text = match value {
            Some(Value::Bytes(bytes)) => str::from_utf8(bytes).ok(),
            _ => None,
        };
        text.ok_or_else(|| Error::column(column, "text", value))
    }

    /// Whether a column is `NULL`.
    #[must_use]
    pub fn is_null(&self, column: usize) -> bool {
        self.0.get(column) == Some(&Value::NULL)
    }
}

/// A parameter of a statement of SQLite.
pub(super) fn to_sqlite(value: &Value) -> Result<ToSqlOutput<'_>, Error> {
    Ok(ToSqlOutput::Borrowed(match value {
        Value::NULL => ValueRef::Null,
        Value::Int(number) => ValueRef::Integer(*number),
        Value::Double(number) => ValueRef::Real(*number),
        Value::Bytes(text) => ValueRef::Text(text),
        other => return Err(Error::Unreadable(format!("no such values as {other:?}"))),
    }))
}

/// A column of a row of SQLite.
pub(super) fn from_sqlite(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::NULL,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Double(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}
