//! The manager behind [`Pool`](super::Pool): it adds to each connection what r2d2 keeps beside it.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use r2d2::{Extensions, HandleError};
use threadwise_core::parts::foreign;
use threadwise_core::{ConnectionInfo, ManageConnection, Moment, Outcome};

use super::event::{AcquireEvent, HandleEvent, ReleaseEvent};
use crate::{Error, FromR2d2};

/// The number of the next connection of any pool.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// The manager of the [`SharedPool`](threadwise_shared::SharedPool) in a [`Pool`](super::Pool).
pub struct Adapter<M: r2d2::ManageConnection> {
    inner: FromR2d2<M>,
    error_handler: Box<dyn HandleError<M::Error>>,
    events: Option<Arc<dyn HandleEvent>>,
    /// The last error since a connection was opened.
    last_error: Mutex<Option<Error>>,
}

/// A connection with its number and its extensions.
pub struct Entry<C> {
    conn: C,
    id: u64,
    opened: Instant,
    pub(super) extensions: Extensions,
}

impl<M: r2d2::ManageConnection> Adapter<M> {
    pub(super) fn new(
        inner: FromR2d2<M>,
        error_handler: Box<dyn HandleError<M::Error>>,
        events: Option<Arc<dyn HandleEvent>>,
    ) -> Self {
        Self { inner, error_handler, events, last_error: Mutex::new(None) }
    }

    pub(super) fn events(&self) -> Option<&Arc<dyn HandleEvent>> {
        self.events.as_ref()
    }

    /// The last error since a connection was opened.
    pub(super) fn last_error(&self) -> Option<Error> {
        self.locked_last_error().clone()
    }

    fn locked_last_error(&self) -> MutexGuard<'_, Option<Error>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the pool needs of an error, and passes the error itself on.
    fn handle(&self, error: M::Error) -> Error {
        let kept = self.inner.opener().keep(&error);
        *self.locked_last_error() = Some(kept.clone());
        self.error_handler.handle_error(error);
        kept
    }

    fn emit(&self, emit: impl FnOnce(&dyn HandleEvent)) {
        if let Some(events) = &self.events {
            // The panic hook has printed the panic; the pool finishes its own work.
            let _ = foreign::call(|| emit(&**events));
        }
    }
}

#[deny(clippy::missing_trait_methods)] // a method that is left out here would lose the inner one's
impl<M: r2d2::ManageConnection> ManageConnection for Adapter<M> {
    type Connection = Entry<M::Connection>;
    type Error = Error;

    fn connect(&self) -> Result<Self::Connection, Error> {
        let conn = self.inner.opener().open().map_err(|error| self.handle(error))?;
        let entry = Entry {
            conn,
            id: NEXT_ID.fetch_add(1, Relaxed),
            opened: Instant::now(),
            extensions: Extensions::new(),
        };
        *self.locked_last_error() = None;
        self.emit(|events| events.handle_acquire(AcquireEvent { id: entry.id }));
        Ok(entry)
    }

    /// Without a limit, as a shared pool opens connections on threads of its own.
    fn connect_within(&self, _: Duration) -> Result<Self::Connection, Error> {
        self.connect()
    }

    fn is_valid(&self, conn: &mut Self::Connection) -> Result<(), Error> {
        self.inner.inner().is_valid(conn).map_err(|error| self.handle(error))
    }

    /// Without a limit, as the driver has none here.
    fn is_valid_within(&self, conn: &mut Self::Connection, _: Duration) -> Result<(), Error> {
        self.is_valid(conn)
    }

    fn is_valid_patient(
        &self,
        conn: &mut Self::Connection,
        _: Duration,
        _: Duration,
    ) -> Option<Result<(), Error>> {
        Some(self.is_valid(conn))
    }

    fn has_broken(&self, conn: &mut Self::Connection) -> bool {
        self.inner.has_broken(conn)
    }

    fn has_broken_at(&self, conn: &mut Self::Connection, moment: Moment) -> bool {
        self.inner.has_broken_at(conn, moment)
    }

    fn quick_check(&self, conn: &mut Self::Connection) -> Result<(), Error> {
        self.inner.quick_check(conn)
    }

    fn quick_check_after(&self) -> Option<Duration> {
        self.inner.quick_check_after()
    }

    fn last_answer(&self, conn: &Self::Connection) -> Option<Instant> {
        self.inner.last_answer(conn)
    }

    fn reset(&self, conn: &mut Self::Connection) -> Result<(), Error> {
        self.inner.reset(conn)
    }

    fn reset_within(&self, conn: &mut Self::Connection, limit: Duration) -> Result<(), Error> {
        self.inner.reset_within(conn, limit)
    }

    fn begin_session(&self, conn: &mut Self::Connection) {
        self.inner.begin_session(conn);
    }

    fn has_changed(&self, conn: &mut Self::Connection) -> bool {
        self.inner.has_changed(conn)
    }

    fn in_transaction(&self, conn: &mut Self::Connection) -> bool {
        self.inner.in_transaction(conn)
    }

    fn in_transaction_shared(&self, conn: &Self::Connection) -> bool {
        self.inner.in_transaction_shared(conn)
    }

    fn should_retire(&self, conn: &mut Self::Connection) -> bool {
        self.inner.should_retire(conn)
    }

    fn group(&self, conn: &Self::Connection) -> u64 {
        self.inner.group(conn)
    }

    fn info<'c>(&'c self, conn: &'c Self::Connection) -> ConnectionInfo<'c> {
        ConnectionInfo::new().with_id(conn.id)
    }

    fn is_lost(&self, error: &Error) -> bool {
        self.inner.is_lost(error)
    }

    fn on_error(&self, conn: &mut Self::Connection, error: &Error) -> Outcome {
        self.inner.on_error(conn, error)
    }

    fn is_permanent(&self, error: &Error) -> bool {
        self.inner.is_permanent(error)
    }

    fn is_shortage(&self, error: &Error) -> bool {
        self.inner.is_shortage(error)
    }

    fn not_reconnected(&self, error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
        self.inner.not_reconnected(error, cause)
    }

    fn address(&self) -> Option<Cow<'_, str>> {
        ManageConnection::address(&self.inner)
    }

    fn forget_in_child(&self, conn: Self::Connection) {
        self.inner.forget_in_child(conn.conn);
    }

    fn pool_closed(&self) {
        self.inner.pool_closed();
    }

    fn forked(&self) {
        self.inner.forked();
    }

    fn set_pool_name(&mut self, name: &str) {
        self.inner.set_pool_name(name);
    }

    fn close(&self, conn: Self::Connection) {
        let Entry { conn, id, opened, extensions } = conn;
        self.emit(|events| events.handle_release(ReleaseEvent { id, age: opened.elapsed() }));
        self.inner.close(conn);
        drop(extensions);
    }
}

impl<M: r2d2::ManageConnection> fmt::Debug for Adapter<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Adapter").field(&self.inner).finish()
    }
}

impl<C> Entry<C> {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl<C> Deref for Entry<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.conn
    }
}

impl<C> DerefMut for Entry<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.conn
    }
}

impl<C: fmt::Debug> fmt::Debug for Entry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.conn.fmt(f)
    }
}
