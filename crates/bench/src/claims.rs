//! The claims: limits that our pools promise to keep, compared with the figures.
//!
//! A claim limits the ratio of two figures of the same run, so that it means the same on every
//! machine. It holds if the whole 95 % confidence interval of the ratio is on the right side of the
//! limit, and fails if the whole interval is on the wrong side. Otherwise the claim is undecided: the
//! machine's noise is larger than the distance from the limit. Its contenders then get extra turns
//! (`experiments/extra_turns`), and if those decide nothing, the run cannot tell. So a verdict is
//! about the code. If a claim fails, the program ends with the code 1.
//!
//! # Which ratio
//!
//! Two contenders of a workload are compared **in pairs**: within each round, in which both had
//! their turns. The median of these ratios is judged. The machine's speed changes by a tenth and
//! more from minute to minute. Within a round this affects both contenders and cancels out. It does
//! not cancel out between their medians, because those come from different rounds.
//!
//! It is the median and not the mean, because the mean of x/y exceeds 1 if x and y are the same
//! noise, which flatters x. The median of y/x is one over the median of x/y, so it does not matter
//! which of the two is the divisor. One turn that the system disturbed does not matter either. If a
//! pool is compared with the best of several, that is the one with the best median. The best of
//! each round would be the luckiest one.
//!
//! Two workloads have no rounds in common, so a ratio across them is that of the medians.

use std::time::Duration;

use threadwise_figures::{
    Backend, ContenderKind, ScenarioRun, Sense, Verdict, interval, is_enough, median,
};

use crate::experiments::scenarios::first_gets::FIRST_GETS;
use crate::experiments::scenarios::outage::OUTAGE;
use crate::experiments::scenarios::overload::OVERLOAD;
use crate::experiments::scenarios::spike::SPIKE;
use crate::matchup::Outcome;
use crate::measure::Turn;

use Backend::{Mysql, Postgres, Synthetic};
use ContenderKind::*;
use Figure::*;
use Measured::{Constant, Elsewhere, Rounds};
use Sense::{AtLeast, AtMost, Over};

