//! The promises of every pool, kept by `PersistentPool` on a fake, on SQLite, on MariaDB and on PostgreSQL.

use threadwise_core::{BuildError, ManageConnection};
use threadwise_persistent::PersistentPool;
use threadwise_testkit::conformance::{PoolUnderTest, Settings};
use threadwise_testkit::pool_conformance;

struct Kind;

impl PoolUnderTest for Kind {
    type Pool<M: ManageConnection> = PersistentPool<M>;

    fn build<M: ManageConnection>(
        manager: M,
        settings: Settings,
    ) -> Result<PersistentPool<M>, BuildError<M::Error>> {
        PersistentPool::builder()
            .max_threads(settings.size)
            .get_timeout(settings.get_timeout)
            .validation(settings.validation)
            .validation_timeout(settings.validation_timeout)
            .reset(settings.reset)
            .build(manager)
    }
}

pool_conformance!(Kind);
