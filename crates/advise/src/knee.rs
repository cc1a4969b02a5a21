//! The knee of a measured curve: the smallest size that does as well as the best.
//!
//! The score is the throughput. If threads are idle between two uses, the idle time limits the
//! throughput of every pool, so the score is then how long a use takes, including the wait. "As
//! well" means within a tolerance of 3 %, or more if the noise of the rounds is larger. Setups take
//! turns in rounds, so that other load on the machine affects all of them. So scores are compared
//! within each round, and the median of the ratios counts.

use threadwise_figures::median;

use crate::point::Point;

/// A difference in throughput that is too small to matter, as a fraction.
const WORTH_NOTHING: f64 = 0.03;
/// The largest tolerance; a larger one would give away real throughput.
pub(crate) const MOST: f64 = 0.10;

/// The knee, and how certain it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Knee {
    /// The smallest size that does as well as the best.
    pub(crate) size: usize,
    /// The size with the highest throughput.
    pub(crate) best: usize,
    /// The share of the best throughput that the knee reaches.
    pub(crate) share: f64,
    pub(crate) tolerance: Tolerance,
    /// Whether all sizes do as well as the best, so that the size does not matter here.
    pub(crate) is_flat: bool,
    /// Whether the largest size is clearly the best, so that a larger one might be better.
    pub(crate) still_rises: bool,
}

/// The differences that count as none, as fractions of the throughput.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tolerance {
    pub(crate) part: f64,
    /// The largest difference that may be noise.
    pub(crate) noise: f64,
}

impl Tolerance {
    /// From how far the rounds of each point differ.
    pub(crate) fn of<'p>(points: impl IntoIterator<Item = &'p Point>) -> Self {
        let points = points.into_iter().map(|point| (point.spread(), point.figures().len()));
        let (spreads, rounds): (Vec<_>, Vec<_>) = points.unzip();
        let rounds = rounds.into_iter().max().unwrap_or(1).max(1);
        // Two standard errors of a difference of two medians.
        let error = 1.2533 * median(&spreads) / (rounds as f64).sqrt();
        let noise = 2.0 * std::f64::consts::SQRT_2 * error;
        Self { part: noise.clamp(WORTH_NOTHING, MOST), noise }
    }

    /// The smallest difference that is not noise.
    pub(crate) fn significant(self) -> f64 {
        self.noise.max(WORTH_NOTHING)
    }

    /// Whether the noise is larger than the largest tolerance.
    pub(crate) fn is_exceeded(self) -> bool {
        self.noise > MOST
    }
}

/// Finds the knee among points of one model; `None` if none of them has a figure. Leaves out
/// impossible figures if there are others.
pub(crate) fn find(points: &[Point]) -> Option<Knee> {
    let mut sound: Vec<&Point> = points.iter().filter(|point| point.is_sound()).collect();
    if sound.iter().any(|point| point.impossible().is_none()) {
        sound.retain(|point| point.impossible().is_none());
    }
    sound.sort_by_key(|point| point.setup.size);
    let best = *sound.iter().max_by(|a, b| a.score().total_cmp(&b.score()))?;
    let tolerance = Tolerance::of(sound.iter().copied());
    let does_as_well = |point: &&&Point| ratio(point, best) >= 1.0 - tolerance.part;
    let knee = sound.iter().find(does_as_well).unwrap_or(&best);
    let largest = sound.last()?;
    let before = sound.iter().rev().nth(1);
    Some(Knee {
        size: knee.setup.size,
        best: best.setup.size,
        share: ratio(knee, best),
        tolerance,
        is_flat: sound.len() > 1 && sound.iter().all(|point| does_as_well(&point)),
        still_rises: best.setup.size == largest.setup.size
            && before.is_some_and(|before| ratio(before, best) < 1.0 - tolerance.part),
    })
}

/// The score of one point relative to another: the median of the ratios of their rounds.
pub(crate) fn ratio(one: &Point, other: &Point) -> f64 {
    median(&ratios(one, other))
}

fn ratios(one: &Point, other: &Point) -> Vec<f64> {
    let both = one.scores.iter().zip(&other.scores);
    both.filter_map(|(one, other)| Some(((*one)?, (*other)?)))
        .filter(|(_, other)| *other > 0.0)
        .map(|(one, other)| one / other)
        .collect()
}

/// How one point compares with another that had its turns in the same rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It does more, by more than the noise and in every round.
    Better,
    /// It does less, by more than the noise and in every round.
    Worse,
    /// The difference is too small to matter, and so is the noise.
    Same,
    /// The noise exceeds the difference.
    Unknown,
}