/// All claims about workloads, in the order of the workloads.
#[rustfmt::skip]
const CLAIMS: [Claim; 35] = [
    // One atomic exchange takes an idle connection and another returns it. Nothing else has to be
    // done, so these two must take most of the time.
    claim(Synthetic, "uncontended", "shared's time over floor's", (Time(Shared), Time(Floor)), AtMost, 1.4),
    // The difference from r2d2 while a connection is idle: no lock, no clock, no system call.
    claim(Synthetic, "uncontended", "shared's throughput over r2d2's", (Throughput(Shared), Throughput(R2d2)), AtLeast, 10.0),
    // A queue of connections is a channel, and making it a pool costs less than the channel itself.
    claim(Synthetic, "uncontended", "queue's time over channel's", (Time(Queue), Time(Channel)), AtMost, 1.3),
    // Finding a thread's own connection costs almost nothing. So the rest of the pool's work is a
    // larger part of the time, and the limit is higher.
    claim(Synthetic, "uncontended", "persistent's time over thread-local's", (Time(Persistent), Time(ThreadLocal)), AtMost, 2.5),
    // The purpose of `persistent`: a thread that has its connection shares nothing with other
    // threads.
    claim(Synthetic, "uncontended", "persistent's throughput over r2d2's", (Throughput(Persistent), Throughput(R2d2)), AtLeast, 30.0),
    // The pool that the guide builds in seven steps has the same protocol and nothing else, so its
    // code shows where the time goes.
    claim(Synthetic, "uncontended", "build-your-own's time over shared's", (Time(BuildYourOwn), Time(Shared)), AtMost, 2.0),
    // A program that keeps its manager for r2d2 gets most of that difference, too. `queue` has its
    // channel to pay for. `compat` also makes a validation and a guard that keeps the pool alive.
    claim(Synthetic, "uncontended", "shared-r2d2's throughput over r2d2's", (Throughput(SharedR2d2), Throughput(R2d2)), AtLeast, 8.0),
    claim(Synthetic, "uncontended", "persistent-r2d2's throughput over r2d2's", (Throughput(PersistentR2d2), Throughput(R2d2)), AtLeast, 15.0),
    claim(Synthetic, "uncontended", "queue-r2d2's throughput over r2d2's", (Throughput(QueueR2d2), Throughput(R2d2)), AtLeast, 4.0),
    claim(Synthetic, "uncontended", "compat's throughput over r2d2's", (Throughput(Compat), Throughput(R2d2)), AtLeast, 3.0),
    // With a connection for each thread, the threads share nothing: no lock, no counter.
    claim(Synthetic, "as-many", "shared's throughput over r2d2's", (Throughput(Shared), Throughput(R2d2)), AtLeast, 10.0),
    // A waiter that has waited longer than `fair_after` is next, so no thread waits much longer
    // than one use of every thread takes. The ideal comes from the hold as requested. What the
    // system adds to the hold (`fifo` shows how much) must fit into the limit, too.
    claim(Synthetic, "long-holds", "shared's p99 wait over the ideal", (WaitP99(Shared), IdealWait(Shared)), AtMost, 1.2),
    // The same in operations: all threads get the same share of the connections.
    claim(Synthetic, "long-holds", "shared's slowest thread over its fastest", (Fairness(Shared), One), Over, 0.9),
    // Order costs almost nothing if connections are held for longer than a handoff takes.
    claim(Synthetic, "long-holds", "shared's throughput over the best of r2d2, mutex and queue", (Throughput(Shared), BestThroughput(&[R2d2, Mutex, Queue])), AtLeast, 0.95),
    // If they are held for less, order would cost most of the throughput. `fair_after` avoids that.
    claim(Synthetic, "short-holds", "shared's throughput over r2d2's", (Throughput(Shared), Throughput(R2d2)), AtLeast, 1.0),
    // A handoff looks only at the first waiter. But the system's part in it grows: it touches the
    // stacks and records of thousands of threads, for which no cache is large enough. A handoff of
    // `fifo` is that part and little more, and takes about twice as long with 2000 threads as with
    // 10. So the claim compares the ratios of shared's time to fifo's.
    claim(Synthetic, "crowd-2000", "shared's time over fifo's, over the same in crowd-10", (TimeOver("crowd-2000", Shared, Fifo), TimeOver("crowd-10", Shared, Fifo)), AtMost, 1.5),
    // The same question asked directly: what a borrow and a return cost a running thread while few
    // or many others wait. The system's part is small here, so the times are compared as they are.
    claim(Synthetic, "asleep-2000", "shared's time over that in asleep-10", (Time(Shared), TimeIn("asleep-10", Shared)), AtMost, 1.5),
    // A query costs one round trip. A pool that makes another one doubles the time.
    claim(Mysql, "uncontended", "shared's throughput over a dedicated connection's", (Throughput(Shared), Throughput(Dedicated)), AtLeast, 0.95),
    claim(Mysql, "uncontended", "shared's throughput over mysql::Pool's", (Throughput(Shared), Throughput(MysqlPool)), AtLeast, 2.0),
    claim(Mysql, "uncontended", "shared's throughput over r2d2_mysql's", (Throughput(Shared), Throughput(R2d2Mysql)), AtLeast, 2.0),
    claim(Mysql, "point-select", "shared's throughput over dedicated connections'", (Throughput(Shared), Throughput(Dedicated)), AtLeast, 0.95),
    claim(Mysql, "point-select", "shared's throughput over mysql::Pool's", (Throughput(Shared), Throughput(MysqlPool)), AtLeast, 3.0),
    claim(Mysql, "point-select", "shared's throughput over r2d2_mysql's", (Throughput(Shared), Throughput(R2d2Mysql)), AtLeast, 2.0),
    // r2d2_mysql pings on return with any pool, and on borrow only with r2d2 and `compat`. What asks
    // the server as often as r2d2 can only be as fast, within the noise.
    claim(Mysql, "point-select", "shared-r2d2's throughput over r2d2's", (Throughput(SharedR2d2), Throughput(R2d2Mysql)), AtLeast, 1.0),
    claim(Mysql, "point-select", "persistent-r2d2's throughput over r2d2's", (Throughput(PersistentR2d2), Throughput(R2d2Mysql)), AtLeast, 1.0),
    claim(Mysql, "point-select", "queue-r2d2's throughput over r2d2's", (Throughput(QueueR2d2), Throughput(R2d2Mysql)), AtLeast, 1.0),
    claim(Mysql, "point-select", "compat's throughput over r2d2's", (Throughput(Compat), Throughput(R2d2Mysql)), AtLeast, 0.95),
    // When rows are written, the comparison is with a pool that never resets.
    claim(Mysql, "insert", "shared's throughput over r2d2_mysql's", (Throughput(Shared), Throughput(R2d2Mysql)), AtLeast, 1.0),
    // The manager adds a few microseconds to opening a connection.
    claim(Mysql, "connect", "our manager's time over the bare driver's", (Time(ManagerPerUse), Time(ConnectPerUse)), AtMost, 1.1),
    // The same on PostgreSQL, where r2d2 makes one round trip more, and none on return.
    claim(Postgres, "uncontended", "shared's throughput over r2d2's", (Throughput(Shared), Throughput(R2d2)), AtLeast, 1.2),
    claim(Postgres, "point-select", "shared's throughput over r2d2's", (Throughput(Shared), Throughput(R2d2)), AtLeast, 1.2),
    claim(Postgres, "point-select", "shared-r2d2's throughput over r2d2's", (Throughput(SharedR2d2), Throughput(R2d2)), AtLeast, 1.0),
    claim(Postgres, "point-select", "persistent-r2d2's throughput over r2d2's", (Throughput(PersistentR2d2), Throughput(R2d2)), AtLeast, 1.0),
    claim(Postgres, "point-select", "queue-r2d2's throughput over r2d2's", (Throughput(QueueR2d2), Throughput(R2d2)), AtLeast, 1.0),
    claim(Postgres, "point-select", "compat's throughput over r2d2's", (Throughput(Compat), Throughput(R2d2)), AtLeast, 0.95),
];

