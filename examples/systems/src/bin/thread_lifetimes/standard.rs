//! Threads of the standard library, which are joined.

use std::thread;

use crossbeam_channel::bounded;

use crate::stage::{Result, Stage};

pub(crate) fn play(stage: &Stage<'_>) -> Result {
    stage.head("threads that are joined");
    stage.ask("main")?;
    stage.now("main has asked, and given back", &["main"])?;

    thread::scope(|threads| -> Result {
        let (asked, wait_until_asked) = bounded(3);
        let (stay, until_told) = bounded::<()>(0); // the threads end when `stay` is dropped
        let start = |name: &'static str| {
            let (asked, until_told) = (asked.clone(), until_told.clone());
            threads.spawn(move || {
                let _ = asked.send(stage.ask(name));
                let _ = until_told.recv();
                (0..10).try_for_each(|_| stage.ask(name))
            })
        };
        let alive = ["a", "b", "c"].map(start);
        (0..3).try_for_each(|_| wait_until_asked.recv()?)?;
        stage.now("a, b and c have asked; they live on", &["a", "b", "c", "main"])?;

        drop(stay);
        alive.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))?;
        stage.now("each has asked ten times more, and is joined", &["main"])
    })?;

    let held = stage.pool.get()?;
    let again = stage.pool.get().err().ok_or("a thread was lent two connections")?;
    println!("  main, while it has its connection: {again}");
    drop(held);
    Ok(())
}
