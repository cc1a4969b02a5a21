//! rayon's threads, which live as long as their pool.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::stage::{Result, Stage};

// ANCHOR: play
pub(crate) fn play(stage: &Stage<'_>) -> Result {
    stage.head("threads of rayon");
    let workers = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
    let name = || format!("worker {}", rayon::current_thread_index().expect("a worker"));
    workers.broadcast(|_| stage.ask(&name())).into_iter().collect::<Result>()?;
    let both = ["main", "worker 0", "worker 1"];
    stage.now("each worker has asked", &both)?;

    workers.install(|| (0..100).into_par_iter().try_for_each(|_| stage.ask(&name())))?;
    stage.now("a hundred tasks have asked", &both)?;

    drop(workers); // tells its threads to end, and does not wait for it
    stage.soon("rayon's pool was dropped, some time ago", &["main"])
}
// ANCHOR_END: play