const fn claim(
    backend: Backend,
    workload: &'static str,
    promise: &'static str,
    ratio: (Figure, Figure),
    sense: Sense,
    limit: f64,
) -> Claim {
    Claim { backend, workload, promise, ratio, sense, limit }
}

/// A claim: a limit for a ratio of two figures.
struct Claim {
    backend: Backend,
    workload: &'static str,
    promise: &'static str,
    /// The first figure is divided by the second.
    ratio: (Figure, Figure),
    sense: Sense,
    limit: f64,
}

/// A figure of the claim's workload, or of the workload that it names.
#[derive(Clone, Copy)]
enum Figure {
    /// From the end of one operation to the end of the next, of any thread.
    Time(ContenderKind),
    /// The same in the named workload.
    TimeIn(&'static str, ContenderKind),
    /// The first pool's time divided by the second's, in the named workload.
    TimeOver(&'static str, ContenderKind, ContenderKind),
    Throughput(ContenderKind),
    /// Of the contender with the best median, among those that were measured.
    BestThroughput(&'static [ContenderKind]),
    WaitP99(ContenderKind),
    /// threads / connections × hold.
    IdealWait(ContenderKind),
    Fairness(ContenderKind),
    One,
}

/// Judges each claim whose figures were all measured without errors, in this many rounds of this
/// length. With too few or too short rounds it returns the figures without a verdict: see
/// [`is_enough`].
pub fn judge(outcomes: &[Outcome], rounds: usize, window: Duration) -> Vec<Verdict> {
    let mut verdicts: Vec<_> = CLAIMS.iter().filter_map(|claim| claim.judge(outcomes)).collect();
    if !is_enough(rounds, window) {
        for verdict in &mut verdicts {
            (verdict.holds, verdict.interval) = (None, None);
        }
    }
    verdicts
}

/// Whether a claim on this backend is about the workload, or compares it with another one.
pub(crate) fn judges(backend: Backend, workload: &str) -> bool {
    CLAIMS.iter().any(|claim| claim.backend == backend && claim.workloads().contains(&workload))
}

/// The contenders that the workload's claims on this backend compare, those of the first claim
/// first.
pub(crate) fn rivals(backend: Backend, workload: &str) -> Vec<ContenderKind> {
    pools_of(those_of(backend, workload))
}

/// The contenders of those claims that these outcomes leave undecided.
pub(crate) fn undecided(
    outcomes: &[Outcome],
    backend: Backend,
    workload: &str,
) -> Vec<ContenderKind> {
    let judged = those_of(backend, workload).map(|claim| (claim, claim.judge(outcomes)));
    let undecided = judged.filter(|(_, it)| it.as_ref().is_some_and(Verdict::is_undecided));
    pools_of(undecided.map(|(claim, _)| claim))
}

fn pools_of<'c>(claims: impl Iterator<Item = &'c Claim>) -> Vec<ContenderKind> {
    let mut pools = Vec::new();
    for pool in claims.flat_map(Claim::pools) {
        if !pools.contains(&pool) {
            pools.push(pool);
        }
    }
    pools
}

fn those_of(backend: Backend, workload: &str) -> impl Iterator<Item = &'static Claim> {
    CLAIMS.iter().filter(move |claim| claim.backend == backend && claim.workload == workload)
}

/// The claims about scenarios: the scenario's figure is at most the limit, on every backend. They
/// are about what users see when many come at once, when the server is down, or when load is too
/// high.
const SCENARIO_CLAIMS: [(&str, &str, f64); 4] = [
    // Fifty threads with short queries need few connections. Connections that are ready only after
    // the demand is over cost the server and help no thread. Two waves of four dials, and on PostgreSQL
    // the session on which the manager asks about users' code.
    (SPIKE.name, "connections opened for 50 threads", 9.0),
    // While threads wait, one dialer tries at least every 200 ms.
    (OUTAGE.name, "ms from the server's return to the first that is served", 250.0),
    // Four waves of four dials of 1 s.
    (FIRST_GETS.name, "ms to the last of 16 that each need a new connection", 4_200.0),
    // Waiters are served in order and leave the queue at their timeout, so no backlog remains.
    (OVERLOAD.name, "ms of timeouts after the load was lowered", 3_000.0),
];

/// Judges each run of the shared pool that was complete and not shortened.
pub fn judge_scenarios(runs: &[ScenarioRun]) -> Vec<Verdict> {
    let shared = runs.iter().filter(|run| run.pool == Shared.name() && run.scale == 1.0);
    shared.filter_map(judge_scenario).collect()
}

fn judge_scenario(run: &ScenarioRun) -> Option<Verdict> {
    let is_meant = |(scenario, ..): &&(&str, _, _)| *scenario == run.scenario;
    let (_, promise, limit) = SCENARIO_CLAIMS.iter().find(is_meant)?;
    let measured = run.figure?;
    Some(Verdict {
        workload: run.scenario.clone(),
        promise: format!("{promise} ({})", run.backend),
        sense: AtMost,
        limit: *limit,
        measured,
        least: None,
        greatest: None,
        interval: None,
        holds: Some(AtMost.holds(measured, *limit)),
    })
}

impl Claim {
    fn judge(&self, outcomes: &[Outcome]) -> Option<Verdict> {
        let Ratio { measured, range, interval } = self.ratio(outcomes)?;
        Some(Verdict {
            workload: self.workload.into(),
            promise: match self.backend {
                Synthetic => self.promise.into(),
                backend => format!("{} ({})", self.promise, backend.name()),
            },
            sense: self.sense,
            limit: self.limit,
            measured,
            least: range.map(|(least, _)| least),
            greatest: range.map(|(_, greatest)| greatest),
            interval,
            holds: interval.and_then(|(low, high)| {
                let [low, high] = [low, high].map(|end| self.sense.holds(end, self.limit));
                (low == high).then_some(low)
            }),
        })
    }

