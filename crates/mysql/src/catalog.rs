//! What the server says about its relations: which names could be more than a base table of the
//! default database, or have triggers, so that to use them may run somebody's functions.

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Error, Result};
use threadwise_core::fork;
use threadwise_core::sync::Mutex;

use crate::plain::Names;

/// For how long an answer is believed. A view that somebody has created since is taken for a table.
const BELIEVED: Duration = Duration::from_secs(60);

const QUERY: &str = "\
    SELECT 'other', TABLE_NAME FROM information_schema.TABLES \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE <> 'BASE TABLE' \
    UNION ALL SELECT 'other', SCHEMA_NAME FROM information_schema.SCHEMATA \
        WHERE SCHEMA_NAME <> DATABASE() \
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
    UNION ALL SELECT 'max_allowed_packet', @@max_allowed_packet \
    UNION ALL SELECT 'database', DATABASE() \
    UNION ALL SELECT 'autocommit', @@autocommit \
    UNION ALL SELECT 'completion_type', @@completion_type \
    UNION ALL SELECT 'init_connect', @@GLOBAL.init_connect \
    UNION ALL SELECT 'sql_mode', @@sql_mode";

/// What the server has said, for all connections of a manager. Locked for a moment only, in which
/// the process is not forked: so a child never finds it locked.
pub(crate) struct Catalog {
    known: Mutex<Arc<Known>>,
    /// The number of what is known, if it makes anything certain; else zero.
    edition: AtomicU64,
    next: AtomicU64,
    /// Until when it is believed, in milliseconds since `epoch`.
    ends: AtomicU64,
    epoch: Instant,
}

/// An answer of the server's. What is plain by one stays so while that one is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edition(pub(crate) NonZeroU64);

#[derive(Clone, Default)]
struct Known {
    since: Option<Instant>,
    /// `None` if nothing is certain on this server.
    relations: Option<Arc<Relations>>,
    max_allowed_packet: Option<usize>,
}

/// Names, in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
struct Relations {
    /// Of views, sequences and other databases.
    others: HashSet<Box<str>>,
    /// Of tables with triggers; `None` if this user would not be told of them.
    triggered: Option<HashSet<Box<str>>>,
}

impl Relations {
    fn are_plain(&self, names: &Names) -> bool {
        let all = &names.all;
        let no_trigger = || self.triggered.as_ref().is_some_and(|some| all.is_disjoint(some));
        all.is_disjoint(&self.others) && (!names.write || no_trigger())
    }
}

impl Known {
    fn is_believed(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() < BELIEVED)
    }
}

impl Catalog {
    /// Which answer of the server's is believed at this moment; `None` if none is. Costs a look at the
    /// clock, and no lock.
    pub(crate) fn edition(&self) -> Option<Edition> {
        // Acquire: pairs with the store in `change`; a later edition has a later end.
        let edition = self.edition.load(Ordering::Acquire);
        let is_believed = self.millis() < self.ends.load(Ordering::Relaxed);
        NonZeroU64::new(edition).filter(|_| is_believed).map(Edition)
    }

    /// Whether these are certainly no more than names of columns and base tables.
    pub(crate) fn are_plain(&self, names: &Names) -> bool {
        let known = self.known();
        let relations = known.relations.as_ref().filter(|_| known.is_believed());
        relations.is_some_and(|relations| relations.are_plain(names))
    }

    /// The longest packet that the server takes, if it has said so lately.
    pub(crate) fn max_allowed_packet(&self) -> Option<usize> {
        let known = self.known();
        known.max_allowed_packet.filter(|_| known.is_believed())
    }

    /// Whether the server ought to be asked.
    pub(crate) fn is_due(&self) -> bool {
        !self.known().is_believed()
    }