/// Compares two points of the same rounds.
pub(crate) fn compare(one: &Point, other: &Point, tolerance: Tolerance) -> Compared {
    let ratios = ratios(one, other);
    let difference = median(&ratios) - 1.0;
    let significant = tolerance.significant();
    if ratios.is_empty() {
        Compared::Unknown
    } else if difference > significant && ratios.iter().all(|ratio| *ratio > 1.0) {
        Compared::Better
    } else if difference < -significant && ratios.iter().all(|ratio| *ratio < 1.0) {
        Compared::Worse
    } else if difference.abs() <= WORTH_NOTHING && significant <= WORTH_NOTHING {
        Compared::Same
    } else {
        Compared::Unknown
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use threadwise::PoolKind;
    use threadwise_bench::Failure;

    use super::*;
    use crate::turn::{Setup, Turn};

    fn point(model: PoolKind, size: usize, rounds: &[f64]) -> Point {
        Point::of_rounds(Setup { kind: model, size }, rounds)
    }

    fn knee(curve: &[(usize, [f64; 5])]) -> Knee {
        let points: Vec<_> =
            curve.iter().map(|(size, rounds)| point(PoolKind::Shared, *size, rounds)).collect();
        find(&points).expect("a knee")
    }

    fn steady(per_s: f64) -> [f64; 5] {
        [per_s, per_s * 1.001, per_s * 0.999, per_s, per_s]
    }

    #[test]
    fn the_knee_is_the_smallest_size_that_does_as_well_as_the_best() {
        let knee = knee(&[
            (1, steady(100.0)),
            (2, steady(190.0)),
            (4, steady(290.0)),
            (8, steady(298.0)),
            (16, steady(280.0)),
        ]);
        assert_eq!((knee.size, knee.best), (4, 8));
        assert!(!knee.is_flat && !knee.still_rises);
        assert!((knee.share - 290.0 / 298.0).abs() < 0.005, "{knee:?}");
        assert_eq!(knee.tolerance.part, 0.03);
    }

    #[test]
    fn a_curve_within_the_noise_is_flat() {
        let knee =
            knee(&[(1, [100.0, 104.0, 97.0, 101.0, 99.0]), (2, [103.0, 98.0, 101.0, 99.0, 105.0])]);
        assert!(knee.is_flat && knee.size == 1, "{knee:?}");
    }

    #[test]
    fn a_curve_that_rises_to_its_end_is_reported() {
        let knee = knee(&[(1, steady(100.0)), (2, steady(200.0)), (4, steady(390.0))]);
        assert!(knee.still_rises && knee.size == 4, "{knee:?}");
    }

    #[test]
    fn noise_widens_the_tolerance_to_a_tenth_at_most() {
        let noisy = [100.0, 140.0, 70.0, 125.0, 80.0];
        let knee =
            knee(&[(1, noisy), (2, noisy.map(|it| it * 1.05)), (4, noisy.map(|it| it * 2.0))]);
        assert_eq!(knee.tolerance.part, 0.10);
        assert!(knee.tolerance.is_exceeded());
        assert_eq!(knee.size, 4, "the ratios of the rounds are clear: {knee:?}");
    }

    #[test]
    fn a_difference_counts_if_it_exceeds_the_noise_and_is_in_every_round() {
        let compared = |rounds: [f64; 5], noise| {
            let one = point(PoolKind::Queue, 4, &rounds);
            let other = point(PoolKind::Shared, 4, &[100.0; 5]);
            compare(&one, &other, Tolerance { part: 0.03, noise })
        };
        assert_eq!(compared([110.0, 108.0, 112.0, 109.0, 111.0], 0.02), Compared::Better);
        assert_eq!(compared([90.0, 92.0, 88.0, 91.0, 89.0], 0.02), Compared::Worse);
        assert_eq!(compared([101.0, 99.0, 100.0, 102.0, 98.0], 0.02), Compared::Same);
        assert_eq!(compared([110.0, 108.0, 112.0, 109.0, 111.0], 0.20), Compared::Unknown);
        assert_eq!(compared([101.0, 99.0, 100.0, 102.0, 98.0], 0.20), Compared::Unknown);
        // One round shows the opposite.
        assert_eq!(compared([150.0, 150.0, 150.0, 150.0, 60.0], 0.02), Compared::Unknown);
        assert_eq!(compared([60.0, 60.0, 60.0, 60.0, 150.0], 0.02), Compared::Unknown);
    }

    #[test]
    fn scores_are_compared_within_each_round() {
        // The machine was half as fast in the last two rounds, for both.
        let one = point(PoolKind::Shared, 1, &[100.0, 100.0, 100.0, 50.0, 50.0]);
        let other = point(PoolKind::Shared, 2, &[200.0, 200.0, 200.0, 100.0, 100.0]);
        assert!((ratio(&one, &other) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn if_threads_are_idle_between_uses_the_time_of_a_use_decides() {
        let turn = |wait_s, hold_s| {
            let mut turn = Turn { ops: 700, seconds: 1.0, ..Turn::default() };
            turn.waits.record(Duration::from_secs_f64(wait_s));
            turn.uses.holds.record(Duration::from_secs_f64(hold_s));
            turn
        };
        let points = [(1, 9e-3), (2, 1e-3), (4, 1e-5), (8, 0.0)].map(|(size, wait_s)| {
            let mut point = Point::new(Setup { kind: PoolKind::Shared, size }).by_response();
            (0..5).for_each(|_| point.add(Ok(turn(wait_s, 1e-3))));
            point
        });
        let knee = find(&points).expect("a knee");
        assert_eq!((knee.size, knee.best), (4, 8), "all have the same throughput");
    }

    #[test]
    fn setups_that_failed_have_no_knee() {
        let mut refused = Point::new(Setup { kind: PoolKind::Shared, size: 1 });
        refused.add(Err(Failure::new("refused")));
        assert_eq!(find(&[refused]), None);
    }
}
