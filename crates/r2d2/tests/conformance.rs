//! The promises of every pool, kept with a manager that was written for r2d2.

use std::convert::Infallible;

use threadwise_core::{BuildError, ManageConnection};
use threadwise_r2d2::FromR2d2;
use threadwise_testkit::backend::Backend;
use threadwise_testkit::conformance::{PoolUnderTest, Settings};
use threadwise_testkit::pool_conformance;

/// Opens sessions in memory.
struct Memory;

/// A session, what a borrower left in it, and whether its server is gone.
#[derive(Default)]
struct Session {
    left_behind: Option<u64>,
    is_gone: bool,
}

impl r2d2::ManageConnection for Memory {
    type Connection = Session;
    type Error = Infallible;

    fn connect(&self) -> Result<Session, Infallible> {
        Ok(Session::default())
    }

    fn is_valid(&self, _: &mut Session) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.is_gone
    }
}

struct R2d2;

impl Backend for R2d2 {
    type Manager = FromR2d2<Memory>;

    fn start() -> Self {
        Self
    }

    fn manager(&self) -> FromR2d2<Memory> {
        FromR2d2::new(Memory)
            .has_broken_on_checkout(true)
            .has_changed_with(|session| session.left_behind.is_some())
            .in_transaction_with(|session| session.left_behind.is_some())
            .reset_with(|session| {
                session.left_behind = None;
                Ok(())
            })
    }

    fn hopeless_manager(&self) -> Option<FromR2d2<Memory>> {
        None
    }

    fn echo(_: &mut Session, nonce: u64) -> u64 {
        nonce
    }

    fn soil(session: &mut Session) {
        session.left_behind = Some(42);
    }

    fn is_fresh(session: &mut Session) -> bool {
        session.left_behind.is_none()
    }

    fn cut(&self, session: &mut Session) -> bool {
        session.is_gone = true;
        true
    }
}

/// Makes a pool's kind, and its tests.
macro_rules! conformance {
    ($module:ident, $pool:ident, $size:ident) => {
        mod $module {
            use threadwise::$module::$pool;

            use super::*;

            struct Kind;

            impl PoolUnderTest for Kind {
                type Pool<M: ManageConnection> = $pool<M>;

                fn build<M: ManageConnection>(
                    manager: M,
                    settings: Settings,
                ) -> Result<$pool<M>, BuildError<M::Error>> {
                    $pool::builder()
                        .$size(settings.size)
                        .get_timeout(settings.get_timeout)
                        .validation(settings.validation)
                        .validation_timeout(settings.validation_timeout)
                        .reset(settings.reset)
                        .build(manager)
                }
            }

            pool_conformance!(Kind, R2d2);
        }
    };
}

conformance!(shared, SharedPool, max_size);
conformance!(persistent, PersistentPool, max_threads);
conformance!(queue, QueuePool, size);
