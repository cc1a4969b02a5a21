//! The databases of the conformance suite.

mod fake;
mod maria;
mod pg;
mod sqlite;

pub use self::fake::Fake;
pub use self::maria::Maria;
pub use self::pg::Pg;
pub use self::sqlite::Sqlite;

/// Makes the tests of one pool on the fake, on SQLite, on MariaDB and on PostgreSQL.
///
/// Takes the type that builds the pool. The tests are in the modules `fake`, `sqlite`, `mariadb` and
/// `postgres`.
#[macro_export]
macro_rules! conformance_on_each_database {
    ($pool:ty) => {
        mod fake {
            use super::*;
            $crate::conformance::pool_conformance!(
                $crate::backend::Fake, $pool: session, changes, transaction, fork
            );
        }
        mod sqlite {
            use super::*;
            // SQLite has no server. A forked child may not use a file that its parent has open.
            $crate::conformance::pool_conformance!(
                $crate::backend::Sqlite, $pool: refusal, session, changes, transaction
            );
        }
        mod mariadb {
            use super::*;
            $crate::conformance::pool_conformance!(
                $crate::backend::Maria, $pool:
                cut, notice, outage, refusal, lost, session, changes, transaction, fork
            );
        }
        mod postgres {
            use super::*;
            $crate::conformance::pool_conformance!(
                $crate::backend::Pg, $pool:
                cut, notice, outage, refusal, lost, session, changes, transaction, fork
            );
        }
    };
}
