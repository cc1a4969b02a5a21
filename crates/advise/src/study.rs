//! Which setups are measured, in which order, and for how long.
//!
//! There are three stages, and a fourth one for a fleet:
//!
//! * The sweep: `SharedPool` with 1, 2, 4 … connections.
//! * Around the knee: sizes between the powers of two.
//! * The proof: the size to advise, once more, beside the other pools. All predictions come from
//!   this stage alone, because the best of many noisy figures is too good.
//! * For a fleet: what the server does with more connections than one process has.
//!
//! In each stage the setups take turns, and each round begins with the next setup.

use std::time::Duration;

use threadwise::PoolKind;
use threadwise_bench::{Failure, Result};

use crate::address::Database;
use crate::explore;
use crate::fleet::plan::doubled_to;
use crate::knee::{self, Knee};
use crate::point::Point;
use crate::question::Question;
use crate::turn::{self, Load, Setup};
use crate::watch::Watch;

/// How often each setup has its turn in a stage.
pub(crate) const ROUNDS: usize = 5;
/// Fractions of the given time.
const SWEEP: f64 = 0.5;
const AROUND: f64 = 0.2;
const PROOF: f64 = 0.3;
/// In addition to the given time; only a fleet needs it.
const CAPACITY: f64 = 0.4;
/// The fraction of a turn for the warmup.
const WARM_UP: f64 = 0.3;
/// A turn is at least this long, and long enough for this many queries.
const LEAST: Duration = Duration::from_millis(30);
const LEAST_QUERIES: f64 = 4.0;
/// No larger size is measured: no knee of one process is beyond, because servers do not have more
/// processors than this.
pub(crate) const MOST_SIZE: usize = 512;
/// How many sizes are measured between two sizes of the sweep, at most.
const BETWEEN: usize = 3;

/// What the stages measure, and for how long.
pub(crate) struct Study<'s> {
    pub(crate) question: &'s Question,
    pub(crate) database: &'s Database,
    /// How long the query takes alone.
    pub(crate) alone: Duration,
    /// What is told meanwhile.
    pub(crate) watch: &'s mut dyn Watch,
    /// Why the database does not answer any more. Then no further turn begins.
    pub(crate) lost: Option<Failure>,
}

impl Study<'_> {
    /// Measures `SharedPool` with 1, 2, 4 … connections below `most`, and with `most`.
    pub(crate) fn sweep(&mut self, most: usize) -> Vec<Point> {
        let sizes = doubled_to(most.min(MOST_SIZE));
        self.stage(self.as_asked(sizes.map(shared)), SWEEP)
    }

    /// Measures the sizes between the knee and the power of two below it, together with those from
    /// the knee to the best, which may turn out better. Measures nothing if no size is in between.
    pub(crate) fn around(&mut self, sweep: &[Point], knee: &Knee) -> Vec<Point> {
        let below = (1..knee.size).rev().find(|size| size.is_power_of_two()).unwrap_or(0);
        let between = between(below, knee.size);
        if between.is_empty() {
            return Vec::new();
        }
        let again = sweep.iter().map(|point| point.setup.size);
        let again = again.filter(|size| (knee.size..=knee.best.max(knee.size)).contains(size));
        let sizes = between.into_iter().chain(again);
        self.stage(self.as_asked(sizes.map(shared)), AROUND)
    }

    /// Measures the setup to advise, beside the other pools.
    pub(crate) fn proof(&mut self, setups: Vec<Setup>) -> Vec<Point> {
        self.stage(self.as_asked(setups.into_iter()), PROOF)
    }

    /// Measures what the server does with 1, 2, 4 … busy connections, up to `most`. The threads are
    /// never idle, so that the server is the limit and not their demand. There are as many threads
    /// as connections. If the threads of the advised pool wait, there are twice as many, so that
    /// the figures include handoffs only if the advised pool has them.
    pub(crate) fn capacity(&mut self, advised: &Point, most: usize) -> Vec<Point> {
        let sizes = doubled_to(most.min(MOST_SIZE));
        self.stage(sizes.map(|size| busy(size, advised)).collect(), CAPACITY)
    }

    /// One turn of that stage once more.
    pub(crate) fn capacity_turn(
        &mut self,
        size: usize,
        advised: &Point,
        load: Load,
    ) -> Result<turn::Turn> {
        let Work { setup, threads, think } = busy(size, advised);
        self.turn(setup, Load { threads, think, ..load })
    }

    /// These setups with the threads and the idle time of the question.
    fn as_asked(&self, setups: impl Iterator<Item = Setup>) -> Vec<Work> {
        setups
            .map(|setup| Work { setup, threads: self.question.threads, think: self.question.think })
            .collect()
    }

    /// Gives each of these its turns. If the database stops answering, the turns so far remain.
    fn stage(&mut self, works: Vec<Work>, share: f64) -> Vec<Point> {
        if self.lost.is_some() {
            return Vec::new();
        }
        let turns = works.len() * ROUNDS;
        let load = self.load(self.question.time.mul_f64(share / turns as f64));
        self.watch.begin(turns, (load.warm_up + load.window).mul_f64(turns as f64));
        let point = |work: &Work| {
            let point = Point::new(work.setup);
            if work.think.is_zero() { point } else { point.by_response() }
        };
        let mut points: Vec<_> = works.iter().map(point).collect();
        let count = points.len();
        for turn in 0..turns {
            let (round, step) = (turn / count, turn % count);
            let which = (round + step) % count;
            let Work { setup, threads, think } = works[which];
            self.watch.turn(setup);
            let turn = self.turn(setup, Load { threads, think, ..load });
            if self.lost.is_some() {
                points.retain(Point::had_turns);
                break;
            }
            points[which].add(turn);
        }
        points
    }

    /// Runs one turn. If it fails, asks whether the database is still there.
    fn turn(&mut self, setup: Setup, load: Load) -> Result<turn::Turn> {
        let turn =
            turn::build(self.database, setup, &self.question.query).and_then(|pool| pool.run(load));
        if turn.as_ref().is_ok_and(|turn| turn.errors == 0) {
            return turn;
        }
        self.lost = explore::answers(self.database).err();
        turn
    }

    /// What the threads do in a turn of this length. The turn is longer if the query needs it.
    pub(crate) fn load(&self, turn: Duration) -> Load {
        let cycle = self.alone + self.question.think;
        let window = turn.mul_f64(1.0 - WARM_UP).max(LEAST).max(cycle.mul_f64(LEAST_QUERIES));
        let warm_up = turn.mul_f64(WARM_UP).max(LEAST / 2).max(cycle);
        Load { threads: self.question.threads, think: self.question.think, warm_up, window }
    }
}

