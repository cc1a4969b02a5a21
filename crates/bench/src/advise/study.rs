//! Which setups are measured, in which order, for how long.
//!
//! Three stages. The curve: `SharedPool` with 1, 2, 4 … connections. Around its knee: sizes between
//! the powers of two. And the proof: the size that is to be recommended, once more, beside the other
//! pools at that size; what is promised is taken from here alone, since the best of many noisy figures
//! is too good. In each stage the setups take turns, and each round begins with the next.

use std::time::Duration;

use super::Watch;
use super::database::Database;
use super::knee::{self, Knee};
use super::point::Point;
use super::turn::{self, Load, Model, Setup};
use crate::Failure;

/// How often each setup has its turn in a stage.
pub(crate) const ROUNDS: usize = 5;
/// Shares of the time.
const CURVE: f64 = 0.5;
const AROUND: f64 = 0.2;
const PROOF: f64 = 0.3;
/// The part of a turn that does not count.
const WARM_UP: f64 = 0.3;
/// A turn is not shorter than this, nor than so many queries.
const LEAST: Duration = Duration::from_millis(30);
const LEAST_QUERIES: f64 = 4.0;
/// No knee lies beyond, in one process: servers have no more processors than this.
pub(crate) const MOST_SIZE: usize = 512;
/// So many sizes are tried between two of the curve.
const BETWEEN: usize = 3;

/// What is measured on.
pub(crate) struct Study<'s> {
    pub(crate) database: &'s Database,
    pub(crate) query: &'s str,
    pub(crate) threads: usize,
    pub(crate) think: Duration,
    /// All the time there is.
    pub(crate) time: Duration,
    /// How long the query takes alone.
    pub(crate) alone: Duration,
}

impl Study<'_> {
    /// Measures `SharedPool` with 1, 2, 4 … connections, up to `most` and with that many too.
    pub(crate) fn curve(&self, most: usize, watch: &mut dyn Watch) -> Vec<Point> {
        let most = most.min(MOST_SIZE);
        let sizes = (0..).map(|power| 1 << power).take_while(|&size| size < most).chain([most]);
        self.stage(sizes.map(shared).collect(), CURVE, watch)
    }

    /// Measures sizes between the knee and the size below it, and once more those from there to the
    /// best, which may be better after all; none if nothing is between.
    pub(crate) fn around(&self, curve: &[Point], knee: &Knee, watch: &mut dyn Watch) -> Vec<Point> {
        let below = (1..knee.size).rev().find(|size| size.is_power_of_two()).unwrap_or(0);
        let between = between(below, knee.size);
        if between.is_empty() {
            return Vec::new();
        }
        let again = curve.iter().map(|point| point.setup.size);
        let again = again.filter(|size| (knee.size..=knee.best.max(knee.size)).contains(size));
        let sizes: Vec<_> = between.into_iter().chain(again).collect();
        self.stage(sizes.into_iter().map(shared).collect(), AROUND, watch)
    }

    /// Measures what is to be recommended, beside the other pools.
    pub(crate) fn proof(&self, setups: Vec<Setup>, watch: &mut dyn Watch) -> Vec<Point> {
        self.stage(setups, PROOF, watch)
    }

    fn stage(&self, setups: Vec<Setup>, share: f64, watch: &mut dyn Watch) -> Vec<Point> {
        let turns = setups.len() * ROUNDS;
        let load = self.load(self.time.mul_f64(share / turns as f64));
        watch.begin(turns, (load.warm_up + load.window).mul_f64(turns as f64));
        let mut points: Vec<_> = setups.into_iter().map(Point::new).collect();
        let count = points.len();
        for round in 0..ROUNDS {
            for step in 0..count {
                let point = &mut points[(round + step) % count];
                watch.turn(point.setup);
                point.add(self.turn(point.setup, load));
            }
        }
        points
    }

    fn turn(&self, setup: Setup, load: Load) -> Result<turn::Turn, Failure> {
        turn::build(self.database, setup, self.query)?.run(load)
    }

    /// What the threads do in a turn of this length, or in a longer one if the query needs it.
    pub(crate) fn load(&self, turn: Duration) -> Load {
        let cycle = self.alone + self.think;
        let window = turn.mul_f64(1.0 - WARM_UP).max(LEAST).max(cycle.mul_f64(LEAST_QUERIES));
        let warm_up = turn.mul_f64(WARM_UP).max(LEAST / 2).max(cycle);
        Load { threads: self.threads, think: self.think, warm_up, window }
    }
}

fn shared(size: usize) -> Setup {
    Setup { model: Model::Shared, size }
}

/// Up to three sizes evenly spread between two.
fn between(below: usize, above: usize) -> Vec<usize> {
    let gap = above - below;
    let mut sizes: Vec<_> = (1..=BETWEEN).map(|part| below + gap * part / (BETWEEN + 1)).collect();
    sizes.retain(|&size| size > below && size < above);
    sizes.dedup();
    sizes
}

/// The knee among all that was measured of `SharedPool`: of the finer stage, if there was one.
pub(crate) fn knee(curve: &[Point], around: &[Point]) -> Option<Knee> {
    let coarse = knee::find(&curve.iter().collect::<Vec<_>>())?;
    let Some(fine) = knee::find(&around.iter().collect::<Vec<_>>()) else { return Some(coarse) };
    Some(Knee { is_flat: coarse.is_flat && fine.is_flat, still_rises: coarse.still_rises, ..fine })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_between_are_spread_evenly() {
        assert_eq!(between(4, 8), [5, 6, 7]);
        assert_eq!(between(16, 32), [20, 24, 28]);
        assert_eq!(between(2, 4), [3]);
        assert!(between(1, 2).is_empty() && between(0, 1).is_empty());
    }

    #[test]
    fn a_turn_is_long_enough_for_a_few_queries() {
        let database = Database::parse("sqlite:shop.db", false).unwrap();
        let mut study = Study {
            database: &database,
            query: "SELECT 1",
            threads: 8,
            think: Duration::from_millis(5),
            time: Duration::from_secs(30),
            alone: Duration::from_micros(100),
        };
        let load = study.load(Duration::from_millis(400));
        assert_eq!((load.warm_up.as_millis(), load.window.as_millis()), (120, 280));
        study.alone = Duration::from_secs(2);
        let load = study.load(Duration::from_millis(400));
        assert!(load.window >= Duration::from_secs(8) && load.warm_up >= study.alone);
    }
}
