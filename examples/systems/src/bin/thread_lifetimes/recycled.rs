//! A new thread with the handle of a dead one.

use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::bounded;

use crate::stage::{Result, Stage};

/// How many threads to start at most, to get one with the handle of a dead thread.
const TRIES: usize = 100;

/// The system gives the handle of a dead thread, and its memory, to a new thread. If a table used
/// handles as keys, the new thread would find the dead one's values. The pool gives each thread a
/// number that no other thread ever gets.
pub(crate) fn play(stage: &Stage<'_>) -> Result {
    stage.head("a thread with a dead one's handle");
    let ask = |name| {
        let (pool, witness) = (stage.pool.clone(), Arc::clone(stage.witness));
        move || witness.note(name, &mut *pool.get()?)
    };
    let first = thread::spawn(ask("f"));
    let handle = first.as_pthread_t();
    first.join().expect("it does not panic")?;
    stage.now("f was joined", &["main"])?;

    // Threads with another handle stay alive, so that the system does not reuse theirs next.
    let mut others = Vec::new();
    for _ in 0..TRIES {
        let (go, wait_for_go) = bounded::<()>(0);
        let (asked, wait_until_asked) = bounded(1);
        let ask = ask("g");
        let thread = thread::spawn(move || {
            if wait_for_go.recv().is_ok() {
                let _ = asked.send(ask());
                let _ = wait_for_go.recv();
            }
        });
        if thread.as_pthread_t() == handle {
            go.send(())?;
            wait_until_asked.recv()??;
            stage.now("g has f's handle, and a connection of its own", &["g", "main"])?;
            drop(go);
            thread.join().expect("it does not panic");
            return stage.now("g was joined", &["main"]);
        }
        others.push(go);
    }
    println!("  the system gave f's handle to none of {TRIES} threads");
    Ok(())
}
