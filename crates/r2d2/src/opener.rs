//! What opening a connection needs, apart from the rest: a thread of its own may do it.

use std::sync::Arc;

use r2d2::CustomizeConnection;

use crate::error::{Error, Meaning};

type About<E> = Arc<dyn Fn(&E) -> bool + Send + Sync>;
type Customizer<M> = Arc<
    dyn CustomizeConnection<
            <M as r2d2::ManageConnection>::Connection,
            <M as r2d2::ManageConnection>::Error,
        >,
>;

/// An r2d2 manager, what customizes its connections, and what its errors mean. A clone shares them.
pub(crate) struct Opener<M: r2d2::ManageConnection> {
    pub(crate) manager: Arc<M>,
    pub(crate) customizer: Option<Customizer<M>>,
    pub(crate) is_lost: Option<About<M::Error>>,
    pub(crate) is_permanent: Option<About<M::Error>>,
}

impl<M: r2d2::ManageConnection> Opener<M> {
    pub(crate) fn new(manager: M) -> Self {
        Self { manager: Arc::new(manager), customizer: None, is_lost: None, is_permanent: None }
    }

    /// Opens a connection and customizes it.
    pub(crate) fn open(&self) -> Result<M::Connection, M::Error> {
        let mut conn = self.manager.connect()?;
        self.customize(&mut conn)?;
        Ok(conn)
    }

    pub(crate) fn customize(&self, conn: &mut M::Connection) -> Result<(), M::Error> {
        match &self.customizer {
            Some(customizer) => customizer.on_acquire(conn),
            None => Ok(()),
        }
    }

    /// Gives a connection up.
    pub(crate) fn release(&self, conn: M::Connection) {
        match &self.customizer {
            Some(customizer) => customizer.on_release(conn),
            None => drop(conn),
        }
    }

    /// What the pools keep of an error.
    pub(crate) fn keep(&self, error: &M::Error) -> Error {
        let says = |about: &Option<About<M::Error>>| about.as_ref().is_some_and(|is| is(error));
        let meaning = Meaning {
            is_lost: says(&self.is_lost),
            is_permanent: says(&self.is_permanent),
            is_shortage: threadwise_core::is_shortage(error),
        };
        Error::new(error, meaning)
    }
}

// By hand, because a derived one would require `M: Clone`.
impl<M: r2d2::ManageConnection> Clone for Opener<M> {
    fn clone(&self) -> Self {
        Self {
            manager: Arc::clone(&self.manager),
            customizer: self.customizer.clone(),
            is_lost: self.is_lost.clone(),
            is_permanent: self.is_permanent.clone(),
        }
    }
}
