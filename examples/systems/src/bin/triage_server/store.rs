//! Stores cases with their results. Each case is stored once, never without its result.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::ErrorCode;
use threadwise::{AnyPool, ManageConnection, Outcome, Pool};
use threadwise_systems::args::seconds;
use threadwise_systems::{Connection, Database, Error, Value};

use crate::classifier::Verdict;
use crate::protocol::{Case, Saved};

/// The most cases of a history.
const HISTORY: i64 = 20;

/// The pause between two attempts. Some pools wait for the database by themselves, others fail at
/// once.
const PAUSE: Duration = Duration::from_millis(50);

/// The database, through a pool.
pub(crate) struct Store {
    pool: AnyPool<Database>,
    patience: Patience,
    run: String, // tells this run's own keys from those of any other
    cases: AtomicU64,
}

/// How long a case may take.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Seconds that a case waits for a connection before its client gets `error not-saved`.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds(1..=600))]
    wait: Duration,

    /// Seconds to find out whether a commit succeeded if its connection broke.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=600))]
    settle: Duration,
}

/// Why a case has no [`Saved`].
#[derive(Debug)]
pub(crate) enum SaveError {
    /// This attempt left nothing in the database.
    NotSaved(Trouble),
    /// The commit was sent, its answer was lost, and the database has not answered since.
    Uncertain(Trouble),
    /// The key belongs to a case with another text.
    OtherText,
}

/// The error of the database or the pool.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    /// Whether the pool had no connection. The next case then does not wait as long.
    pub(crate) is_away: bool,
}

/// An attempt that failed.
struct Failure {
    trouble: Trouble,
    may_pass: bool,
    is_uncertain: bool, // whether the case may be in the database all the same
}

/// Creates the tables if they do not exist. It uses its own connection, because the pool's
/// connections belong to the workers.
pub(crate) fn create_tables(database: &Database) -> Result<(), Error> {
    let mut conn = database.connect()?;
    conn.create_table(
        "triage_case",
        "id {id}, patient VARCHAR(32) NOT NULL, request VARCHAR(64) NOT NULL, \
         description TEXT NOT NULL, UNIQUE (patient, request)",
    )?;
    conn.create_table(
        "triage_result",
        "case_id BIGINT PRIMARY KEY, category VARCHAR(32) NOT NULL, probability DOUBLE NOT NULL",
    )?;
    database.close(conn);
    Ok(())
}

impl Store {
    pub(crate) fn new(pool: AnyPool<Database>, patience: Patience) -> Self {
        let run = format!("{:032x}", fastrand::u128(..));
        Self { pool, patience, run, cases: AtomicU64::new(0) }
    }

    /// Saves a case with its result, and returns it as the database has it, once it is durable.
    ///
    /// Each case has a request key, which is unique in the database: so an attempt may be made
    /// again whatever became of the one before, and the row is there once.
    pub(crate) fn save(&self, case: &Case, verdict: &Verdict) -> Result<Saved, SaveError> {
        let request = case.key.clone().unwrap_or_else(|| self.new_key());
        let mut end = Instant::now() + self.patience.wait;
        let mut is_uncertain = false;
        loop {
            let failure = match self.try_save(&request, case, verdict, end) {
                Ok(Some(saved)) => return Ok(saved),
                Ok(None) => return Err(SaveError::OtherText),
                Err(failure) => failure,
            };
            if failure.is_uncertain && !is_uncertain {
                is_uncertain = true;
                end = Instant::now() + self.patience.settle;
            }
            if !failure.may_pass || Instant::now() + PAUSE >= end {
                return Err(match is_uncertain {
                    true => SaveError::Uncertain(failure.trouble),
                    false => SaveError::NotSaved(failure.trouble),
                });
            }
            thread::sleep(PAUSE);
        }
    }

    // ANCHOR: commit
    fn try_save(
        &self,
        request: &str,
        case: &Case,
        verdict: &Verdict,
        end: Instant,
    ) -> Result<Option<Saved>, Failure> {
        let left = end.saturating_duration_since(Instant::now());
        let mut conn = self.pool.get_timeout(left).map_err(Failure::away)?;
        let mut is_committing = false;
        let done: Result<_, Error> = conn.transaction(|conn| {
            let saved = write_and_read_back(conn, request, case, verdict)?;
            is_committing = true; // from here on, an error does not say that nothing happened
            Ok(saved)
        });
        match done {
            Ok(saved) => Ok(Some(saved)),
            // An earlier attempt saved it: its answer was lost, or the client sent the case before.
            Err(error) if error.is_duplicate() => {
                find(&mut conn, request, case).map_err(|error| self.failure(&error, true))
            }
            Err(error) => {
                let is_uncertain = match conn.outcome(&error) {
                    Outcome::Unknown => true, // the manager saw the commit under way
                    _ => is_committing && !is_conflict(&error),
                };
                Err(self.failure(&error, is_uncertain))
            }
        }
    }
    // ANCHOR_END: commit

