//! Threads that are never joined, and the end of the pool.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::bounded;

use crate::stage::{Result, Stage};

/// Starts threads that are never joined. Such a thread keeps its connection for as long as it
/// lives, and its handle keeps the pool alive. `close` closes that connection: at once, or, if the
/// thread is using it, when the thread returns it.
pub(crate) fn play(stage: &Stage<'_>) -> Result {
    stage.head("threads that are left alone, and close()");
    let (told, wait) = bounded(2);
    let (stay, until_closed) = bounded::<()>(0);

    let (pool, witness) = (stage.pool.clone(), Arc::clone(stage.witness));
    let (tell, until) = (told.clone(), until_closed.clone());
    thread::spawn(move || -> Result {
        witness.note("h", &mut *pool.get()?)?; // and given back
        tell.send("h lives on".to_owned())?;
        let _ = until.recv();
        let refused = pool
            .get()
            .err()
            .map_or("was served".to_owned(), |error| threadwise::chain(&error).to_string());
        Ok(tell.send(format!("h asks again: {refused}"))?)
    });

    let (pool, witness) = (stage.pool.clone(), Arc::clone(stage.witness));
    thread::spawn(move || -> Result {
        let mut conn = pool.get()?;
        witness.note("i", &mut conn)?;
        told.send("i is using its connection".to_owned())?;
        let _ = until_closed.recv();
        let answer = conn.query("SELECT 6 * 7", &[])?[0].integer(0)?;
        drop(conn);
        Ok(told.send(format!("i has its answer: {answer}"))?)
    });

    (0..2).try_for_each(|_| wait.recv().map(drop))?; // an error if one of them has failed
    stage.now("h lives on, i is using its connection", &["h", "i", "main"])?;
    stage.pool.close();
    stage.now("pool.close()", &["i"])?;

    drop(stay);
    let mut last = [wait.recv()?, wait.recv()?];
    last.sort_unstable();
    println!("  {}", last.join("; "));
    stage.now("i has given it back", &[])?;
    stage.reasons();
    Ok(())
}
