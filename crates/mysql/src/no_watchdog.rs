//! Where the system is not a Unix, signals interrupt no reads: there is nothing to watch.

use std::time::Duration;

use mysql::Conn;

pub(crate) struct Lead;

impl Lead {
    pub(crate) fn of(_conn: &Conn, _timeout: Option<Duration>) -> Self {
        Self
    }

    pub(crate) fn begin(&mut self, _limit: Option<Duration>) {}

    pub(crate) fn resume(&mut self) {}

    pub(crate) fn end(&mut self) {}

    pub(crate) fn take_ended(&mut self) -> bool {
        false
    }
}
