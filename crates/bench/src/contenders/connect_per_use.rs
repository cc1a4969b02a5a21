//! `connect-per-use`: no pool; open, use, close.

use crate::Result;
use crate::contender::Lend;
use crate::dial::Dial;

/// Opens a connection for each use and closes it afterwards. Nothing limits how many are open.
pub struct ConnectPerUse<D>(pub D);

impl<D: Dial> Lend for ConnectPerUse<D> {
    type Connection = D::Connection;

    #[inline]
    fn lend<R>(&self, operation: impl FnOnce(&mut D::Connection) -> R) -> Result<R> {
        let mut conn = self.0.dial()?;
        Ok(operation(&mut conn))
    }
}
