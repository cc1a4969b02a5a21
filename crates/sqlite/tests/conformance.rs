//! What every manager promises, kept on a SQLite file. The tests of the pools run there, too: each pool's crate
//! has them.

use threadwise_testkit::backend::Sqlite;
use threadwise_testkit::conformance::manager_conformance;

manager_conformance!(Sqlite: refusal, failure, session, changes, transaction);
