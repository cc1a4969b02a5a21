//! Our pools against the best peer, and whether the difference is more than noise.

use threadwise_figures::Measurement;
use threadwise_figures::units::{count, duration, three_digits};

use crate::matchup::{Matchup, Role, is_sound, kind, role};

/// Waits have no range of rounds. Those that differ by less than this factor count as the same.
const SAME_WAIT: f64 = 1.5;
/// The least fairness with which p99 waits are compared. Where a few threads get all turns, nearly
/// all operations are theirs, and the waits of the others do not show.
const FAIR: f64 = 0.1;
/// Half the range that is assumed if a report has no range of rounds.
const ASSUMED: f64 = 0.1;

/// A figure by which pools are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// The time of an operation on one thread.
    Cost,
    /// Operations per second.
    Throughput,
    /// The wait that 99 of 100 operations do not exceed.
    WaitP99,
}

impl Figure {
    pub(crate) fn of(self, row: &Measurement) -> Option<f64> {
        match self {
            _ if !is_sound(row) => None,
            Self::Cost => row.ns_per_op,
            Self::Throughput => Some(row.ops_per_s),
            Self::WaitP99 => row.wait_p99_ns.map(|ns| ns as f64),
        }
    }

    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::Cost | Self::WaitP99 => duration(value),
            Self::Throughput => format!("{}/s", count(value)),
        }
    }

    /// Whether the figure says how all threads fare.
    pub(crate) fn is_comparable(self, row: &Measurement) -> bool {
        self != Self::WaitP99 || row.fairness >= FAIR
    }

    /// How many times better one value is than the other.
    fn gain(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Throughput => one / other.max(1e-9),
            Self::Cost | Self::WaitP99 => other / one.max(1e-9),
        }
    }

    /// Whether two contenders differ by more than the noise.
    pub(crate) fn differs(self, one: &Measurement, other: &Measurement) -> bool {
        match self {
            Self::WaitP99 => {
                let waits = self.of(one).zip(self.of(other));
                let gain = waits.map_or(1.0, |(one, other)| self.gain(one, other));
                !(1.0 / SAME_WAIT..=SAME_WAIT).contains(&gain)
            }
            Self::Cost | Self::Throughput => {
                let ((low, high), (least, most)) = (range(one), range(other));
                low > most || least > high
            }
        }
    }
}

/// The throughput of the slowest and of the fastest round.
fn range(row: &Measurement) -> (f64, f64) {
    match row.spread() {
        Some(_) => (row.ops_per_s_min, row.ops_per_s_max),
        None => (row.ops_per_s * (1.0 - ASSUMED), row.ops_per_s * (1.0 + ASSUMED)),
    }
}

/// A pool of ours and the best peer.
pub(crate) struct Comparison<'r> {
    pub(crate) figure: Figure,
    pub(crate) ours: &'r Measurement,
    pub(crate) peer: &'r Measurement,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Finding {
    /// Ours is this many times better.
    Better(f64),
    /// Ours is this many times worse.
    Worse(f64),
    /// The difference is not more than the noise.
    Same,
}

impl<'r> Comparison<'r> {
    /// Compares two contenders: the best of the pools for which `is_meant` is true, and the best
    /// peer with the settings that its users get. `None` if one of the two was not measured.
    pub(crate) fn of(
        matchup: &Matchup<'r>,
        figure: Figure,
        is_meant: impl Fn(&Measurement) -> bool,
    ) -> Option<Self> {
        let ours = best(matchup, figure, is_meant)?;
        let peer = best(matchup, figure, |row| {
            role(row) == Role::Peer && kind(&row.pool).is_none_or(|kind| !kind.is_tuned())
        })?;
        Some(Self { figure, ours, peer })
    }

    pub(crate) fn finding(&self) -> Finding {
        let values = self.figure.of(self.ours).zip(self.figure.of(self.peer));
        let gain = values.map_or(1.0, |(ours, peer)| self.figure.gain(ours, peer));
        match gain {
            _ if !self.figure.differs(self.ours, self.peer) => Finding::Same,
            gain if gain >= 1.0 => Finding::Better(gain),
            gain => Finding::Worse(1.0 / gain),
        }
    }

    /// The finding in words, before the name of the peer.
    pub(crate) fn words(&self) -> String {
        let (better, worse) = match self.figure {
            Figure::Cost => ("less than", "more than"),
            Figure::Throughput => ("more than", "less than"),
            Figure::WaitP99 => ("shorter than", "longer than"),
        };
        match self.finding() {
            Finding::Better(times) => format!("{}× {better}", three_digits(times)),
            Finding::Worse(times) => format!("{}× {worse}", three_digits(times)),
            Finding::Same => "about the same as".into(),
        }
    }
}

impl Finding {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Better(_) => "better",
            Self::Worse(_) => "worse",
            Self::Same => "same",
        }
    }

    /// A mark that does not need colour.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Better(_) => "▲",
            Self::Worse(_) => "▼",
            Self::Same => "≈",
        }
    }
}

