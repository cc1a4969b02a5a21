//! Notices a `get` that blocks a thread of an async runtime.
//!
//! Such a `get` compiles, and stops all tasks of that thread. If those tasks hold the connections,
//! it waits until its deadline. A pool cannot prevent this, but reports it in builds with debug
//! assertions. `docs/async.md` says what to do instead.

use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use crate::Report;
use crate::parts::Observer;
use crate::parts::fork;

/// How the names of the runtimes' threads begin. With other names the check notices nothing.
const WORKERS: &[&str] =
    &["tokio-rt-worker", "tokio-runtime-worker", "async-std/runtime", "smol-", "actix-rt"];

/// How often a pool takes a backtrace, at most. A runtime's threads for blocking work have the same
/// names, and a backtrace takes part of a millisecond (the first one of a process about 100 ms).
const LOOKS: u32 = 8;

/// The check of one pool; for writers of pools.
#[derive(Debug, Default)]
pub struct RuntimeCheck {
    /// How many backtraces it has taken. Relaxed: one more or less does no harm.
    looks: AtomicU32,
}

impl RuntimeCheck {
    /// Checks this thread, on which a `get` is about to wait. The caller must hold no lock.
    ///
    /// Reports [`Report::BlocksRuntime`] once for each pool. Does nothing in a build without debug
    /// assertions; with them, it reads the thread's name.
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
        // The standard library takes a lock for this. A child forked meanwhile could never take it.
        let calls = fork::hold_off(|| Backtrace::force_capture().to_string());
        if !polls_a_task(&calls) {
            return;
        }
        if self.looks.swap(LOOKS, Relaxed) < LOOKS {
            let pool = pool.unwrap_or("(unnamed)");
            observer.emit(|events| events.report(&Report::BlocksRuntime { pool, thread }));
        }
    }
}

fn is_worker(thread: &str) -> bool {
    WORKERS.iter().any(|name| thread.starts_with(name))
}

/// Whether the innermost call of a runtime polls a task, rather than runs work that may block.
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
    fn a_runtimes_thread_is_recognized_by_its_name() {
        assert!(is_worker("tokio-rt-worker") && is_worker("smol-3"));
        assert!(!is_worker("main") && !is_worker("worker") && !is_worker("my-tokio-rt-worker"));
    }

    #[test]
    fn the_innermost_call_tells_blocking_work_from_a_task() {
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
    fn a_thread_of_no_runtime_costs_no_backtrace() {
        let check = RuntimeCheck::default();
        check.about_to_wait(&Observer::default(), None);
        assert_eq!(check.looks.load(Relaxed), 0);
    }
}
