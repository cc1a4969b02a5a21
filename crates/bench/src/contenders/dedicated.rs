//! `dedicated`: no pool; each thread opens a connection and keeps it in a local variable.

use crate::Result;
use crate::contender::{Contender, Worker};
use crate::dial::Dial;

/// One connection for each thread, in a local variable: this shows what the work alone costs.
pub struct Dedicated<D>(pub D);

impl<D: Dial> Contender for Dedicated<D> {
    type Connection = D::Connection;
    type Worker<'c> = DedicatedWorker<D::Connection>;

    fn worker(&self) -> Result<DedicatedWorker<D::Connection>> {
        self.0.dial().map(DedicatedWorker)
    }
}

/// A thread's connection.
pub struct DedicatedWorker<C>(C);

impl<C> Worker for DedicatedWorker<C> {
    type Connection = C;

    #[inline]
    fn with_conn<R>(&mut self, operation: impl FnOnce(&mut C) -> R) -> Result<R> {
        Ok(operation(&mut self.0))
    }
}
