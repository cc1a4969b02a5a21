//! What every manager promises, kept on MariaDB. The tests of the pools run there, too: each pool's crate
//! has them.

use threadwise_testkit::backend::Maria;
use threadwise_testkit::conformance::manager_conformance;

manager_conformance!(
    Maria: cut, notice, silence, patience, last_answer, outage, refusal, lost, failure, session, changes,
    transaction, shared_transaction, count, labels
);
