//! Makes a session like a new one.

use std::hash::{BuildHasher, RandomState};

use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, Error, SimpleQueryMessage};

/// The column with the names of statements that SQL's `PREPARE` made.
const PREPARED: &str = "threadwise_prepared";

/// The parts of `DISCARD ALL`, which itself is refused in a transaction, and which would also drop the
/// statements that the driver keeps for itself. `RESET ROLE` follows, because `SET SESSION
/// AUTHORIZATION` leaves no role where a login may begin with one.
const PARTS: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; UNLISTEN *; \
     DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_catalog.pg_advisory_unlock_all();";

/// Resets the session in one round trip, and in one more if statements of SQL's `PREPARE` are there.
/// `rolls_back`: a transaction is open.
pub(crate) fn reset(client: &mut Client, rolls_back: bool) -> Result<(), Error> {
    // Without a transaction, `ROLLBACK` would make the server send a warning.
    let rollback = if rolls_back { "ROLLBACK;" } else { "" };
    // The sequence of `random()` cannot be unset. So it goes on from where no borrower knows.
    let seed = RandomState::new().hash_one(()) >> 12;
    let text = format!(
        "{rollback} {PARTS} SELECT pg_catalog.setseed({seed} / 4503599627370496.0); \
         SELECT name AS {PREPARED} FROM pg_catalog.pg_prepared_statements WHERE from_sql"
    );
    let answer = client.simple_query(&text)?;
    let names = answer.iter().filter_map(prepared_name);
    let deallocate: String = names.map(|name| format!("DEALLOCATE {};", quoted(name))).collect();
    if !deallocate.is_empty() {
        client.batch_execute(&deallocate)?;
    }
    drop_notifications(client)
}

fn prepared_name(message: &SimpleQueryMessage) -> Option<&str> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    let is_name = row.columns().first().is_some_and(|column| column.name() == PREPARED);
    is_name.then(|| row.get(0)).flatten()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Drops the notifications that the driver has received and the last borrower has not read. After
/// `UNLISTEN` no more come.
fn drop_notifications(client: &mut Client) -> Result<(), Error> {
    while !client.notifications().is_empty() {
        client.notifications().iter().next()?;
    }
    Ok(())
}
