//! The promises of every pool, kept by `QueuePool` on a fake, on SQLite, on MariaDB and on PostgreSQL.

use threadwise_testkit::conformance::pools::Queue;
use threadwise_testkit::conformance_on_each_database;

conformance_on_each_database!(Queue);
