//! The end of a scope, which is not the end of its threads.

use std::cell::RefCell;
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use crate::stage::{Result, Stage};

thread_local! {
    /// Two values of a thread. The thread makes one before its connection and one after it. So it
    /// destroys one of them before it closes the connection, whatever the order is.
    static EARLIER: RefCell<Slow> = const { RefCell::new(Slow(None)) };
    static LATER: RefCell<Slow> = const { RefCell::new(Slow(None)) };
}

/// A value whose destructor waits for a message.
struct Slow(Option<Receiver<()>>);

impl Drop for Slow {
    fn drop(&mut self) {
        if let Some(until_told) = &self.0 {
            let _ = until_told.recv();
        }
    }
}

pub(crate) fn play(stage: &Stage<'_>) -> Result {
    stage.head("threads of a scope");
    not_joined(stage)?;
    joined(stage)
}

// ANCHOR: not_joined
/// A scope ends when the closures of its threads have returned. After that a thread may take
/// longer, for example to close its connection.
fn not_joined(stage: &Stage<'_>) -> Result {
    let (hurry, until_told) = bounded(0);
    let asked = thread::scope(|threads| {
        let (asked, wait_until_asked) = bounded(1);
        threads.spawn(move || {
            EARLIER.set(Slow(Some(until_told.clone())));
            let _ = asked.send(stage.ask("d"));
            LATER.set(Slow(Some(until_told)));
        });
        wait_until_asked.recv()
    });
    asked??;
    stage.now("the scope has ended, and d is slow to end", &["d", "main"])?;
    drop::<crossbeam_channel::Sender<()>>(hurry);
    stage.soon("d has ended, some time later", &["main"])
}
// ANCHOR_END: not_joined

/// A `join` waits until the thread has closed its connection.
fn joined(stage: &Stage<'_>) -> Result {
    thread::scope(|threads| {
        let thread = threads.spawn(|| stage.ask("e"));
        thread.join().expect("it does not panic")
    })?;
    stage.now("e was joined within its scope", &["main"])
}
