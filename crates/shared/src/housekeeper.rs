//! The thread that looks after idle connections, so that borrowers need not: it marks those that
//! have been idle for long, so that a `get` reads no clock, and has others opened when fewer than
//! `min_idle` are idle, so that a `get` counts nothing.
//!
//! It sweeps the slots now and then. A connection that it finds idle and unused since an earlier
//! sweep has been idle for at least the time between the two. When there is nothing left to mark
//! it sleeps, until a connection is opened or a marked one is lent.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{ManageConnection, Validation};

use crate::pool::Core;
use crate::slot::{Seen, Slot};

/// How many times a connection is seen during the time after which it counts as idle for long: it
/// is marked at the latest when it has been idle for a quarter longer.
const SWEEPS: u32 = 4;

/// How often it is seen to that enough connections are idle.
const FLOOR: Duration = Duration::from_millis(50);

/// What earlier sweeps saw of a slot.
#[derive(Clone, Copy, Default)]
struct Memory {
    uses: u64,
    /// Since when it has been seen idle without having been used.
    since: Option<Instant>,
}

impl<M: ManageConnection> Core<M> {
    /// Starts the housekeeper if the settings give it something to do.
    pub(crate) fn start_housekeeper(&self) -> io::Result<()> {
        let limit = match self.keeper.validation() {
            Validation::IdleLongerThan(limit) => Some(limit),
            _ => None,
        };
        let mut line = self.exchange.line.lock();
        if limit.is_none() && line.limits.min_idle == 0 {
            return Ok(());
        }
        let Some(core) = self.me.upgrade() else { return Ok(()) };
        line.threads += 1;
        drop(line);
        let keep = thread::Builder::new().name("threadwise-keep".into());
        match keep.spawn(move || core.keep_house(limit)) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.end_thread();
                Err(error)
            }
        }
    }

    fn keep_house(&self, limit: Option<Duration>) {
        let mut memory = Vec::new();
        loop {
            let mut pause = None;
            if let Some(limit) = limit
                && self.sweep(&mut memory, limit, Instant::now())
            {
                pause = Some((limit / SWEEPS).max(Duration::from_millis(1)));
            }
            let line = self.exchange.line.lock();
            if line.closed {
                break;
            }
            if line.limits.min_idle > 0 {
                pause = Some(pause.map_or(FLOOR, |pause| pause.min(FLOOR)));
                self.meet_demand(line);
            } else {
                drop(line);
            }
            let line = self.exchange.line.lock();
            // What came since the sweep has found nobody asleep to tell.
            if pause.is_none() && limit.is_some() && self.has_unmarked() {
                continue;
            }
            if !line.closed {
                drop(self.chore.wait_until(line, pause.map(|pause| Instant::now() + pause)));
            }
        }
        self.end_thread();
    }

    fn has_unmarked(&self) -> bool {
        self.exchange.slots.iter().any(|slot| slot.seen().is_unmarked())
    }

    /// Marks what has been idle for long. Whether there is anything to come back for.
    fn sweep(&self, memory: &mut Vec<Memory>, limit: Duration, now: Instant) -> bool {
        let mut busy = false;
        for (index, slot) in self.exchange.slots.iter().enumerate() {
            if memory.len() <= index {
                memory.push(Memory::default());
            }
            busy |= look_at(slot, &mut memory[index], limit, now);
        }
        busy
    }
}

/// Whether the slot has a connection that is not marked yet.
fn look_at<T>(slot: &Slot<T>, memory: &mut Memory, limit: Duration, now: Instant) -> bool {
    let uses = slot.uses();
    match slot.seen() {
        seen if !seen.is_unmarked() => return false,
        Seen::Idle { stale: false } if memory.uses == uses => {
            let since = *memory.since.get_or_insert(now);
            if now.saturating_duration_since(since) > limit {
                memory.since = None;
                return !slot.mark_stale();
            }
        }
        // In use, or used since: its time begins with the next sweep that finds it idle.
        _ => *memory = Memory { uses, since: None },
    }
    true
}
