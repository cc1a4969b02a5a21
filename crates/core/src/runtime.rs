//! Notices a `get` that waits on a thread on which an async runtime polls its tasks.
//!
//! Such a `get` compiles, and stops all tasks of that thread; when the tasks that hold the
//! connections are among them, forever. A pool cannot prevent it, but in a build with debug
//! assertions it can say so. `docs/async.md` has what to do instead.

use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use crate::{Observer, Report, fork};

/// How the runtimes call their threads. A program may give them other names; then nothing is noticed.
const WORKERS: &[&str] =
    &["tokio-rt-worker", "tokio-runtime-worker", "async-std/runtime", "smol-", "actix-rt"];

/// How often a pool looks, at most: the threads on which a runtime runs work that blocks have the same
/// names, and a look takes a part of a millisecond (the first of a process some 100 ms).
const LOOKS: u32 = 8;

/// Notices it for one pool; a part of the pool.
#[derive(Debug, Default)]
pub struct RuntimeCheck {
    /// How often it has looked. Relaxed: one look more or less does no harm.
    looks: AtomicU32,
}

impl RuntimeCheck {
    /// A `get` is about to wait, on this thread. Must be called without a lock.
    ///
    /// Reports [`Report::BlocksRuntime`] once for each pool. Does nothing in a build without debug
    /// assertions, and costs the name of the thread in others.
    #[inline]
    pub fn about_to_wait(&self, observer: &Observer, pool: Option<&str>) {
        if cfg!(debug_assertions) {
            self.look(observer, pool);
        }
    }

    #[cold]
    fn look(&self, observer: &Observer, pool: Option<&str>) {
        if self.looks.load(Relaxed) >= LOOKS {
            return;
        }
        let this = thread::current();
        let Some(thread) = this.name().filter(|name| is_worker(name)) else { return };
        if self.looks.fetch_add(1, Relaxed) >= LOOKS {
            return;
        }
        // The standard library takes a lock for this, which a forked child must not find taken.
        let calls = fork::hold_off(|| Backtrace::force_capture().to_string());
        if !polls_a_task(&calls) {
            return;
        }
        if self.looks.swap(LOOKS, Relaxed) < LOOKS {
            let pool = pool.unwrap_or("(without a name)");
            observer.emit(|events| events.report(&Report::BlocksRuntime { pool, thread }));
        }
    }
}

fn is_worker(thread: &str) -> bool {
    WORKERS.iter().any(|name| thread.starts_with(name))
}

/// Whether the innermost call of a runtime's is one that polls a task, and not one that may block.
fn polls_a_task(calls: &str) -> bool {
    const MAY_BLOCK: &[&str] =
        &["::block_in_place", "tokio::runtime::blocking::pool", "blocking::Executor"];
    const POLLS: &[&str] =
        &["tokio::runtime::scheduler::", "async_executor::", "futures_executor::"];
    let names = calls.lines().filter_map(|line| line.split_once(": ")).map(|(_, name)| name);
    for name in names {
        if MAY_BLOCK.iter().any(|part| name.contains(part)) {
            return false;
        }
        if POLLS.iter().any(|part| name.contains(part)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_of_a_runtime_is_known_by_its_name() {
        assert!(is_worker("tokio-rt-worker") && is_worker("smol-3"));
        assert!(!is_worker("main") && !is_worker("worker") && !is_worker("my-tokio-rt-worker"));
    }

    #[test]
    fn work_that_may_block_is_told_from_a_task_by_the_innermost_call() {
        let worker = "
  16: tokio::runtime::task::LocalNotified<S>::run
  17: tokio::runtime::scheduler::multi_thread::worker::Context::run_task
             at /somewhere/tokio/src/runtime/scheduler/multi_thread/worker.rs:1:1
  48: tokio::runtime::blocking::pool::Task::run";
        assert!(polls_a_task(worker));
        let in_place = format!("   5: tokio::task::blocking::block_in_place{worker}");
        assert!(!polls_a_task(&in_place));
        assert!(!polls_a_task("  18: tokio::runtime::blocking::pool::Task::run"));
        assert!(!polls_a_task("   0: main"));
    }

    #[test]
    fn a_thread_that_belongs_to_no_runtime_is_not_looked_at() {
        let check = RuntimeCheck::default();
        check.about_to_wait(&Observer::default(), None);
        assert_eq!(check.looks.load(Relaxed), 0);
    }
}
