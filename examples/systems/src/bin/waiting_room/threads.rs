//! The work of each thread, and its notes about it.

use std::time::Duration;

use crossbeam_channel::Sender;
use threadwise::Pool;
use threadwise_systems::Connection;

use crate::scene::{Numbered, Plan};
use crate::time::Time;

/// Something that a thread did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The time since the scene began.
    pub(crate) at: Duration,
    /// The thread's number, from 0.
    pub(crate) thread: usize,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It calls `get`.
    Asks,
    /// It has the connection with this number.
    Holds(usize),
    /// It returns its connection.
    Returns,
    /// It got no connection, or no answer, for this reason.
    GivesUp(String),
    /// It panicked while it held a connection.
    Panics,
    /// It ends.
    Ends,
}

impl Note {
    /// Whether another thread may get a connection now.
    pub(crate) fn frees(&self) -> bool {
        matches!(self.what, What::Returns | What::Panics | What::Ends)
    }
}

/// The values that a thread of the scene needs.
pub(crate) struct Actor<'s> {
    pub(crate) thread: usize,
    pub(crate) pool: &'s Numbered,
    pub(crate) plan: &'s Plan,
    pub(crate) time: &'s Time,
    pub(crate) notes: Sender<Note>,
}

impl Actor<'_> {
    // ANCHOR: act
    /// Starts, asks for a connection, holds it, returns it, and lives on for a while.
    pub(crate) fn act(self) {
        let _life = Life(&self);
        self.pass(self.plan.gap() * self.thread as u32);
        if self.time.is_over() {
            return;
        }
        self.note(What::Asks);
        let mut conn = match self.pool.get() {
            Ok(conn) => conn,
            Err(error) => return self.note(What::GivesUp(threadwise::chain(&error).to_string())),
        };
        self.note(What::Holds(conn.id() as usize - 1));
        if let Err(error) = ask(&mut conn) {
            return self.note(What::GivesUp(threadwise::chain(&error).to_string()));
        }
        self.pass(self.plan.hold);
        assert!(self.plan.panics != Some(self.thread + 1), "as planned");
        self.note(What::Returns); // before it is true, so that no picture shows two holders
        drop(conn);
        self.pass(self.plan.rest());
    }
    // ANCHOR_END: act

    fn pass(&self, span: Duration) {
        self.time.pass(self.thread, span);
    }

    fn note(&self, what: What) {
        let note = Note { at: self.time.now(), thread: self.thread, what };
        let _ = self.notes.send(note); // fails if the scene itself has failed
    }
}

/// Asks the database, to show that the connection works.
fn ask(conn: &mut Connection) -> Result<(), threadwise_systems::Error> {
    let rows = conn.query("SELECT 6 * 7", &[])?;
    assert_eq!(rows[0].integer(0)?, 42);
    Ok(())
}

/// Notes the end of a thread, also after a panic. The thread drops it last.
struct Life<'a, 's>(&'a Actor<'s>);

impl Drop for Life<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.note(What::Panics);
        }
        self.0.note(What::Ends);
    }
}
