//! The values of statements and of rows.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::Error;

/// A parameter or a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL's `NULL`.
    Null,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// UTF-8 text.
    Text(String),
}

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
        match self.0.get(column) {
            Some(Value::Integer(number)) => Ok(*number),
            other => Err(Error::column(column, "a whole number", other)),
        }
    }

    /// The number in a column.
    ///
    /// # Errors
    ///
    /// If something else is there.
    pub fn real(&self, column: usize) -> Result<f64, Error> {
        match self.0.get(column) {
            Some(Value::Real(number)) => Ok(*number),
            Some(Value::Integer(number)) => Ok(*number as f64),
            other => Err(Error::column(column, "a number", other)),
        }
    }

    /// The text in a column.
    ///
    /// # Errors
    ///
    /// If something else is there.
    pub fn text(&self, column: usize) -> Result<&str, Error> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Ok(text),
            other => Err(Error::column(column, "text", other)),
        }
    }

    /// Whether a column is `NULL`.
    #[must_use]
    pub fn is_null(&self, column: usize) -> bool {
        self.0.get(column) == Some(&Value::Null)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl TryFrom<ValueRef<'_>> for Value {
    type Error = Error;

    fn try_from(value: ValueRef<'_>) -> Result<Self, Error> {
        match value {
            ValueRef::Null => Ok(Self::Null),
            ValueRef::Integer(number) => Ok(Self::Integer(number)),
            ValueRef::Real(number) => Ok(Self::Real(number)),
            ValueRef::Text(bytes) => text(bytes.to_vec()),
            ValueRef::Blob(_) => Err(Error::Unreadable("bytes that are not text".to_owned())),
        }
    }
}

impl From<&Value> for mysql::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Integer(number) => Self::Int(*number),
            Value::Real(number) => Self::Double(*number),
            Value::Text(text) => Self::Bytes(text.clone().into_bytes()),
        }
    }
}

impl TryFrom<mysql::Value> for Value {
    type Error = Error;

    fn try_from(value: mysql::Value) -> Result<Self, Error> {
        match value {
            mysql::Value::NULL => Ok(Self::Null),
            mysql::Value::Int(number) => Ok(Self::Integer(number)),
            mysql::Value::UInt(number) => i64::try_from(number)
                .map(Self::Integer)
                .map_err(|_| Error::Unreadable(format!("the number {number}, over 63 bits"))),
            mysql::Value::Float(number) => Ok(Self::Real(number.into())),
            mysql::Value::Double(number) => Ok(Self::Real(number)),
            mysql::Value::Bytes(bytes) => text(bytes),
            other => Err(Error::Unreadable(format!("the date or time {other:?}"))),
        }
    }
}

fn text(bytes: Vec<u8>) -> Result<Value, Error> {
    let text = String::from_utf8(bytes);
    text.map(Value::Text).map_err(|_| Error::Unreadable("text that is not UTF-8".to_owned()))
}
