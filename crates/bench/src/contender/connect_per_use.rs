//! `connect-per-use`: no pool; open, use, close.

use super::{Contender, Dial, Worker};
use crate::Failure;

/// Opens a connection for each use and closes it afterwards. Nothing limits how many are open.
#[derive(Debug)]
pub struct ConnectPerUse<D>(pub D);

impl<D: Dial> Contender for ConnectPerUse<D> {
    type Connection = D::Connection;
    type Worker<'c> = &'c Self;

    fn worker(&self) -> Result<&Self, Failure> {
        Ok(self)
    }
}

impl<D: Dial> Worker for &ConnectPerUse<D> {
    type Connection = D::Connection;

    #[inline]
    fn with_conn<R>(
        &mut self,
        operation: impl FnOnce(&mut D::Connection) -> R,
    ) -> Result<R, Failure> {
        let mut conn = self.0.dial()?;
        Ok(operation(&mut conn))
    }
}