    fn ratio(&self, outcomes: &[Outcome]) -> Option<Ratio> {
        let measured = |figure: Figure| figure.of(self.backend, self.workload, outcomes);
        Some(Ratio::of(&measured(self.ratio.0)?, &measured(self.ratio.1)?))
    }

    /// The workloads whose turns it compares.
    fn workloads(&self) -> Vec<&'static str> {
        let mut workloads = vec![self.workload];
        for figure in [self.ratio.0, self.ratio.1] {
            if let TimeIn(other, _) | TimeOver(other, ..) = figure {
                workloads.push(other);
            }
        }
        workloads
    }

    /// The contenders whose turns it compares.
    fn pools(&self) -> Vec<ContenderKind> {
        let of = |figure: Figure| match figure {
            Time(pool) | TimeIn(_, pool) | Throughput(pool) | WaitP99(pool) | Fairness(pool) => {
                vec![pool]
            }
            TimeOver(_, pool, other) => vec![pool, other],
            BestThroughput(pools) => pools.to_vec(),
            IdealWait(_) | One => vec![],
        };
        [of(self.ratio.0), of(self.ratio.1)].concat()
    }
}

/// A measured figure.
enum Measured {
    /// One for each round of the claim's workload, in their order.
    Rounds(Vec<f64>),
    /// From the rounds of another workload, or of more than one contender: the figure and its interval.
    Elsewhere(f64, Option<(f64, f64)>),
    /// Not measured.
    Constant(f64),
}