    /// The latest cases of a patient, the newest first.
    pub(crate) fn history(&self, patient: &str) -> Result<Vec<Saved>, Trouble> {
        let conn = self.pool.get_timeout(self.patience.wait);
        let mut conn = conn.map_err(|error| Failure::away(error).trouble)?;
        let sql = "SELECT c.id, r.category, r.probability FROM triage_case c \
                   JOIN triage_result r ON r.case_id = c.id \
                   WHERE c.patient = ? ORDER BY c.id DESC LIMIT ?";
        // Reading twice does no harm, so `steady` may replace a broken connection.
        let rows = conn.steady(|conn| conn.query(sql, &[patient.into(), HISTORY.into()]));
        let cases = rows.and_then(|rows| rows.iter().map(saved_from).collect());
        cases.map_err(|error| self.failure(&error, false).trouble)
    }

    fn new_key(&self) -> String {
        // No client's key contains `~`. Relaxed: it only has to be another number each time.
        format!("~{}-{}", self.run, self.cases.fetch_add(1, Ordering::Relaxed))
    }

    fn failure(&self, error: &Error, is_uncertain: bool) -> Failure {
        let is_lost = self.pool.manager().is_lost(error);
        Failure {
            trouble: Trouble {
                what: threadwise::chain(error).to_string(),
                is_away: is_lost || is_uncertain,
            },
            may_pass: is_lost || is_uncertain || is_conflict(error),
            is_uncertain,
        }
    }
}

impl Failure {
    fn away(error: impl std::error::Error) -> Self {
        let trouble = Trouble { what: threadwise::chain(&error).to_string(), is_away: true };
        Self { trouble, may_pass: true, is_uncertain: false }
    }
}

fn write_and_read_back(
    conn: &mut Connection,
    request: &str,
    case: &Case,
    verdict: &Verdict,
) -> Result<Saved, Error> {
    conn.execute(
        "INSERT INTO triage_case (patient, request, description) VALUES (?, ?, ?)",
        &[case.patient.as_str().into(), request.into(), case.text.as_str().into()],
    )?;
    let id = conn.last_id();
    conn.execute(
        "INSERT INTO triage_result (case_id, category, probability) VALUES (?, ?, ?)",
        &[id.into(), verdict.category.as_str().into(), verdict.probability.into()],
    )?;
    let read = "SELECT case_id, category, probability FROM triage_result WHERE case_id = ?";
    saved_from(&conn.query(read, &[id.into()])?[0])
}

/// The case with this key; `None` if it has another text.
fn find(conn: &mut Connection, request: &str, case: &Case) -> Result<Option<Saved>, Error> {
    let sql = "SELECT c.id, r.category, r.probability, c.description FROM triage_case c \
               JOIN triage_result r ON r.case_id = c.id WHERE c.patient = ? AND c.request = ?";
    let key: [Value; 2] = [case.patient.as_str().into(), request.into()];
    let rows = conn.query(sql, &key)?;
    let Some(row) = rows.first() else {
        return Err(Error::Unreadable(format!("a key {request} and no case with it")));
    };
    Ok(if row.text(3)? == case.text { Some(saved_from(row)?) } else { None })
}

fn saved_from(row: &threadwise_systems::Row) -> Result<Saved, Error> {
    let category = row.text(1)?.to_owned();
    Ok(Saved { id: row.integer(0)?, category, probability: row.real(2)? })
}

/// Whether the transaction conflicts with another one. It was rolled back, and is safe to repeat.
fn is_conflict(error: &Error) -> bool {
    const LOCK_WAIT_TIMEOUT: u16 = 1205;
    const DEADLOCK: u16 = 1213;
    match error {
        Error::Sqlite(error) => {
            let code = error.sqlite_error_code();
            matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
        }
        Error::Mysql(mysql::Error::MySqlError(answer)) => {
            [LOCK_WAIT_TIMEOUT, DEADLOCK].contains(&answer.code)
        }
        Error::Mysql(_) | Error::Unreadable(_) => false,
    }
}