fn best<'r>(
    matchup: &Matchup<'r>,
    figure: Figure,
    is_meant: impl Fn(&Measurement) -> bool,
) -> Option<&'r Measurement> {
    let those = matchup.rows.iter().copied();
    let those = those.filter(|row| is_meant(row) && figure.is_comparable(row));
    let measured = those.filter_map(|row| Some((row, figure.of(row)?)));
    let order = |value: f64| figure.gain(value, 1.0);
    measured.max_by(|a, b| order(a.1).total_cmp(&order(b.1))).map(|(row, _)| row)
}

/// Whether two pools of a matchup differ by more than the noise, in throughput or, where threads
/// wait, in their p99 wait.
pub(crate) fn is_decided(matchup: &Matchup<'_>) -> bool {
    let pools = || matchup.rows.iter().filter(|row| role(row) != Role::Reference && is_sound(row));
    let differ = |figure: Figure| {
        let pools = || pools().filter(|row| figure.is_comparable(row));
        pools().any(|one| pools().any(|other| figure.differs(one, other)))
    };
    differ(Figure::Throughput) || matchup.is_starved() && differ(Figure::WaitP99)
}

#[cfg(test)]
mod tests {
    use threadwise_figures::Report;

    use super::*;
    use crate::matchup::matchups;

    fn row(pool: &str, (least, median, most): (f64, f64, f64), wait_ns: u64) -> Measurement {
        Measurement {
            workload: "starved".into(),
            pool: pool.into(),
            threads: 32,
            size: 4,
            fairness: 0.5,
            rounds: 5,
            ops: 1,
            ops_per_s_min: least,
            ops_per_s: median,
            ops_per_s_max: most,
            wait_p99_ns: Some(wait_ns),
            ..Measurement::default()
        }
    }

    fn report(results: Vec<Measurement>) -> Report {
        Report { results, ..Report::default() }
    }

    fn is_ours(row: &Measurement) -> bool {
        role(row) == Role::Ours
    }

    #[test]
    fn ranges_of_rounds_that_overlap_are_noise() {
        let report = report(vec![
            row("shared", (90.0, 100.0, 110.0), 100),
            row("mutex", (105.0, 120.0, 130.0), 120),
        ]);
        let matchup = &matchups(&report)[0];
        let found = Comparison::of(matchup, Figure::Throughput, is_ours).unwrap();
        assert_eq!((found.finding(), &*found.words()), (Finding::Same, "about the same as"));
        assert!(!is_decided(matchup));
    }

    #[test]
    fn the_best_of_ours_is_compared_with_the_best_peer_that_is_not_tuned() {
        let report = report(vec![
            row("shared", (190.0, 200.0, 210.0), 10),
            row("queue", (90.0, 100.0, 110.0), 90),
            row("mutex", (45.0, 50.0, 55.0), 40),
            row("r2d2-tuned", (500.0, 500.0, 501.0), 1),
        ]);
        let matchup = &matchups(&report)[0];
        let of = |figure| Comparison::of(matchup, figure, is_ours).unwrap();
        assert_eq!(of(Figure::Throughput).words(), "4.00× more than");
        assert_eq!(of(Figure::WaitP99).words(), "4.00× shorter than");
        assert_eq!(
            (&*of(Figure::WaitP99).ours.pool, &*of(Figure::WaitP99).peer.pool),
            ("shared", "mutex")
        );
        assert!(is_decided(matchup));
    }

    #[test]
    fn a_worse_figure_is_called_worse_and_a_failed_contender_is_not_compared() {
        let mut rows =
            vec![row("shared", (90.0, 100.0, 110.0), 50), row("mutex", (190.0, 200.0, 210.0), 100)];
        let words = |rows: &[Measurement]| {
            let report = report(rows.to_vec());
            let found = Comparison::of(&matchups(&report)[0], Figure::Throughput, is_ours);
            found.map(|it| it.words())
        };
        assert_eq!(words(&rows).as_deref(), Some("2.00× less than"));
        rows[1].errors = 1;
        assert_eq!(words(&rows), None);
    }

    #[test]
    fn waits_are_not_compared_where_a_few_threads_get_all_turns() {
        let mut rows =
            vec![row("queue", (9.0, 10.0, 11.0), 1), row("mutex", (9.0, 10.0, 11.0), 99)];
        rows[0].fairness = 0.01;
        let report = report(rows);
        let matchup = &matchups(&report)[0];
        assert!(Comparison::of(matchup, Figure::WaitP99, is_ours).is_none());
        assert!(!is_decided(matchup));
    }

    #[test]
    fn pools_that_only_wait_differently_are_decided() {
        let rows = vec![row("shared", (9.0, 10.0, 11.0), 10), row("mutex", (9.0, 10.0, 11.0), 99)];
        assert!(is_decided(&matchups(&report(rows))[0]));
    }
}
