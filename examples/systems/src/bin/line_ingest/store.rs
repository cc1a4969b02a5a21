//! Stores lines: one row for each key.

use std::collections::HashMap;

use threadwise_systems::{Connection, Error, Value};

use crate::protocol::{Key, MAX_NAME, Outcome};

/// A line to store.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) text: String,
}

impl Entry {
    /// The key, if the client gave it.
    pub(crate) fn clients_key(&self) -> Option<&Key> {
        (!self.key.client.starts_with('-')).then_some(&self.key)
    }
}

/// The most rows of one statement.
const AT_ONCE: usize = 256;

/// Creates the table if it does not exist.
pub(crate) fn create_table(conn: &mut Connection) -> Result<(), Error> {
    let columns = format!(
        "id {{id}}, client VARCHAR({MAX_NAME}) NOT NULL, number BIGINT NOT NULL, text TEXT NOT NULL, \
         worker BIGINT NOT NULL, UNIQUE (client, number)"
    );
    conn.create_table("ingested", &columns)
}

// ANCHOR: store
/// Stores all entries in one transaction. It skips entries that are already stored, by an attempt
/// whose answer was lost or because a client sent a line twice. So a failed attempt is safe to
/// repeat.
pub(crate) fn store(conn: &mut Connection, entries: &[Entry]) -> Result<Vec<Outcome>, Error> {
    let all: Vec<_> = entries.iter().collect();
    match insert(conn, &all) {
        Ok(()) => Ok(vec![Outcome::Stored; entries.len()]),
        Err(error) if error.is_duplicate() => store_new(conn, entries),
        Err(error) => Err(error),
    }
}

/// Stores the entries if some of them are there already. If another worker is storing one of them
/// at this moment, the error is a duplicate again, and another attempt helps.
fn store_new(conn: &mut Connection, entries: &[Entry]) -> Result<Vec<Outcome>, Error> {
    let mut known = find(conn, entries)?;
    let mut new = Vec::new();
    let outcomes = entries.iter().map(|entry| {
        let text = known.entry(entry.key.clone()).or_insert_with(|| {
            new.push(entry);
            entry.text.clone()
        });
        if *text == entry.text {
            return Outcome::Stored;
        }
        Outcome::Refused("another text is stored under this number".to_owned())
    });
    let outcomes = outcomes.collect();
    insert(conn, &new)?;
    Ok(outcomes)
}
// ANCHOR_END: store

fn insert(conn: &mut Connection, entries: &[&Entry]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let worker = i64::from(std::process::id());
    conn.transaction(|conn| {
        for entries in powers_of_two(entries) {
            let rows = vec!["(?, ?, ?, ?)"; entries.len()].join(", ");
            let sql = format!("INSERT INTO ingested (client, number, text, worker) VALUES {rows}");
            let values = entries.iter().flat_map(|entry| -> [Value; 4] {
                let key = &entry.key;
                [(*key.client).into(), key.number.into(), (*entry.text).into(), worker.into()]
            });
            conn.execute(&sql, &values.collect::<Vec<_>>())?;
        }
        Ok(())
    })
}

/// The texts that are stored under the keys of these entries.
fn find(conn: &mut Connection, entries: &[Entry]) -> Result<HashMap<Key, String>, Error> {
    let mut found = HashMap::new();
    for entries in powers_of_two(entries) {
        let keys = vec!["(client = ? AND number = ?)"; entries.len()].join(" OR ");
        let sql = format!("SELECT client, number, text FROM ingested WHERE {keys}");
        let values = entries.iter().flat_map(|entry| -> [Value; 2] {
            [(*entry.key.client).into(), entry.key.number.into()]
        });
        for row in conn.query(&sql, &values.collect::<Vec<_>>())? {
            let key = Key { client: row.text(0)?.to_owned(), number: row.integer(1)? };
            found.insert(key, row.text(2)?.to_owned());
        }
    }
    Ok(found)
}

/// Splits into pieces of 256, 128, 64, … entries: the pool prepares nine different statements at
/// most.
fn powers_of_two<T>(mut all: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let largest = 1 << all.len().checked_ilog2()?;
        let (piece, rest) = all.split_at(largest.min(AT_ONCE));
        all = rest;
        Some(piece)
    })
}

/// Whether an error is about the content of a line: a column is too short for it, or a constraint
/// was added to the table. All other errors are about the database, and are temporary.
pub(crate) fn blames_a_line(error: &Error) -> bool {
    match error {
        _ if error.is_duplicate() => false,
        Error::Sqlite(error) => matches!(
            error.sqlite_error_code(),
            Some(rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::TooBig)
        ),
        // Out of range, an invalid character, too long, a constraint (of MySQL or of MariaDB), a
        // foreign key, and a trigger's error.
        Error::Mysql(mysql::Error::MySqlError(answer)) => {
            [1264, 1366, 1406, 3819, 4025, 1452, 1644].contains(&answer.code)
        }
        Error::Mysql(_) | Error::Unreadable(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use threadwise::queue::QueuePool;
    use threadwise::sqlite::SqliteManager;
    use threadwise_systems::Database;

    use super::*;

    fn pool() -> QueuePool<Database> {
        let database = Database::Sqlite(SqliteManager::memory());
        let pool = QueuePool::builder().size(1).build(database).expect("a pool");
        create_table(&mut pool.get().unwrap()).expect("a table");
        pool
    }

    fn entry(number: i64, text: &str) -> Entry {
        Entry { key: Key { client: "a".to_owned(), number }, text: text.to_owned() }
    }

    fn texts(conn: &mut Connection) -> Vec<String> {
        let rows = conn.query("SELECT text FROM ingested ORDER BY id", &[]).expect("rows");
        rows.iter().map(|row| row.text(0).unwrap().to_owned()).collect()
    }

    #[test]
    fn batches_of_any_size_are_stored_whole() {
        let pool = pool();
        let mut conn = pool.get().unwrap();
        let all: Vec<_> = (0..1_000).map(|number| entry(number, "x")).collect();
        let mut rest = &all[..];
        for size in [1, 2, 3, 255, 257, 482] {
            let (batch, after) = rest.split_at(size);
            store(&mut conn, batch).unwrap();
            rest = after;
        }
        assert!(rest.is_empty());
        assert_eq!(texts(&mut conn).len(), 1_000);
        assert_eq!(find(&mut conn, &all).unwrap().len(), 1_000);
    }
}