/// A setup, and the threads that use it.
#[derive(Clone, Copy)]
struct Work {
    setup: Setup,
    threads: usize,
    think: Duration,
}

/// A pool whose connections are always in use, with handoffs if the advised pool has waiters.
fn busy(size: usize, advised: &Point) -> Work {
    let crowd = if advised.waiting() >= 1.0 { 2 } else { 1 };
    Work { setup: shared(size), threads: crowd * size, think: Duration::ZERO }
}

fn shared(size: usize) -> Setup {
    Setup { kind: PoolKind::Shared, size }
}

/// Up to [`BETWEEN`] sizes, evenly spread between two.
fn between(below: usize, above: usize) -> Vec<usize> {
    let gap = above - below;
    let mut sizes: Vec<_> = (1..=BETWEEN).map(|part| below + gap * part / (BETWEEN + 1)).collect();
    sizes.retain(|&size| size > below && size < above);
    sizes.dedup();
    sizes
}

/// The knee of `SharedPool`: that of the finer stage, if there is one.
pub(crate) fn knee(sweep: &[Point], around: &[Point]) -> Option<Knee> {
    let coarse = knee::find(sweep)?;
    let Some(fine) = knee::find(around) else { return Some(coarse) };
    Some(Knee { is_flat: coarse.is_flat && fine.is_flat, still_rises: coarse.still_rises, ..fine })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_between_are_evenly_spread() {
        assert_eq!(between(4, 8), [5, 6, 7]);
        assert_eq!(between(16, 32), [20, 24, 28]);
        assert_eq!(between(2, 4), [3]);
        assert!(between(1, 2).is_empty() && between(0, 1).is_empty());
    }

    #[test]
    fn a_turn_is_long_enough_for_a_few_queries() {
        let database = Database::parse("sqlite:shop.db", false).unwrap();
        let question = Question {
            threads: 8,
            db: "sqlite:shop.db".into(),
            query: "SELECT 1".into(),
            time: Duration::from_secs(30),
            think: Duration::from_millis(5),
            come_and_go: false,
            allow_writes: false,
            instances: None,
            verify_by: None,
            seed: 1,
        };
        let (question, alone) = (&question, Duration::from_micros(100));
        let watch = &mut ();
        let mut study = Study { question, database: &database, alone, watch, lost: None };
        let load = study.load(Duration::from_millis(400));
        assert_eq!((load.warm_up.as_millis(), load.window.as_millis()), (120, 280));
        study.alone = Duration::from_secs(2);
        let load = study.load(Duration::from_millis(400));
        assert!(load.window >= Duration::from_secs(8) && load.warm_up >= study.alone);
    }
}
