//! What the server says about its relations: which names could be more than a base table of the
//! default database, so that to read from them may run somebody's functions.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Error, Result};

/// For how long an answer is believed. A view that somebody has created since is taken for a table.
const BELIEVED: Duration = Duration::from_secs(60);

const QUERY: &str = "\
    SELECT 'other', TABLE_NAME FROM information_schema.TABLES \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE <> 'BASE TABLE' \
    UNION ALL SELECT 'other', SCHEMA_NAME FROM information_schema.SCHEMATA \
        WHERE SCHEMA_NAME <> DATABASE() \
    UNION ALL SELECT 'database', DATABASE() \
    UNION ALL SELECT 'autocommit', @@autocommit \
    UNION ALL SELECT 'completion_type', @@completion_type \
    UNION ALL SELECT 'init_connect', @@GLOBAL.init_connect \
    UNION ALL SELECT 'sql_mode', @@sql_mode";

/// What the server has said, for all connections of a manager.
#[derive(Default)]
pub(crate) struct Catalog(RwLock<Known>);

#[derive(Default)]
struct Known {
    since: Option<Instant>,
    /// Names of views, sequences and other databases, in lower case; `None` if nothing is certain
    /// on this server.
    others: Option<HashSet<Box<str>>>,
}

impl Known {
    fn is_believed(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() < BELIEVED)
    }
}

impl Catalog {
    /// Whether these are certainly no more than names of columns and base tables.
    pub(crate) fn are_plain<'n>(
        &self,
        mut names: impl Iterator<Item = &'n HashSet<Box<str>>>,
    ) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let others = known.others.as_ref().filter(|_| known.is_believed());
        others.is_some_and(|others| names.all(|names| names.is_disjoint(others)))
    }

    /// Whether the server ought to be asked.
    pub(crate) fn is_due(&self) -> bool {
        !self.0.read().unwrap_or_else(PoisonError::into_inner).is_believed()
    }

    /// Asks the server, by a session that is as new. One round trip. If it does not tell, nothing is
    /// certain.
    pub(crate) fn load(&self, conn: &mut Conn) -> Result<()> {
        let others = match conn.query(QUERY) {
            Ok(rows) => others(rows),
            Err(Error::MySqlError(_)) => None,
            Err(error) => return Err(error),
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) =
            Known { since: Some(Instant::now()), others };
        Ok(())
    }

    /// Something was defined anew: believes nothing any more.
    pub(crate) fn forget(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).since = None;
    }
}

fn others(rows: Vec<(String, Option<String>)>) -> Option<HashSet<Box<str>>> {
    let mut others = HashSet::new();
    for (kind, value) in rows {
        let value = value.unwrap_or_default();
        let is_usual = match &*kind {
            "other" => {
                others.insert(value.to_ascii_lowercase().into());
                true
            }
            "database" => !value.is_empty(), // else each name may mean anything
            "autocommit" => value == "1",    // else each query begins a transaction
            "completion_type" => value == "NO_CHAIN", // else the end of a transaction begins another
            "init_connect" => value.is_empty(),       // else no session begins as a reset one does
            "sql_mode" => !value.to_ascii_uppercase().contains("ORACLE"), // another language
            _ => false,
        };
        if !is_usual {
            return None;
        }
    }
    Some(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(names: [&str; N]) -> HashSet<Box<str>> {
        names.into_iter().map(Box::from).collect()
    }

    fn answer(changed: &[(&str, &str)]) -> Option<HashSet<Box<str>>> {
        let usual = [
            ("database", "d"),
            ("autocommit", "1"),
            ("completion_type", "NO_CHAIN"),
            ("init_connect", ""),
            ("sql_mode", ""),
        ];
        let rows = usual.iter().map(|usual| {
            let (kind, value) = changed.iter().find(|(kind, _)| *kind == usual.0).unwrap_or(usual);
            ((*kind).to_owned(), Some((*value).to_owned()))
        });
        others(rows.chain([("other".to_owned(), Some("View".to_owned()))]).collect())
    }

    #[test]
    fn a_server_with_unusual_sessions_makes_nothing_certain() {
        assert_eq!(answer(&[]), Some(names(["view"])));
        for unusual in [
            ("database", ""),
            ("autocommit", "0"),
            ("completion_type", "CHAIN"),
            ("init_connect", "SET autocommit = 0"),
            ("sql_mode", "PIPES_AS_CONCAT,ORACLE"),
        ] {
            assert_eq!(answer(&[unusual]), None, "{unusual:?}");
        }
    }

    #[test]
    fn names_are_plain_while_the_answer_is_believed_and_none_is_another() {
        let catalog = Catalog::default();
        assert!(catalog.is_due());
        assert!(!catalog.are_plain([&names(["t"])].into_iter()), "nobody has asked yet");
        *catalog.0.write().unwrap() = Known { since: Some(Instant::now()), others: answer(&[]) };
        assert!(!catalog.is_due());
        assert!(catalog.are_plain([&names(["t"]), &names(["v"])].into_iter()));
        assert!(!catalog.are_plain([&names(["t"]), &names(["v", "view"])].into_iter()));
        catalog.forget();
        assert!(catalog.is_due() && !catalog.are_plain([&names(["t"])].into_iter()));
    }
}
