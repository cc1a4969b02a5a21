//! Plays a scene on a pool, and shows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use threadwise::Pool;
use threadwise_systems::Shutdown;
use threadwise_testkit::Ledger;

use crate::picture::{Board, Facts};
use crate::scene::{Numbered, Plan, Scene};
use crate::screen::Show;
use crate::threads::{Actor, Note, What};
use crate::time::{Counted, Time};

/// The time between two pictures.
const FRAME: Duration = Duration::from_millis(40);

/// Runs the scene to its end, then drops the pool. It fails if a thread got no connection.
pub(crate) fn perform(
    scene: Scene,
    pool: Numbered,
    ledger: &Ledger,
    plan: &Plan,
    show: &mut Show,
    shutdown: &Arc<Shutdown>,
) -> Result<(), String> {
    let pool = Arc::new(pool);
    close_at_ctrl_c(&pool, shutdown);
    let time = match plan.virtual_time {
        true => Time::Counted(Counted::default()),
        false => Time::Real(Instant::now(), Arc::clone(shutdown)),
    };
    let title = &scene.title(plan.connections);
    let mut notes = Vec::new();
    thread::scope(|threads| {
        let (sender, heard) = crossbeam_channel::unbounded();
        let start = |thread| {
            let actor = Actor { thread, pool: &pool, plan, time: &time, notes: sender.clone() };
            (thread, threads.spawn(|| actor.act()))
        };
        let alive = (0..plan.threads).map(start).collect();
        let mut stage = Stage { scene, alive, notes: &mut notes, heard, pool: &pool };
        match &time {
            Time::Real(began, _) => stage.watch(|notes| {
                let now = began.elapsed();
                let board = Board { title, threads: plan.threads, notes, now };
                show.live(|width| board.draw(width, plan.expected()));
            }),
            Time::Counted(counted) => stage.conduct(counted, plan.threads),
        }
    });

    drop(pool); // the last handle: closes the idle connections
    let facts = Facts { opened: ledger.opened(), most: ledger.most_open(), left: ledger.open() };
    notes.sort_by_key(|note| note.at); // two threads' notes may have overtaken each other
    let now = notes.last().map_or(Duration::ZERO, |note| note.at);
    let board = Board { title, threads: plan.threads, notes: &notes, now };
    show.done(|width| board.draw_all(width, &facts));

    let gave_up = notes.iter().filter(|note| matches!(note.what, What::GivesUp(_))).count();
    match gave_up {
        1.. if !shutdown.has_begun() => {
            Err(format!("{gave_up} threads were not served; the picture says why"))
        }
        _ => Ok(()),
    }
}

/// Closes the pool at Ctrl-C. Waiters get an error, and the pool closes each connection that a
/// holder returns.
fn close_at_ctrl_c(pool: &Arc<Numbered>, shutdown: &Shutdown) {
    let pool = Arc::downgrade(pool); // not kept alive by this
    shutdown.at_begin(move || {
        if let Some(pool) = pool.upgrade() {
            pool.close();
        }
    });
}

/// The threads of the scene, and their notes.
struct Stage<'s> {
    scene: Scene,
    alive: HashMap<usize, ScopedJoinHandle<'s, ()>>,
    notes: &'s mut Vec<Note>,
    heard: Receiver<Note>,
    pool: &'s Numbered,
}

impl Stage<'_> {
    /// Collects notes and draws, until all threads have ended.
    fn watch(&mut self, mut show: impl FnMut(&[Note])) {
        let mut next = Instant::now();
        while !self.alive.is_empty() {
            if Instant::now() >= next {
                show(self.notes); // also while notes come thick and fast
                next = Instant::now() + FRAME;
            }
            if let Ok(note) = self.heard.recv_deadline(next) {
                self.take(note);
            }
        }
    }

    // ANCHOR: conduct
    /// Lets one thing happen at a time: if no thread can run, it moves the time to the next wakeup.
    fn conduct(&mut self, time: &Counted, threads: usize) {
        while !self.alive.is_empty() {
            // The order matters: a sleeping thread has sent its notes before it sleeps.
            let asleep = time.asleep();
            while let Ok(note) = self.heard.try_recv() {
                self.take(note);
            }
            match self.is_quiet(asleep, threads) {
                true => time.jump(),
                false => thread::sleep(Duration::from_micros(50)), // no signal from waiting threads
            }
        }
    }
    // ANCHOR_END: conduct

    /// Whether no thread can run: each one sleeps, waits in the pool or has ended, the pool's state
    /// agrees, and the pool has no connection for a waiter.
    fn is_quiet(&self, asleep: usize, threads: usize) -> bool {
        let last: HashMap<_, _> = self.notes.iter().map(|note| (note.thread, &note.what)).collect();
        let count = |wanted: fn(&What) -> bool| last.values().filter(|what| wanted(what)).count();
        let asking = count(|what| *what == What::Asks);
        let holding = count(|what| matches!(what, What::Holds(_)));
        let resting = count(|what| *what == What::Returns);
        let ended = threads - self.alive.len();
        let state = self.pool.state();
        let taken = if self.scene.is_per_thread() { holding + resting } else { holding };
        asleep + asking + ended == threads
            && (state.waiting, state.borrowed, state.connecting) == (asking, holding, 0)
            && (asking == 0 || Some(taken) == state.max_size)
    }

    fn take(&mut self, note: Note) {
        if note.what == What::Ends {
            let thread = self.alive.remove(&note.thread).expect("a thread ends once");
            // Only a `join` waits until a thread has closed its own connection.
            let _ = thread.join(); // a panic has printed its message
        }
        self.notes.push(note);
    }
}
