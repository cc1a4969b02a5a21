//! Reduces waits to a few points of their distribution.

use threadwise_figures::WaitAt;

use crate::measure::Waits;

/// Denser towards the end, because pools differ in the tail.
const SHARES: [f64; 17] = [
    0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995,
    0.9999, 1.0,
];

/// The points that this many waits can tell apart. For example, with a hundred waits the 99.9 %
/// point is the same as the longest. Empty without waits.
pub(crate) fn of(waits: &Waits) -> Vec<WaitAt> {
    let count = waits.count() as f64;
    let is_told = |share: &f64| *share == 1.0 || (1.0 - share) * count >= 1.0;
    let point = |share| {
        let ns = if share == 1.0 { waits.max() } else { waits.at(share) };
        ns.map(|ns| WaitAt { share, ns })
    };
    SHARES.into_iter().filter(is_told).filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn waits(count: u64) -> Waits {
        let mut waits = Waits::default();
        (1..=count).for_each(|ns| waits.record(Duration::from_nanos(ns)));
        waits
    }

    #[test]
    fn shares_and_waits_rise_from_the_shortest_to_the_longest() {
        for count in [1, 2, 100, 1_000, 100_000] {
            let points = of(&waits(count));
            let rise = |it: &[WaitAt]| it[0].share < it[1].share && it[0].ns <= it[1].ns;
            assert!(points.windows(2).all(rise), "{points:?}");
            let ends = [points[0], points[points.len() - 1]];
            assert_eq!(ends.map(|it| it.share), [0.0, 1.0]);
            assert_eq!(ends[0].ns, 1);
            assert!(ends[1].ns.abs_diff(count) <= count / 1_000, "three digits: {points:?}");
        }
    }

    #[test]
    fn a_share_that_needs_more_waits_is_left_out() {
        let most = |count| of(&waits(count)).iter().rev().nth(1).map(|it| it.share);
        assert_eq!((most(100), most(1_000), most(20_000)), (Some(0.99), Some(0.999), Some(0.9999)));
        assert_eq!(of(&waits(0)), []);
    }
}
