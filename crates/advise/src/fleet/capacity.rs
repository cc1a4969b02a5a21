//! A server's throughput by number of busy connections, and how requests differ in length.

use threadwise_bench::measure::Waits;

/// The number of quantiles that describe how times differ.
const QUANTILES: usize = 256;

/// Requests per second by the number of busy connections: straight lines through measured points.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// At 1, 2, 3 … connections.
    rates: Vec<f64>,
}

impl Capacity {
    /// From points (busy connections, requests per second). Below the first point the rate is
    /// proportional to the connections, beyond the last it is constant.
    ///
    /// # Panics
    ///
    /// If there is no point, or a point is not above zero in both.
    pub fn through(points: &[(f64, f64)]) -> Self {
        assert!(!points.is_empty() && points.iter().all(|&(busy, rate)| busy > 0.0 && rate > 0.0));
        let mut points = merged(points);
        points.insert(0, (0.0, 0.0));
        let last = points[points.len() - 1];
        let most = (last.0.ceil() as usize).max(1);
        let rates = (1..=most).map(|busy| at(&points, busy as f64)).collect();
        Self { rates }
    }

    /// The same for a machine that is this many times as fast.
    pub fn scaled(&self, times: f64) -> Self {
        Self { rates: self.rates.iter().map(|rate| rate * times).collect() }
    }

    /// Requests per second with this many busy connections.
    pub fn rate(&self, busy: usize) -> f64 {
        match busy {
            0 => 0.0,
            busy => self.rates[busy.min(self.rates.len()) - 1],
        }
    }

    /// The highest rate at any number of connections.
    pub fn most(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    /// The highest rate at this number of busy connections or more, which more demand could reach.
    pub fn most_from(&self, busy: usize) -> f64 {
        let known = busy.clamp(1, self.rates.len());
        self.rates[known - 1..].iter().copied().fold(0.0, f64::max)
    }

    /// Whether the last quarter of the connections still adds a tenth to the rate. Then the
    /// measurement did not reach the server's limit.
    pub fn still_rises(&self) -> bool {
        let last = self.rates.len();
        let before = (3 * last).div_ceil(4).min(last - 1);
        self.rate(last) > 1.1 * self.rate(before)
    }

    /// The highest number of busy connections that was measured.
    pub fn known_to(&self) -> usize {
        self.rates.len()
    }
}

/// The points in order. Points that are close together (a setup that was measured twice) are
/// merged.
fn merged(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut groups: Vec<Vec<(f64, f64)>> = Vec::new();
    for point in sorted {
        match groups.last_mut() {
            Some(group) if point.0 - group[0].0 < 0.02 * point.0 => group.push(point),
            _ => groups.push(vec![point]),
        }
    }
    let mean = |group: &Vec<(f64, f64)>| {
        let count = group.len() as f64;
        let sum = group.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        (sum.0 / count, sum.1 / count)
    };
    groups.iter().map(mean).collect()
}

fn at(points: &[(f64, f64)], busy: f64) -> f64 {
    let Some(after) = points.iter().position(|point| point.0 >= busy) else {
        return points[points.len() - 1].1;
    };
    let (right, left) = (points[after], points[after - 1]);
    left.1 + (right.1 - left.1) * (busy - left.0) / (right.0 - left.0)
}

/// How the lengths of requests, or the idle times of threads, differ; with a mean of 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Demand {
    /// All are equal.
    Constant,
    /// An exponential distribution, for comparison with formulas.
    Exponential,
    /// The measured quantiles, in ascending order.
    Measured(Vec<f64>),
}

impl Demand {
    /// The distribution of these times.
    pub fn like(times: &Waits) -> Self {
        let at = |index: usize| times.at((index as f64 + 0.5) / QUANTILES as f64);
        let quantiles: Option<Vec<_>> =
            (0..QUANTILES).map(|index| at(index).map(|ns| ns as f64)).collect();
        let Some(quantiles) = quantiles else { return Self::Constant };
        let mean = quantiles.iter().sum::<f64>() / QUANTILES as f64;
        if mean <= 0.0 {
            return Self::Constant;
        }
        Self::Measured(quantiles.iter().map(|ns| ns / mean).collect())
    }

    /// A random value.
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Exponential => -(1.0 - random.f64()).ln(),
            Self::Measured(quantiles) => quantiles[random.usize(..quantiles.len())],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_rate_is_on_straight_lines_between_points_and_constant_beyond_the_last() {
        let capacity = Capacity::through(&[(4.0, 300.0), (1.0, 100.0), (2.0, 200.0)]);
        let rates = [0, 1, 2, 3, 4, 5, 99].map(|busy| capacity.rate(busy));
        assert_eq!(rates, [0.0, 100.0, 200.0, 250.0, 300.0, 300.0, 300.0]);
        assert_eq!((capacity.most(), capacity.known_to()), (300.0, 4));
        assert!(capacity.still_rises());
        let slower = Capacity::through(&[(1.0, 100.0), (2.0, 150.0), (3.0, 120.0)]);
        assert!(!slower.still_rises());
        assert_eq!([0, 2, 3, 9].map(|busy| slower.most_from(busy)), [150.0, 150.0, 120.0, 120.0]);
    }

    #[test]
    fn the_rate_is_proportional_below_the_first_point() {
        assert_eq!(Capacity::through(&[(4.0, 400.0)]).rate(1), 100.0);
    }

    #[test]
    fn a_setup_that_was_measured_twice_counts_as_one() {
        let capacity = Capacity::through(&[(8.0, 90.0), (8.01, 110.0)]);
        assert!((capacity.rate(8) - 100.0).abs() < 1.0, "{capacity:?}");
    }

    #[test]
    fn demands_have_a_mean_of_one() {
        let mut holds = Waits::default();
        (1..=1_000).for_each(|micros| holds.record(Duration::from_micros(micros)));
        let mut random = fastrand::Rng::with_seed(7);
        for demand in [Demand::Constant, Demand::Exponential, Demand::like(&holds)] {
            let sum: f64 = (0..100_000).map(|_| demand.draw(&mut random)).sum();
            assert!((sum / 100_000.0 - 1.0).abs() < 0.02, "{demand:?}: {sum}");
        }
        assert_eq!(Demand::like(&Waits::default()), Demand::Constant);
    }
}