    /// Asks the server, by a session that is as new. One round trip. If it does not tell, nothing is
    /// certain.
    pub(crate) fn load(&self, conn: &mut Conn) -> Result<()> {
        let rows: Vec<Fact> = match conn.query(QUERY) {
            Ok(rows) => rows,
            Err(Error::MySqlError(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let known = Arc::new(Known::new(&rows));
        self.change(|all| *all = known);
        Ok(())
    }

    /// The server may be another one now, or have other settings.
    pub(crate) fn forget_max_allowed_packet(&self) {
        self.change(|known| Arc::make_mut(known).max_allowed_packet = None);
    }

    /// Something was defined anew: believes nothing any more.
    pub(crate) fn forget(&self) {
        self.change(|known| Arc::make_mut(known).since = None);
    }

    fn known(&self) -> Arc<Known> {
        fork::hold_off(|| Arc::clone(&self.known.lock()))
    }

    /// Changes what is believed. A new edition begins; none, if nothing is.
    fn change(&self, change: impl FnOnce(&mut Arc<Known>)) {
        fork::hold_off(|| {
            let mut known = self.known.lock();
            change(&mut known);
            // Release: pairs with `edition`. In this order, so that no old edition gets a new end.
            self.edition.store(0, Ordering::Release);
            if let (Some(since), Some(_)) = (known.since, &known.relations) {
                let ends = since.saturating_duration_since(self.epoch) + BELIEVED;
                self.ends.store(ends.as_millis() as u64, Ordering::Relaxed);
                let next = self.next.fetch_add(1, Ordering::Relaxed);
                self.edition.store(next, Ordering::Release);
            }
        });
    }

    /// Since this catalog was made.
    fn millis(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            known: Mutex::new(Arc::default()),
            edition: AtomicU64::new(0),
            next: AtomicU64::new(1),
            ends: AtomicU64::new(0),
            epoch: Instant::now(),
        }
    }
}

/// What it is about, and what the server says of that.
type Fact = (String, Option<String>);

impl Known {
    fn new(rows: &[Fact]) -> Self {
        let max_allowed_packet = rows.iter().find(|(kind, _)| kind == "max_allowed_packet");
        Self {
            since: Some(Instant::now()),
            relations: relations(rows).map(Arc::new),
            max_allowed_packet: max_allowed_packet
                .and_then(|(_, value)| value.as_ref()?.parse().ok()),
        }
    }
}

/// The server's relations, unless its sessions are unusual.
fn relations(rows: &[Fact]) -> Option<Relations> {
    let mut relations = Relations::default();
    let (mut triggered, mut sees_triggers, mut told) = (HashSet::new(), false, false);
    for (kind, value) in rows {
        let value = value.as_deref().unwrap_or_default();
        let name = || Box::from(value.to_ascii_lowercase());
        let is_usual = match &**kind {
            "other" => {
                relations.others.insert(name());
                true
            }
            "triggered" => {
                triggered.insert(name());
                true
            }
            "sees triggers" => {
                sees_triggers |= value == "1";
                true
            }
            "max_allowed_packet" => true,
            "database" => {
                told = true;
                !value.is_empty() // else each name may mean anything
            }
            "autocommit" => value == "1", // else each query begins a transaction
            "completion_type" => value == "NO_CHAIN", // else the end of a transaction begins another
            "init_connect" => value.is_empty(),       // else no session begins as a reset one does
            "sql_mode" => !value.to_ascii_uppercase().contains("ORACLE"), // another language
            _ => false,
        };
        if !is_usual {
            return None;
        }
    }
    relations.triggered = sees_triggers.then_some(triggered);
    told.then_some(relations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(write: bool, names: [&str; N]) -> Names {
        Names { all: names.into_iter().map(Box::from).collect(), write }
    }

    fn answer(changed: &[(&str, &str)]) -> Known {
        let usual = [
            ("sees triggers", "0"),
            ("max_allowed_packet", "1024"),
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
        let named = [("other", "View"), ("triggered", "Fires")];
        let named = named.map(|(kind, name)| (kind.to_owned(), Some(name.to_owned())));
        Known::new(&rows.chain(named).collect::<Vec<_>>())
    }

    #[test]
    fn a_server_with_unusual_sessions_makes_nothing_certain() {
        assert!(answer(&[]).relations.is_some());
        for unusual in [
            ("database", ""),
            ("autocommit", "0"),
            ("completion_type", "CHAIN"),
            ("init_connect", "SET autocommit = 0"),
            ("sql_mode", "PIPES_AS_CONCAT,ORACLE"),
        ] {
            assert_eq!(answer(&[unusual]).relations, None, "{unusual:?}");
        }
        assert_eq!(Known::new(&[]).relations, None, "a server that says nothing");
    }

    #[test]
    fn names_are_plain_while_the_answer_is_believed_and_none_is_another() {
        let catalog = Catalog::default();
        assert!(catalog.is_due());
        let reads = |all| {
            let is_plain = |all| catalog.are_plain(&names(false, all));
            is_plain(["t", "v"]) && is_plain(all) && catalog.edition().is_some()
        };
        assert!(!reads(["t", "v"]), "nobody has asked yet");
        catalog.change(|known| *known = Arc::new(answer(&[])));
        assert!(!catalog.is_due());
        assert!(reads(["t", "v"]) && reads(["fires", "v"]));
        assert!(!reads(["view", "v"]));
        assert_eq!(catalog.max_allowed_packet(), Some(1024));
        catalog.forget();
        assert!(catalog.is_due() && !reads(["t", "v"]));
        assert_eq!(catalog.max_allowed_packet(), None);
    }

    #[test]
    fn what_writes_is_plain_where_triggers_can_be_seen_and_none_is_there() {
        let writes = |known: &Known, name| {
            known.relations.as_ref().is_some_and(|all| all.are_plain(&names(true, [name])))
        };
        assert!(!writes(&answer(&[]), "t"), "there may be one that is not shown");
        let known = answer(&[("sees triggers", "1")]);
        assert!(writes(&known, "t"));
        assert!(!writes(&known, "fires") && !writes(&known, "view"));
    }
}
