//! The fixed set of threads that work on lines: classify, save, answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::Receiver;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use threadwise_systems::{Job, note};

use crate::classifier::{Classifier, Verdict};
use crate::protocol::{Answer, Request};
use crate::store::{SaveError, Store, Trouble};

/// The most lines that a worker takes at once.
const MAX_BATCH: usize = 16;

/// The values that all workers share.
pub(crate) struct Workers {
    pub(crate) count: usize,
    pub(crate) classifier: Classifier,
    pub(crate) store: Store,
    pub(crate) is_away: AtomicBool, // the database, as far as the log says
    pub(crate) saved: AtomicU64,    // answers that say so
}

impl Workers {
    /// Works until no sender of jobs is left. Each worker thread runs this.
    // ANCHOR: take
    pub(crate) fn work(&self, jobs: &Receiver<Job<Request>>) {
        while let Ok(first) = jobs.recv() {
            // Takes its share of the waiting lines, and leaves the rest to the other workers.
            let share = (jobs.len() / self.count).min(MAX_BATCH - 1);
            let batch: Vec<Job<Request>> =
                std::iter::once(first).chain(jobs.try_iter().take(share)).collect();
            // A panic would be a mistake in this program. It costs its batch, whose clients get an
            // error, and the connection in use, which the pool closes. The worker survives.
            let _ = catch_unwind(AssertUnwindSafe(|| self.answer(batch)));
        }
    }
    // ANCHOR_END: take

    // ANCHOR: answer
    fn answer(&self, batch: Vec<Job<Request>>) {
        // Classifies before it borrows, so that it holds a connection only for the database's time.
        let verdicts: Vec<Option<Verdict>> =
            batch.par_iter().map(|job| self.classify(&job.request)).collect();
        let mut is_away = false;
        for (job, verdict) in batch.into_iter().zip(verdicts) {
            let answer = match (job.request, verdict) {
                // The database was away for the case before. So this one does not wait again.
                (Request::Save(_), _) if is_away => not_saved(),
                (Request::Save(case), Some(verdict)) => match self.store.save(&case, &verdict) {
                    Ok(saved) => Answer::Saved { patient: case.patient, case: saved },
                    Err(error) => self.refusal(error, &mut is_away),
                },
                (Request::Save(_), None) => unreachable!("each case was classified"),
                (Request::History(patient), _) => self.history(patient),
            };
            if matches!(answer, Answer::Saved { .. }) {
                self.saved.fetch_add(1, Ordering::Relaxed);
                self.log_return();
            }
            job.reply.send(answer.to_string());
        }
    }
    // ANCHOR_END: answer

    fn classify(&self, request: &Request) -> Option<Verdict> {
        match request {
            Request::Save(case) => Some(self.classifier.classify(&case.text)),
            Request::History(_) => None,
        }
    }

    fn history(&self, patient: String) -> Answer {
        match self.store.history(&patient) {
            Ok(cases) if cases.is_empty() => {
                Answer::refused("unknown", "no case of this patient is saved")
            }
            Ok(cases) => Answer::History { patient, cases },
            Err(trouble) => {
                note!("a history could not be read: {}", trouble.what);
                Answer::refused("unavailable", "the database did not answer; ask again later")
            }
        }
    }

    fn refusal(&self, error: SaveError, is_away: &mut bool) -> Answer {
        match error {
            SaveError::NotSaved(trouble) => {
                self.log(&trouble, "a case was not saved");
                *is_away = trouble.is_away;
                not_saved()
            }
            SaveError::Uncertain(trouble) => {
                self.log(&trouble, "whether a case was saved is not known");
                *is_away = trouble.is_away;
                let why = "the database was lost while it committed the case: it may be saved or \
                           not; ask ?PATIENT, or send it again if it had a key";
                Answer::refused("uncertain", why)
            }
            SaveError::OtherText => {
                let why = "this patient has a case with this key and another text; \
                           take a new key for a new case";
                Answer::refused("key", why)
            }
        }
    }

    /// Prints one line for an outage, however many cases it affects.
    fn log(&self, trouble: &Trouble, what: &str) {
        if !trouble.is_away {
            note!("{what}: {}", trouble.what);
        } else if !self.is_away.swap(true, Ordering::Relaxed) {
            note!("the database is away, cases are refused until it is back: {}", trouble.what);
        }
    }

    fn log_return(&self) {
        // Relaxed: a flag of its own. It is read first, since writing would cost every case.
        if self.is_away.load(Ordering::Relaxed) && self.is_away.swap(false, Ordering::Relaxed) {
            note!("the database is back");
        }
    }
}

// The database's message goes to the log only, because it may name hosts and users.
fn not_saved() -> Answer {
    let why = "the database is not available, the case was NOT saved; send it again";
    Answer::refused("not-saved", why)
}
