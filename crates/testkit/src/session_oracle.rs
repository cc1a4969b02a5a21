//! The state of a MariaDB session, by means that do not use the texts of statements.
//!
//! Take one state before a statement and one after it. If both are equal, the statement left
//! nothing that another user of the session could find. Start the server with
//! [`SessionState::SERVER`].

use std::collections::BTreeMap;

use mysql::prelude::Queryable;
use mysql::{Conn, Result, Row};

/// Variables about the last statement or the current moment.
const OF_THE_MOMENT: &[&str] = &[
    "error_count",
    "identity",
    "insert_id",
    "last_gtid",
    "last_insert_id",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "timestamp",
    "warning_count",
];

/// The server's counters of statements that change a session, also inside stored code; and of
/// stored code itself.
const COUNTED: &[&str] = &[
    "com_call_procedure",
    "com_change_db",
    "com_create_temporary_table",
    "com_do",
    "com_drop_temporary_table",
    "com_execute_immediate",
    "com_execute_sql",
    "com_ha_close",
    "com_ha_open",
    "com_lock_tables",
    "com_prepare_sql",
    "com_unlock_tables",
    "com_xa_start",
    "executed_triggers",
];

/// The state of a session at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    facts: BTreeMap<String, String>,
}

impl SessionState {
    /// The options of a server that shows which locks a session holds.
    pub const SERVER: [&str; 2] = [
        "--performance-schema=ON",
        "--performance-schema-instrument=wait/lock/metadata/sql/mdl=ON",
    ];

    /// Asks the session itself, and an administrator about what the server knows of it.
    ///
    /// # Errors
    ///
    /// The error of the server.
    pub fn of(session: &mut impl Queryable, admin: &mut Conn) -> Result<Self> {
        let mut state = Self::default();
        let own = "SELECT CONNECTION_ID(), DATABASE(), CURRENT_ROLE(), @@in_transaction";
        let (id, database, role, in_transaction): (u64, Option<String>, Option<String>, u8) =
            session.query_first(own)?.unwrap_or_default();
        state.add("default database", format!("{database:?}"));
        state.add("role", format!("{role:?}"));
        state.add("in transaction", in_transaction.to_string());

        let variables: Vec<(String, String)> = session.query("SHOW SESSION VARIABLES")?;
        for (name, value) in variables {
            if !OF_THE_MOMENT.contains(&&*name) {
                state.add(&format!("@@{name}"), value);
            }
        }
        let counters: Vec<(String, String)> = session.query("SHOW SESSION STATUS")?;
        for (name, value) in counters {
            if COUNTED.contains(&&*name.to_ascii_lowercase()) {
                state.add(&name, value);
            }
        }
        state.add_rows(
            session,
            "user variables",
            "SELECT * FROM information_schema.USER_VARIABLES".to_owned(),
        )?;

        state.add_rows(
            admin,
            "locks",
            format!(
                "SELECT OBJECT_TYPE, OBJECT_SCHEMA, OBJECT_NAME, LOCK_TYPE, LOCK_DURATION \
                 FROM performance_schema.metadata_locks \
                 JOIN performance_schema.threads ON THREAD_ID = OWNER_THREAD_ID \
                 WHERE PROCESSLIST_ID = {id}"
            ),
        )?;
        state.add_rows(
            admin,
            "transaction",
            format!(
                "SELECT trx_state, trx_rows_modified FROM information_schema.INNODB_TRX \
                 WHERE trx_mysql_thread_id = {id}"
            ),
        )?;
        Ok(state)
    }

    /// The same without the server's counters, which a reset sets to zero.
    #[must_use]
    pub fn without_counters(mut self) -> Self {
        self.facts.retain(|name, _| !COUNTED.contains(&&*name.to_ascii_lowercase()));
        self
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

    fn add_rows(&mut self, conn: &mut impl Queryable, name: &str, sql: String) -> Result<()> {
        let rows: Vec<Row> = conn.query(sql)?;
        let mut rows: Vec<_> = rows.into_iter().map(|row| format!("{:?}", row.unwrap())).collect();
        rows.sort();
        self.add(name, rows.join("; "));
        Ok(())
    }
}
