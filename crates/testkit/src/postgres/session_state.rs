//! The state of a PostgreSQL session, by means that do not use the texts of statements.

use std::collections::BTreeMap;

use postgres::{Client, Error, SimpleQueryMessage};

/// Settings about the moment.
const OF_THE_MOMENT: &[&str] = &["transaction_read_only", "transaction_isolation"];

/// Questions to the session itself, each with one answer.
const OWN: &[(&str, &str)] = &[
    (
        "user",
        "SELECT current_user || ' as ' || session_user || ' role ' || current_setting('role')",
    ),
    ("variable", "SELECT coalesce(current_setting('my.v', true), '')"),
    ("in transaction", "SELECT now() <> statement_timestamp()"),
    ("listens", "SELECT string_agg(c, ' ' ORDER BY c) FROM pg_listening_channels() AS x (c)"),
    (
        "prepared",
        "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_prepared_statements WHERE from_sql",
    ),
    ("cursors", "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_cursors WHERE is_holdable"),
    (
        "temporary relations",
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
         WHERE relnamespace = pg_my_temp_schema()",
    ),
    (
        "temporary functions",
        "SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc \
         WHERE pronamespace = pg_my_temp_schema()",
    ),
];

/// The state of a session at one moment.
///
/// Take one state before a statement and one after it. If both are equal, the statement left nothing
/// that another user of the session could find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PgSessionState {
    facts: BTreeMap<String, String>,
}

impl PgSessionState {
    /// Asks the session itself, and an administrator of the same database about what the server knows
    /// of it. Asks for the session's last number of a sequence too, which fails if there is none; so
    /// there must be no transaction that an error would end.
    ///
    /// # Errors
    ///
    /// Whatever the server says.
    pub fn of(session: &mut Client, admin: &mut Client) -> Result<Self, Error> {
        let mut state = Self::default();
        for (name, question) in OWN {
            state.add(name, first(session.simple_query(question)?));
        }
        // Those that differ from the session's beginning. (A library that is loaded adds some.)
        let settings = "SELECT name, setting FROM pg_settings WHERE setting <> reset_val";
        for (name, value) in pairs(session.simple_query(settings)?) {
            if !OF_THE_MOMENT.contains(&&*name) {
                state.add(&format!("setting {name}"), value);
            }
        }
        let last = match session.simple_query("SELECT lastval()") {
            Ok(answer) => first(answer),
            Err(error) if error.as_db_error().is_some() => "none".to_owned(),
            Err(error) => return Err(error),
        };
        state.add("last number of a sequence", last);

        let id = first(session.simple_query("SELECT pg_backend_pid()")?);
        let locks = format!(
            "SELECT locktype || ' ' || mode, count(*) FROM pg_locks WHERE pid = {id} \
             AND locktype <> 'virtualxid' GROUP BY 1"
        );
        for (name, value) in pairs(admin.simple_query(&locks)?) {
            state.add(&format!("lock {name}"), value);
        }
        let activity = format!(
            "SELECT 'state', state FROM pg_stat_activity WHERE pid = {id} AND state <> 'active'"
        );
        for (name, value) in pairs(admin.simple_query(&activity)?) {
            state.add(&name, value);
        }
        Ok(state)
    }

    /// The differences between this state and a later one, in words.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let names = self.facts.keys().chain(now.facts.keys());
        let mut all: Vec<_> = names
            .filter(|name| self.facts.get(*name) != now.facts.get(*name))
            .map(|name| format!("{name}: {:?} → {:?}", self.facts.get(name), now.facts.get(name)))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    fn add(&mut self, name: &str, value: String) {
        self.facts.insert(name.to_owned(), value);
    }
}

fn rows(messages: Vec<SimpleQueryMessage>) -> impl Iterator<Item = postgres::SimpleQueryRow> {
    messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
}

/// The first value, as text.
fn first(messages: Vec<SimpleQueryMessage>) -> String {
    rows(messages).next().and_then(|row| row.get(0).map(str::to_owned)).unwrap_or_default()
}

fn pairs(messages: Vec<SimpleQueryMessage>) -> Vec<(String, String)> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    rows(messages).map(|row| (text(row.get(0)), text(row.get(1)))).collect()
}
