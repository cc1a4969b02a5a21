//! A manager with every optional method passes every test of the suite.

mod model;

use model::{Line, fault};
use threadwise_conformance::conformance;

conformance!(
    Line<{ fault::NONE }>:
    cut, notice, quick_check, silence, patience, last_answer, outage, refusal, lost, failure, session,
    changes, transaction, shared_transaction, commit, count, labels, retire, threads, fork
);