impl Measured {
    fn whole(&self) -> f64 {
        match self {
            Rounds(rounds) => median(rounds),
            Elsewhere(whole, _) | Constant(whole) => *whole,
        }
    }

    fn interval(&self) -> Option<(f64, f64)> {
        match self {
            Rounds(rounds) => {
                let mut sorted = rounds.clone();
                sorted.sort_by(f64::total_cmp);
                interval::of_median(&sorted)
            }
            Elsewhere(_, interval) => *interval,
            Constant(whole) => Some((*whole, *whole)),
        }
    }
}

struct Ratio {
    measured: f64,
    /// The least and the greatest ratio, if the ratio was taken within rounds.
    range: Option<(f64, f64)>,
    /// The 95 % confidence interval.
    interval: Option<(f64, f64)>,
}

impl Ratio {
    fn of(over: &Measured, under: &Measured) -> Self {
        match (over, under) {
            (Rounds(over), Rounds(under)) => {
                Self::of_rounds(over.iter().zip(under).map(|(over, under)| over / under).collect())
            }
            (Rounds(over), Constant(under)) => {
                Self::of_rounds(over.iter().map(|over| over / under).collect())
            }
            // Without pairs the intervals are divided, which is wider than 95 % needs.
            _ => Self {
                measured: over.whole() / under.whole(),
                range: None,
                interval: over.interval().zip(under.interval()).map(
                    |((over_low, over_high), (under_low, under_high))| {
                        (over_low / under_high, over_high / under_low)
                    },
                ),
            },
        }
    }

    fn of_rounds(mut ratios: Vec<f64>) -> Self {
        ratios.sort_by(f64::total_cmp);
        let half = ratios.len() / 2;
        let measured = match ratios.len() {
            0 => f64::NAN, // no claim holds for it
            len if len % 2 == 1 => ratios[half],
            // The geometric mean, because that of y/x is one over that of x/y.
            _ => (ratios[half - 1] * ratios[half]).sqrt(),
        };
        let range = ratios.first().copied().zip(ratios.last().copied());
        Self { measured, range, interval: interval::of_median(&ratios) }
    }
}

impl Figure {
    fn of(self, backend: Backend, workload: &str, outcomes: &[Outcome]) -> Option<Measured> {
        let row = |pool| find(outcomes, backend, workload, pool);
        let rounds = |pool, figure: fn(&Turn) -> Option<f64>| {
            row(pool)?.turns.iter().map(figure).collect::<Option<Vec<_>>>().map(Rounds)
        };
        match self {
            Time(pool) => rounds(pool, |turn| Some(1e9 / turn.ops_per_s)),
            TimeIn(workload, pool) => {
                let time = Time(pool).of(backend, workload, outcomes)?;
                Some(Elsewhere(time.whole(), time.interval()))
            }
            TimeOver(workload, pool, other) => {
                let time = |pool| Time(pool).of(backend, workload, outcomes);
                let ratio = Ratio::of(&time(pool)?, &time(other)?);
                Some(Elsewhere(ratio.measured, ratio.interval))
            }
            Throughput(pool) => rounds(pool, |turn| Some(turn.ops_per_s)),
            BestThroughput(pools) => {
                let throughput = |&pool| Throughput(pool).of(backend, workload, outcomes);
                let rivals = pools.iter().filter_map(throughput);
                rivals.max_by(|a, b| a.whole().total_cmp(&b.whole()))
            }
            WaitP99(pool) => rounds(pool, |turn| turn.wait_p99_ns),
            IdealWait(pool) => Some(Constant(row(pool)?.measurement.ideal_wait_ns? as f64)),
            Fairness(pool) => rounds(pool, |turn| Some(turn.fairness)),
            One => Some(Constant(1.0)),
        }
    }
}

