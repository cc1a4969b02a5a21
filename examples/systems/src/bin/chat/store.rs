//! The tables and the statements. A caller holds a connection only during the call.

use std::collections::BTreeMap;

use threadwise_systems::{Connection, Error, Row, Value};

use crate::protocol::{Message, Nick};

/// How many earlier messages a new chatter gets, or one without an `after`.
pub(crate) const HISTORY: i64 = 50;

/// How many missed messages a returning chatter gets, and how many private messages the server
/// keeps for a user. If there are more, it takes the latest.
pub(crate) const MISSED: i64 = 1000;

/// Creates the tables. Returns the number of the last message.
pub(crate) fn prepare(conn: &mut Connection) -> Result<i64, Error> {
    conn.create_table("chat_room", "id BIGINT PRIMARY KEY, last BIGINT NOT NULL")?;
    conn.create_table(
        "chat_person",
        "nick VARCHAR(64) PRIMARY KEY, token CHAR(64) NOT NULL, seen BIGINT NOT NULL",
    )?;
    // Each unique pair is also an index, one for each direction of a search.
    conn.create_table(
        "chat_message",
        "id BIGINT PRIMARY KEY, sender VARCHAR(64) NOT NULL, recipient VARCHAR(64), \
         body TEXT NOT NULL, sent_at BIGINT NOT NULL, sender_key VARCHAR(64) NOT NULL, \
         UNIQUE (sender, sender_key), UNIQUE (recipient, id), UNIQUE (sender, id)",
    )?;
    match conn.execute("INSERT INTO chat_room VALUES (1, 0)", &[]) {
        Err(error) if !error.is_duplicate() => Err(error),
        _ => last(conn),
    }
}

fn last(conn: &mut Connection) -> Result<i64, Error> {
    conn.query("SELECT last FROM chat_room WHERE id = 1", &[])?[0].integer(0)
}

/// The result of saving a message.
pub(crate) enum Saved {
    /// The message is now in the database, with its number.
    Now(Message),
    /// An earlier attempt has saved this message, under the same key.
    Before(Message),
}

/// Saves a message, unless there is one with its key already: so it may be done twice.
// ANCHOR: save
pub(crate) fn save(conn: &mut Connection, message: &Message) -> Result<Saved, Error> {
    let saved = conn.transaction(|conn| {
        // Only one transaction can have changed this row before its commit. So numbers have no
        // gaps, and a message that is committed after another one has the larger number: a page
        // that asks for what comes after number 7 will not miss a number 6 that was late.
        conn.execute("UPDATE chat_room SET last = last + 1 WHERE id = 1", &[])?;
        let insert = "INSERT INTO chat_message (id, sender, recipient, body, sent_at, sender_key) \
                      SELECT last, ?, ?, ?, ?, ? FROM chat_room WHERE id = 1";
        conn.execute(insert, &parameters(message))?;
        last(conn)
    });
    match saved {
        Ok(id) => Ok(Saved::Now(Message { id, ..message.clone() })),
        Err(error) if error.is_duplicate() => {
            said_before(conn, message)?.map(Saved::Before).ok_or(error)
        }
        Err(error) => Err(error),
    }
}
// ANCHOR_END: save

fn parameters(message: &Message) -> [Value; 5] {
    [
        message.from.as_str().into(),
        message.to.as_ref().map(Nick::as_str).into(),
        message.text.as_str().into(),
        message.at.into(),
        message.key.as_str().into(),
    ]
}

fn said_before(conn: &mut Connection, again: &Message) -> Result<Option<Message>, Error> {
    let sql = format!("{COLUMNS} WHERE sender = ? AND sender_key = ?");
    let found = conn.query(&sql, &[again.from.as_str().into(), again.key.as_str().into()])?;
    found.first().map(message).transpose()
}

/// Whether a user of this name has ever been in the room.
pub(crate) fn is_known(conn: &mut Connection, nick: &Nick) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM chat_person WHERE nick = ?";
    Ok(!conn.query(sql, &[nick.as_str().into()])?.is_empty())
}

