//! A limit of threads, and one overflow connection for threads that hold theirs.

use std::thread;

use crossbeam_channel::bounded;

use crate::stage::{Result, Stage};

/// Runs on a pool with `max_threads(2)` and `max_overflow(1)`. A place is free when its thread has
/// ended, not when its connection is idle.
pub(crate) fn play(stage: &Stage<'_>) -> Result {
    stage.head("max_threads(2), max_overflow(1)");
    thread::scope(|threads| -> Result {
        let (asked, wait_until_asked) = bounded(3);
        let start = |name: &'static str| {
            let (stay, until_told) = bounded::<()>(0);
            let asked = asked.clone();
            let thread = threads.spawn(move || {
                let _ = asked.send(stage.ask(name));
                let _ = until_told.recv();
            });
            (stay, thread)
        };
        let (stay_j, j) = start("j");
        let (_stay_k, _k) = start("k");
        (0..2).try_for_each(|_| wait_until_asked.recv()?)?;
        stage.now("j and k have asked; they live on", &["j", "k"])?;
        let refused = stage.pool.try_get().err().ok_or("there was a third place")?;
        println!("  main, by try_get: {refused}");

        let (nest, until_nested) = bounded::<()>(0);
        let (nested, wait_until_nested) = bounded(1);
        let l = threads.spawn(move || -> Result {
            let mut conn = stage.pool.get()?; // waits for a thread to end
            nested.send(stage.witness.note("l", &mut conn))?;
            until_nested.recv()?;
            let mut other = stage.pool.get()?; // while it has the first
            nested.send(stage.witness.note("l again", &mut other))?;
            let _ = until_nested.recv();
            Ok(())
        });
        while stage.pool.state().waiting == 0 && !l.is_finished() {
            thread::yield_now(); // nothing signals a waiting thread
        }
        stage.now("l waits, although both are idle", &["j", "k"])?;

        drop(stay_j);
        j.join().expect("it does not panic");
        wait_until_nested.recv()??;
        stage.now("j has ended: l has its place", &["k", "l"])?;
        nest.send(())?;
        wait_until_nested.recv()??;
        stage.now("l holds its connection and asks for another", &["k", "l", "l again"])?;
        drop(nest);
        l.join().expect("it does not panic")?;
        stage.now("l was joined", &["k"])
    })?;
    stage.soon("k was not joined", &[])?;
    stage.reasons();
    Ok(())
}