fn find<'o>(
    outcomes: &'o [Outcome],
    backend: Backend,
    workload: &str,
    pool: ContenderKind,
) -> Option<&'o Outcome> {
    outcomes.iter().find(|Outcome { measurement, .. }| {
        measurement.backend == backend.name()
            && measurement.workload == workload
            && measurement.pool == pool.name()
            && measurement.ops > 0
            && measurement.errors == 0
    })
}

#[cfg(test)]
mod tests {
    use threadwise_figures::Measurement;

    use super::*;
    use crate::{assemble, experiments::scenarios};

    const ROUNDS: usize = 5;
    const WINDOW: Duration = Duration::from_millis(200);

    fn judge(outcomes: &[Outcome]) -> Vec<Verdict> {
        super::judge(outcomes, ROUNDS, WINDOW)
    }

    fn outcome(workload: &str, pool: ContenderKind, ops_per_s: f64) -> Outcome {
        let measurement = Measurement {
            backend: "synthetic".into(),
            workload: workload.into(),
            pool: pool.name().into(),
            threads: 64,
            size: 8,
            hold_ns: 500_000,
            ideal_wait_ns: Some(4_000_000),
            ops: 1,
            ns_per_op: Some(64e9 / ops_per_s),
            ops_per_s,
            wait_p50_ns: None,
            wait_p99_ns: Some(1), // of all rounds together, which one bad round distorts
            wait_p999_ns: None,
            wait_max_ns: None,
            fairness: 0.9,
            opened: 8,
            writes_per_s: None,
            errors: 0,
            ..Measurement::default()
        };
        let turns = vec![turn(ops_per_s); 6]; // the fewest with an interval
        Outcome { pool, measurement, turns }
    }

    fn turn(ops_per_s: f64) -> Turn {
        Turn { ops_per_s, fairness: 0.9, wait_p99_ns: Some(4_400_000.0) }
    }

    /// An outcome with these throughputs in its rounds.
    fn rounds(workload: &str, pool: ContenderKind, ops_per_s: &[f64]) -> Outcome {
        let turns: Vec<_> = ops_per_s.iter().map(|&ops_per_s| turn(ops_per_s)).collect();
        Outcome { turns, ..outcome(workload, pool, median(ops_per_s)) }
    }

    fn on(backend: Backend, mut outcome: Outcome) -> Outcome {
        outcome.measurement.backend = backend.name().into();
        outcome
    }

    #[test]
    fn a_claim_on_mariadb_uses_its_figures_and_names_the_backend() {
        let read = |pool, ops| on(Mysql, outcome("point-select", pool, ops));
        let verdicts = judge(&[
            outcome("point-select", MysqlPool, 1e9), // on another backend
            read(Shared, 6e4),
            read(MysqlPool, 2e4),
        ]);
        let [verdict] = &verdicts[..] else { panic!("{verdicts:?}") };
        assert_eq!((verdict.measured, verdict.holds), (3.0, Some(true)));
        assert!(verdict.promise.ends_with("(mysql)"), "{}", verdict.promise);
    }

    /// With few waiters, `shared` is as fast as `fifo`, which becomes slower with many.
    fn crowds(shared_with_many: f64) -> [Outcome; 4] {
        [
            outcome("crowd-10", Shared, 4e5),
            outcome("crowd-10", Fifo, 4e5),
            outcome("crowd-2000", Shared, shared_with_many),
            outcome("crowd-2000", Fifo, 2e5),
        ]
    }

