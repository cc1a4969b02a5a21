//! A watchdog that does nothing, for systems other than Unix: there, signals interrupt no reads.

use std::time::Duration;

use mysql::Conn;

pub(crate) struct WatchHandle;

impl WatchHandle {
    pub(crate) fn of(_conn: &Conn, _timeout: Option<Duration>) -> Self {
        Self
    }

    pub(crate) fn follow(&mut self, _conn: &Conn) -> bool {
        false
    }

    pub(crate) fn begin(&mut self, _limit: Option<Duration>) {}

    pub(crate) fn begin_next(&mut self) {}

    pub(crate) fn end(&mut self) {}

    pub(crate) fn take_shut_down(&mut self) -> bool {
        false
    }
}
