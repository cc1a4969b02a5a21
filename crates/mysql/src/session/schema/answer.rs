//! The query about names, and what the rows of its answer mean.

use std::collections::HashSet;
use std::sync::Arc;

use mysql::{Conn, Row, Value};

use crate::session::statement::Names;

/// Asks for everything in one round trip; each row is a kind of fact and its value.
pub(super) const QUERY: &str = "\
    SELECT 'other', TABLE_NAME FROM information_schema.TABLES \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE NOT IN ('BASE TABLE', 'SYSTEM VERSIONED') \
    UNION ALL SELECT 'triggered', EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS \
        WHERE EVENT_OBJECT_SCHEMA = DATABASE() \
    UNION ALL SELECT 'sees triggers', EXISTS ( \
        SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER' \
            AND GRANTEE = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
                QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))) \
            AND VERSION() LIKE '%MariaDB%') \
    UNION ALL SELECT 'sees triggers', \
        COUNT(*) > 0 AND COUNT(DISTINCT TABLE_SCHEMA) = SUM(PRIVILEGE_TYPE = 'TRIGGER') \
        FROM information_schema.SCHEMA_PRIVILEGES WHERE DATABASE() LIKE TABLE_SCHEMA \
            AND GRANTEE = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
                QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))) \
    UNION ALL SELECT 'version', VERSION() \
    UNION ALL SELECT 'max_allowed_packet', @@max_allowed_packet \
    UNION ALL SELECT 'database', DATABASE() \
    UNION ALL SELECT 'same collation', @@collation_database = @@GLOBAL.collation_database \
        AND @@collation_database = @@GLOBAL.collation_server \
    UNION ALL SELECT 'sql_mode', @@sql_mode";

/// The query, with a limit in seconds that the server keeps; `None` if the server has no such limit.
pub(super) fn limited_query(conn: &Conn, seconds: f64) -> Option<String> {
    match conn.server_version() {
        // MariaDB 10 says 5.5.5 in its handshake, later ones their own version.
        (5, 5, 5) | (10.., ..) => {
            Some(format!("SET STATEMENT max_statement_time = {seconds} FOR {QUERY}"))
        }
        version if version >= (5, 7, 8) => {
            let hint = format!("SELECT /*+ MAX_EXECUTION_TIME({}) */", seconds * 1_000.0);
            Some(QUERY.replacen("SELECT", &hint, 1))
        }
        _ => None,
    }
}

/// The server's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// `None` if every session on this server counts as changed.
    pub(super) relations: Option<Arc<Relations>>,
    pub(super) max_allowed_packet: Option<usize>,
    pub(super) has_same_collation: Option<bool>,
}

impl Answer {
    pub(super) fn of(rows: &[Row]) -> Self {
        Self::new(&rows.iter().filter_map(fact).collect::<Vec<_>>())
    }

    pub(super) fn new(facts: &[Fact]) -> Self {
        let value = |kind: &str| {
            let (_, value) = facts.iter().find(|(one, _)| one == kind)?;
            Some(value.as_deref().unwrap_or_default())
        };
        Self {
            relations: Relations::new(facts).map(Arc::new),
            max_allowed_packet: value("max_allowed_packet").and_then(|bytes| bytes.parse().ok()),
            has_same_collation: value("same collation").map(|same| same == "1"),
        }
    }
}

/// A kind of fact, and its value.
pub(super) type Fact = (String, Option<String>);

/// Reads a row as a fact. A name that is not UTF-8 comes from a session with another character set.
/// No text that this crate recognises can contain it.
fn fact(row: &Row) -> Option<Fact> {
    let text = |index| match row.as_ref(index) {
        Some(Value::Bytes(bytes)) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    Some((text(0)?, text(1)))
}

/// The names that need care, in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Relations {
    /// The default database, as the server writes it.
    database: Box<str>,
    /// Views and sequences.
    others: HashSet<Box<str>>,
    /// Tables with triggers; `None` if the server does not show them to this user.
    triggered: Option<HashSet<Box<str>>>,
    version: ServerVersion,
}

impl Relations {
    /// `None` if the sessions of this server are not understood.
    fn new(facts: &[Fact]) -> Option<Self> {
        let mut relations = Self::default();
        let (mut triggered, mut sees_triggers) = (HashSet::new(), false);
        let mut has_mode = false;
        for (kind, value) in facts {
            let value = value.as_deref().unwrap_or_default();
            let name = || Box::from(value.to_ascii_lowercase());
            match &**kind {
                "other" => {
                    relations.others.insert(name());
                }
                "triggered" => {
                    triggered.insert(name());
                }
                "sees triggers" => sees_triggers |= value == "1",
                "version" => relations.version = ServerVersion::read(value),
                "database" => relations.database = value.into(),
                "sql_mode" => {
                    has_mode = true;
                    let mode = value.to_ascii_uppercase();
                    if mode.contains("ORACLE") || mode.contains("MSSQL") {
                        return None; // another language
                    }
                }
                _ => {}
            }
        }
        sees_triggers |= relations.version.shows_triggers();
        relations.triggered = sees_triggers.then_some(triggered);
        // Without a default database each name may mean anything.
        (has_mode && !relations.database.is_empty()).then_some(relations)
    }

    /// Whether all names are columns and base tables of the default database, without triggers if
    /// the statement writes, and the server has all functions.
    pub(super) fn are_base_tables(&self, names: &Names) -> bool {
        let none_is_in = |some: &HashSet<Box<str>>| {
            some.is_empty() || !names.all().any(|name| some.contains(name))
        };
        let first_version =
            if self.version.is_mariadb { names.since.mariadb } else { names.since.mysql };
        self.version.number >= first_version
            && names.databases().all(|name| name == &*self.database)
            && none_is_in(&self.others)
            && (!names.write || self.triggered.as_ref().is_some_and(none_is_in))
    }
}

/// The server's version, as `major * 10000 + minor * 100 + patch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ServerVersion {
    is_mariadb: bool,
    number: u32,
}

impl ServerVersion {
    /// The first MariaDB on which this was tried: `information_schema.TRIGGERS` shows the triggers of
    /// a table to each user who may change its rows.
    const SHOWS_TRIGGERS: u32 = 101_100;

    fn read(text: &str) -> Self {
        let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
        let mut next = || parts.next().flatten().unwrap_or(0_u32).min(99);
        let number = next() * 10_000 + next() * 100 + next();
        Self { is_mariadb: text.contains("MariaDB"), number }
    }

    fn shows_triggers(self) -> bool {
        self.is_mariadb && self.number >= Self::SHOWS_TRIGGERS
    }
}
