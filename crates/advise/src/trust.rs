//! Whether the figures are reliable, and if not, why.
//!
//! Three things make figures unreliable: other programs that use the processors at the same time;
//! rounds that differ so much that differences may be chance; and impossible figures, such as more
//! busy connections than the pool has.

use std::time::Duration;

use threadwise_bench::usage;

use crate::knee::Tolerance;
use crate::point::Point;

/// How long advise looks at the other programs, each time.
const LOOK: Duration = Duration::from_millis(200);
/// Other programs that use more than this fraction of the processors change the figures.
const QUIET: f64 = 0.15;

/// The size to advise if the measurement cannot tell one: the default of `SharedPool`.
pub(crate) const DEFAULT_SIZE: usize = 10;

/// What other programs use of the processors. Measured several times while this one does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Others {
    /// Processors, the maximum of all looks; `None` if the system does not tell.
    pub(crate) most: Option<f64>,
}

impl Others {
    /// Looks once more.
    pub(crate) fn look(&mut self) {
        self.most = self.most.into_iter().chain(usage::of_others(LOOK)).reduce(f64::max);
    }

    fn doubt(self, cores: usize) -> Option<String> {
        let used = self.most.filter(|used| *used > QUIET * cores as f64)?;
        Some(format!(
            "Other programs use {used:.1} of this machine's {cores} processors, and that changes \
             the figures."
        ))
    }
}

/// Why the figures of these points are unreliable; empty if they are reliable.
pub(crate) fn doubts<'p>(
    mut points: impl Iterator<Item = &'p Point>,
    others: Others,
    cores: usize,
) -> Vec<String> {
    let doubts = others.doubt(cores).into_iter();
    doubts.chain(points.find_map(Point::impossible)).collect()
}

/// Why differences between points of the same rounds may be chance; `None` if the noise is small.
pub(crate) fn noise(tolerance: Tolerance, what: &str) -> Option<String> {
    tolerance.is_exceeded().then(|| {
        format!(
            "The rounds differ widely: differences between {what} of up to {:.0} % may be chance.",
            100.0 * tolerance.noise
        )
    })
}

#[cfg(test)]
mod tests {
    use threadwise::PoolKind;

    use threadwise_bench::measure::{Uses, Waits};

    use super::*;
    use crate::turn::{Setup, Turn};

    /// A pool's five rounds of one second, each with this many uses of this many milliseconds.
    fn timed(model: PoolKind, size: usize, uses: u64, hold_ms: u64) -> Point {
        let mut point = Point::new(Setup { kind: model, size });
        for _ in 0..5 {
            let hold = Duration::from_millis(hold_ms);
            let mut holds = Waits::default();
            (0..uses).for_each(|_| holds.record(hold));
            let times = Uses { holds, ..Uses::default() };
            point.add(Ok(Turn { ops: uses, seconds: 1.0, uses: times, ..Turn::default() }));
        }
        point
    }

    #[test]
    fn more_busy_connections_than_the_pool_has_are_impossible() {
        let point = timed(PoolKind::Queue, 1, 1_020, 5);
        let why = point.impossible().expect("5.1 of 1 are impossible");
        assert!(why.contains("5.1 of 1 connection would") && why.contains("impossible"), "{why}");
        assert_eq!(doubts([&point].into_iter(), Others::default(), 2), [why]);
        // Fully busy; and with a use that began before the round.
        assert_eq!(timed(PoolKind::Shared, 1, 200, 5).impossible(), None);
        assert_eq!(timed(PoolKind::Shared, 1, 3, 500).impossible(), None);
        assert_eq!(timed(PoolKind::Shared, 8, 1_020, 5).impossible(), None);
        assert_eq!(Point::new(Setup { kind: PoolKind::Shared, size: 1 }).impossible(), None);
    }

    #[test]
    fn the_size_without_reliable_figures_is_the_pools_default() {
        let manager = threadwise_bench::backend::synthetic::SyntheticManager;
        let pool = threadwise_shared::SharedPool::builder().build(manager).expect("a pool");
        assert_eq!(pool.state().max_size, Some(DEFAULT_SIZE));
    }

    #[test]
    fn other_programs_that_use_the_processors_make_the_figures_unreliable() {
        let others = |most| Others { most };
        assert_eq!(doubts([].into_iter(), others(None), 2), Vec::<String>::new());
        assert_eq!(doubts([].into_iter(), others(Some(0.1)), 2), Vec::<String>::new());
        let doubts = doubts([].into_iter(), others(Some(1.9)), 2);
        assert!(doubts[0].contains("1.9 of this machine's 2 processors"), "{doubts:?}");
    }
}
