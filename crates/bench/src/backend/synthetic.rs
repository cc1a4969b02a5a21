//! `synthetic`: connections that do nothing, so that only the pool takes time.

use std::convert::Infallible;
use std::hint::black_box;

use threadwise_core::ManageConnection;

use crate::dial::Dial;
use crate::{Queries, Result};

/// A connection without a server. It counts its queries, so that a use touches its memory, as with
/// a real connection. A connection that another processor used last is slower, and choosing such a
/// connection is a property of the pool.
#[derive(Debug, Default)]
pub struct SyntheticConnection {
    queries: u64,
}

impl Queries for SyntheticConnection {
    const REAL: bool = false;

    #[inline]
    fn point_select(&mut self, _: u32) -> Result<()> {
        self.queries = black_box(self.queries) + 1;
        Ok(())
    }
}

/// Opens synthetic connections. They always work, and checks and resets cost nothing.
#[derive(Clone, Copy, Debug)]
pub struct SyntheticManager;

impl ManageConnection for SyntheticManager {
    type Connection = SyntheticConnection;
    type Error = Infallible;

    fn connect(&self) -> Result<SyntheticConnection, Infallible> {
        Ok(SyntheticConnection::default())
    }

    #[inline]
    fn is_valid(&self, _: &mut SyntheticConnection) -> Result<(), Infallible> {
        Ok(())
    }

    #[inline]
    fn has_broken(&self, _: &mut SyntheticConnection) -> bool {
        false
    }
}

impl Dial for SyntheticManager {
    type Connection = SyntheticConnection;

    #[inline]
    fn dial(&self) -> Result<SyntheticConnection> {
        Ok(SyntheticConnection::default())
    }
}