/// Reserves a name for the owner of this token, if the name is free or belongs to that owner.
/// Returns whether it succeeded.
pub(crate) fn claim(conn: &mut Connection, nick: &Nick, token: &str) -> Result<bool, Error> {
    let sql = "INSERT INTO chat_person (nick, token, seen) VALUES (?, ?, 0)";
    match conn.execute(sql, &[nick.as_str().into(), token.into()]) {
        Err(error) if !error.is_duplicate() => return Err(error),
        _ => {}
    }
    let sql = "SELECT token FROM chat_person WHERE nick = ?";
    Ok(conn.query(sql, &[nick.as_str().into()])?[0].text(0)? == token)
}

/// Notes that the recipient has seen the private messages up to this one.
pub(crate) fn seen(conn: &mut Connection, nick: &Nick, id: i64) -> Result<(), Error> {
    let sql = "UPDATE chat_person SET seen = ? WHERE nick = ? AND seen < ?";
    conn.execute(sql, &[id.into(), nick.as_str().into(), id.into()])?;
    Ok(())
}

/// The earlier messages that one chatter may see.
pub(crate) struct Past {
    /// The messages, in order.
    pub(crate) messages: Vec<Message>,
    /// The number of the last message of any user. Later messages are not in here.
    pub(crate) until: i64,
}

/// The messages after number `after`, or the last ones without an `after`. Also the private
/// messages that `nick` has not seen, however old.
pub(crate) fn past(conn: &mut Connection, nick: &Nick, after: Option<i64>) -> Result<Past, Error> {
    let until = last(conn)?; // first: all up to here are committed, and none will come in between
    let after = after.filter(|after| *after <= until); // of another database
    let limit = if after.is_some() { MISSED } else { HISTORY };
    let after = after.unwrap_or(0);
    let me = nick.as_str();

    let mut messages = BTreeMap::new();
    let mut part = |who: &str, after: i64, limit: i64, me: &[&str]| -> Result<(), Error> {
        let sql =
            format!("{COLUMNS} WHERE {who} AND id > ? AND id <= ? ORDER BY id DESC LIMIT {limit}");
        let bounds = [after.into(), until.into()];
        let parameters: Vec<Value> = me.iter().map(|me| (*me).into()).chain(bounds).collect();
        for row in conn.query(&sql, &parameters)? {
            let message = message(&row)?;
            messages.insert(message.id, message);
        }
        Ok(())
    };
    part("recipient IS NULL", after, limit, &[])?;
    part("recipient = ?", after, limit, &[me])?;
    part("recipient IS NOT NULL AND sender = ?", after, limit, &[me])?;
    let surplus = messages.len().saturating_sub(limit as usize);
    let oldest = messages.keys().nth(surplus).copied().unwrap_or(0);
    let mut messages = messages.split_off(&oldest);

    let sql = format!(
        "{COLUMNS} WHERE recipient = ? AND id > (SELECT seen FROM chat_person WHERE nick = ?) \
         AND id <= ? ORDER BY id DESC LIMIT {MISSED}"
    );
    for row in conn.query(&sql, &[me.into(), me.into(), until.into()])? {
        let message = message(&row)?;
        messages.insert(message.id, message);
    }
    Ok(Past { messages: messages.into_values().collect(), until })
}

/// All messages after `last` and before `next`, private ones included.
pub(crate) fn between(conn: &mut Connection, last: i64, next: i64) -> Result<Vec<Message>, Error> {
    let sql = format!("{COLUMNS} WHERE id > ? AND id < ? ORDER BY id");
    conn.query(&sql, &[last.into(), next.into()])?.iter().map(message).collect()
}

const COLUMNS: &str = "SELECT id, sender, recipient, body, sent_at, sender_key FROM chat_message";

fn message(row: &Row) -> Result<Message, Error> {
    let nick = |column| Ok::<_, Error>(Nick::from_database(row.text(column)?));
    Ok(Message {
        id: row.integer(0)?,
        from: nick(1)?,
        to: if row.is_null(2) { None } else { Some(nick(2)?) },
        text: row.text(3)?.to_owned(),
        at: row.integer(4)?,
        key: row.text(5)?.to_owned(),
    })
}
