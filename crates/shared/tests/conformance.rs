//! The promises of every pool, kept by `SharedPool` on a fake, on SQLite, on MariaDB and on PostgreSQL.

use threadwise_core::{BuildError, ManageConnection};
use threadwise_shared::SharedPool;
use threadwise_testkit::conformance::{PoolUnderTest, Settings};
use threadwise_testkit::pool_conformance;

struct Kind;

impl PoolUnderTest for Kind {
    type Pool<M: ManageConnection> = SharedPool<M>;

    fn build<M: ManageConnection>(
        manager: M,
        settings: Settings,
    ) -> Result<SharedPool<M>, BuildError<M::Error>> {
        SharedPool::builder()
            .max_size(settings.size)
            .get_timeout(settings.get_timeout)
            .validation(settings.validation)
            .validation_timeout(settings.validation_timeout)
            .reset(settings.reset)
            .build(manager)
    }
}

pool_conformance!(Kind);
