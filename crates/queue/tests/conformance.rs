//! The promises of every pool, kept by `QueuePool` on a fake, on SQLite, on MariaDB and on PostgreSQL.

use threadwise_core::{BuildError, ManageConnection};
use threadwise_queue::QueuePool;
use threadwise_testkit::conformance::{PoolUnderTest, Settings};
use threadwise_testkit::pool_conformance;

struct Kind;

impl PoolUnderTest for Kind {
    type Pool<M: ManageConnection> = QueuePool<M>;

    fn build<M: ManageConnection>(
        manager: M,
        settings: Settings,
    ) -> Result<QueuePool<M>, BuildError<M::Error>> {
        QueuePool::builder()
            .size(settings.size)
            .get_timeout(settings.get_timeout)
            .validation(settings.validation)
            .validation_timeout(settings.validation_timeout)
            .reset(settings.reset)
            .build(manager)
    }
}

pool_conformance!(Kind);
