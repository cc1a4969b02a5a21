//! `thread-local`: the least that finding a thread's own connection can cost.

use std::cell::RefCell;

use thread_local::ThreadLocal;

use crate::Result;
use crate::backend::synthetic::SyntheticConnection;
use crate::contender::Lend;

/// The bare `thread_local` crate: a value for each thread, created at the thread's first access. It
/// does not check, count or limit anything. A thread's connection stays open when the thread exits.
#[derive(Debug, Default)]
pub struct PerThread {
    conns: ThreadLocal<RefCell<SyntheticConnection>>,
}

impl Lend for PerThread {
    type Connection = SyntheticConnection;

    #[inline]
    fn lend<R>(&self, operation: impl FnOnce(&mut SyntheticConnection) -> R) -> Result<R> {
        let conn = self.conns.get_or_default();
        Ok(operation(&mut conn.borrow_mut()))
    }
}