    fn ratios(outcomes: &[Outcome]) -> Vec<(String, f64, bool)> {
        let verdicts = judge(outcomes).into_iter();
        verdicts
            .map(|verdict| {
                let holds = verdict.holds.expect("enough was measured to judge it");
                (verdict.workload, (verdict.measured * 1e6).round() / 1e6, holds)
            })
            .collect()
    }

    #[test]
    fn every_claim_is_about_figures_that_are_measured() {
        let cases = assemble::all();
        let measured = |backend: Backend| {
            let rows = cases.iter().flat_map(move |case| {
                case.workload.pools(backend).map(|pool| (case.workload.name, pool))
            });
            rows.map(move |(workload, pool)| on(backend, outcome(workload, pool, 1e6)))
        };
        let outcomes: Vec<_> =
            [Synthetic, Mysql, Postgres].into_iter().flat_map(measured).collect();
        assert_eq!(judge(&outcomes).len(), CLAIMS.len());
    }

    #[test]
    fn contenders_are_compared_within_each_round() {
        let hold = |pool, ops_per_s| rounds("short-holds", pool, ops_per_s);
        let [verdict] = &judge(&[
            // 1, 1.5 and 4 times as much as r2d2. The ratio of the medians is 2.
            hold(Shared, &[100.0, 300.0, 200.0]),
            hold(R2d2, &[100.0, 200.0, 50.0]),
        ])[..] else {
            panic!("there is one claim")
        };
        let range = (verdict.least, verdict.greatest);
        assert_eq!((verdict.measured, range), (1.5, (Some(1.0), Some(4.0))));
    }

    #[test]
    fn the_median_ratio_of_the_inverse_is_the_inverse() {
        let ratio = |ratios: &[f64]| Ratio::of_rounds(ratios.to_vec()).measured;
        for ratios in [&[0.5, 2.0, 4.0][..], &[0.5, 2.0], &[0.25, 0.5, 2.0, 8.0]] {
            let inverse: Vec<_> = ratios.iter().map(|ratio| 1.0 / ratio).collect();
            assert!((ratio(ratios) * ratio(&inverse) - 1.0).abs() < 1e-12, "{ratios:?}");
        }
    }

    #[test]
    fn a_claim_is_decided_only_if_its_whole_interval_is_on_one_side_of_the_limit() {
        let verdict = |ops_per_s: &[f64]| {
            let hold = |pool, ops_per_s: &[f64]| rounds("short-holds", pool, ops_per_s);
            let verdicts = judge(&[hold(Shared, ops_per_s), hold(R2d2, &[100.0; 6])]);
            (verdicts[0].holds, verdicts[0].interval)
        };
        let six = [101.0, 110.0, 120.0, 130.0, 140.0, 150.0];
        assert_eq!(verdict(&six), (Some(true), Some((1.01, 1.5))));
        assert_eq!(verdict(&six.map(|ops| ops - 60.0)), (Some(false), Some((0.41, 0.9))));
        assert_eq!(verdict(&six.map(|ops| ops - 20.0)), (None, Some((0.81, 1.3))), "cannot tell");
        assert_eq!(verdict(&six[..5]), (None, None), "too few rounds");
    }

    #[test]
    fn two_workloads_have_no_rounds_in_common() {
        let [verdict] = &judge(&crowds(1.6e5))[..] else { panic!("there is one claim") };
        assert_eq!((verdict.measured, verdict.least, verdict.greatest), (1.25, None, None));
    }

    #[test]
    fn the_best_rival_is_the_one_with_the_best_median_not_the_luckiest() {
        let hold = |pool, ops_per_s| rounds("long-holds", pool, ops_per_s);
        let verdicts = judge(&[
            hold(Shared, &[100.0, 100.0, 100.0]),
            hold(Mutex, &[100.0, 90.0, 100.0]),
            hold(Queue, &[50.0, 400.0, 50.0]),
        ]);
        let over_the_best = verdicts.last().expect("there are three claims");
        assert!(over_the_best.promise.contains("the best of"), "{verdicts:?}");
        assert_eq!((over_the_best.measured, over_the_best.greatest), (1.0, Some(100.0 / 90.0)));
    }

