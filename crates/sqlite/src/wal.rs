//! The switch of a database file to the write-ahead log.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Error};
use threadwise_core::parts::sync::{Condvar, Mutex};

use crate::busy::Busy;
use crate::error;
use crate::manager::touch;

/// Makes the connections of one manager set up and switch the file one at a time.
///
/// Two connections that switch at once can get "database is locked" in spite of a busy timeout:
/// each holds a lock that the other needs, so SQLite does not let them wait. The same happens to a
/// connection that switches beside one that creates tables. What must precede the switch, such as
/// the page size, is done by the first connection: the program's own function runs on its thread.
#[derive(Default)]
pub(crate) struct WalSwitch {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Default)]
struct State {
    taken: bool,
    /// Whether a connection has found the file in write-ahead-log mode, or switched it.
    was_done: bool,
}

impl WalSwitch {
    /// Waits for its turn until `deadline`, unless the file seems to be in the mode already. The
    /// lock itself is not held while the file is worked on.
    pub(crate) fn take_turn_if_new(
        &self,
        is_new: impl Fn() -> bool,
        deadline: Instant,
    ) -> Result<Option<Turn<'_>>, Error> {
        if self.was_done() && !is_new() {
            return Ok(None);
        }
        let turn = self.take_turn(deadline)?;
        let is_needed = !self.was_done() || is_new();
        Ok(is_needed.then_some(turn))
    }

    fn was_done(&self) -> bool {
        self.state.lock().was_done
    }

    /// Makes sure that the file is in write-ahead-log mode. Without a `turn` it waits for one until
    /// `deadline`.
    ///
    /// It asks the file, and does not rely on an earlier success: the file may have been replaced
    /// since.
    pub(crate) fn ensure(
        &self,
        conn: &Connection,
        busy: Busy,
        turn: Option<Turn<'_>>,
        deadline: Instant,
    ) -> Result<(), Error> {
        if !is_wal(&mode(conn)?) {
            let _turn = match turn {
                Some(turn) => turn,
                None => self.take_turn(deadline)?,
            };
            switch(conn, busy, deadline)?;
            touch(conn)?; // only a read opens the log
        }
        self.state.lock().was_done = true;
        Ok(())
    }

    fn take_turn(&self, deadline: Instant) -> Result<Turn<'_>, Error> {
        let mut state = self.state.lock();
        while state.taken {
            if Instant::now() >= deadline {
                return Err(error::wal_turn_missed());
            }
            state = self.free.wait_until(state, Some(deadline));
        }
        state.taken = true;
        Ok(Turn(self))
    }
}

/// The right to set up the file. It ends when it is dropped, whether the set-up worked or not.
pub(crate) struct Turn<'a>(&'a WalSwitch);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.lock().taken = false;
        self.0.free.notify_one();
    }
}

/// Switches the mode, also on a connection that is set to change nothing (`query_only`).
fn switch(conn: &Connection, busy: Busy, deadline: Instant) -> Result<(), Error> {
    let is_query_only = conn.pragma_query_value(None, "query_only", |row| row.get::<_, bool>(0))?;
    if !is_query_only {
        return keep_switching(conn, busy, deadline);
    }
    conn.pragma_update(None, "query_only", false)?;
    let outcome = keep_switching(conn, busy, deadline);
    conn.pragma_update(None, "query_only", true)?;
    outcome
}

/// Switches the mode, and retries while another process is in the way. Does nothing to a file that
/// was switched meanwhile.
fn keep_switching(conn: &Connection, busy: Busy, deadline: Instant) -> Result<(), Error> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Busy::Timeout(_) = busy {
            conn.busy_timeout(deadline.saturating_duration_since(Instant::now()))?;
        }
        let outcome = conn
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
        match outcome {
            Ok(mode) if is_wal(&mode) => return Ok(()),
            Ok(mode) => return Err(error::no_wal(&mode)),
            Err(error) if error::is_busy(&error) && Instant::now() < deadline => {
                thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            Err(error) => return Err(error),
        }
    }
}

fn mode(conn: &Connection) -> Result<String, Error> {
    conn.pragma_query_value(None, "journal_mode", |row| row.get(0))
}

fn is_wal(mode: &str) -> bool {
    mode.eq_ignore_ascii_case("wal")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(5)
    }

    #[test]
    fn one_thread_at_a_time_has_the_turn() {
        let switch = WalSwitch::default();
        let inside = AtomicU32::new(0);
        let deadline = Instant::now() + Duration::from_secs(60);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _turn = switch.take_turn(deadline).expect("the others are quick");
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
    }

    #[test]
    fn a_wait_for_a_turn_ends_at_its_deadline() {
        let switch = WalSwitch::default();
        let turn = switch.take_turn(soon()).expect("no other thread has it");
        let missed = switch.take_turn(soon()).map(drop).expect_err("it is taken");
        assert!(error::is_busy(&missed), "{missed}");
        drop(turn);
        switch.take_turn(soon()).map(drop).expect("it is free again");
    }
}