    #[test]
    fn claims_with_missing_or_failed_figures_are_not_judged() {
        assert_eq!(judge(&[outcome("uncontended", Shared, 9e6)]), []);
        let mut failed = outcome("uncontended", Floor, 1e7);
        failed.measurement.errors = 1;
        assert_eq!(judge(&[outcome("uncontended", Shared, 9e6), failed]), []);
    }

    #[test]
    fn times_are_compared_as_times_and_throughputs_as_throughputs() {
        let uncontended = [
            outcome("uncontended", Shared, 8e7),
            outcome("uncontended", Floor, 1e8),
            outcome("uncontended", R2d2, 1e7),
        ];
        let expected = [("uncontended".into(), 1.25, true), ("uncontended".into(), 8.0, false)];
        assert_eq!(ratios(&uncontended), expected);
    }

    #[test]
    fn crowds_are_compared_relative_to_fifo() {
        assert_eq!(ratios(&crowds(1.6e5)), [("crowd-2000".into(), 1.25, true)]);
        assert_eq!(ratios(&crowds(1e5)), [("crowd-2000".into(), 2.0, false)]);
    }

    #[test]
    fn asleep_workloads_are_compared_by_the_time_of_the_running_thread() {
        let asleep = |with_many| {
            let few = outcome("asleep-10", Shared, 3e6);
            ratios(&[few, outcome("asleep-2000", Shared, with_many)])
        };
        assert_eq!(asleep(2e6), [("asleep-2000".into(), 1.5, true)]);
        assert_eq!(asleep(1e6), [("asleep-2000".into(), 3.0, false)]);
    }

    #[test]
    fn long_holds_are_compared_with_the_ideal_and_the_best_rival() {
        let held = [
            outcome("long-holds", Shared, 95.0),
            outcome("long-holds", Mutex, 100.0),
            outcome("long-holds", Queue, 50.0),
        ];
        let name = || String::from("long-holds");
        let expected = [(name(), 1.1, true), (name(), 0.9, false), (name(), 0.95, true)];
        assert_eq!(ratios(&held), expected);
    }

    fn run(scenario: &str, pool: ContenderKind, figure: Option<f64>, scale: f64) -> ScenarioRun {
        ScenarioRun {
            timeline: Vec::new(),
            backend: "synthetic".into(),
            scenario: scenario.into(),
            pool: pool.name().into(),
            figure,
            unit: "ms".into(),
            opened: 1,
            served: 1,
            errors: 0,
            wait_p50_ms: None,
            wait_p99_ms: None,
            scale,
        }
    }

    #[test]
    fn every_scenario_has_a_claim_about_the_shared_pool_only() {
        for scenario in scenarios::ALL.map(|scenario| scenario.name) {
            let judged = |figure| judge_scenarios(&[run(scenario, Shared, Some(figure), 1.0)]);
            assert!(
                judged(1.0)[0].holds == Some(true) && judged(1e6)[0].holds == Some(false),
                "{scenario}"
            );
            assert_eq!(judge_scenarios(&[run(scenario, R2d2, Some(1.0), 1.0)]), []);
        }
    }

    #[test]
    fn scenarios_that_failed_or_were_shortened_are_not_judged() {
        assert_eq!(judge_scenarios(&[run(SPIKE.name, Shared, None, 1.0)]), []);
        assert_eq!(judge_scenarios(&[run(OUTAGE.name, Shared, Some(1.0), 0.1)]), []);
    }

    #[test]
    fn a_claim_is_not_judged_by_too_few_or_too_short_turns() {
        let ms = Duration::from_millis;
        for (rounds, window) in [(1, ms(20)), (5, ms(99)), (2, ms(500))] {
            let verdicts = super::judge(&crowds(1e5), rounds, window);
            assert_eq!(verdicts[0].holds, None, "{rounds} turns of {window:?}");
            assert_eq!(verdicts[0].measured, 2.0, "the figure is there");
        }
        assert!(super::judge(&crowds(1e5), 3, ms(100))[0].holds.is_some());
    }
}
