//! An invented report with figures of every kind.

use std::time::Duration;
use threadwise_bench::backend::Backend;
use threadwise_bench::breakdown::{Breakdown, Parts};
use threadwise_bench::claims::{Sense, Verdict};
use threadwise_bench::distribution::WaitAt;
use threadwise_bench::memory::{self, Footprint};
use threadwise_bench::names::ContenderKind;
use threadwise_bench::report::{Measurement, Report};
use threadwise_bench::scenario::{Moment, Scenario, ScenarioRun};
use threadwise_bench::sweep::{self, Sweep};
use threadwise_bench::workload;

/// A text that a page must not treat as markup.
pub(crate) const NASTY: &str = "<script>alert('x')</script> & \"so on\"";

/// Returns a report with every contender in every workload, one of them with errors and one without
/// a success; every scenario; claims that hold and one that does not.
pub(crate) fn report() -> Report {
    let mut results: Vec<_> = Backend::ALL.into_iter().flat_map(measurements).collect();
    results[2].errors = 3;
    results[2].first_error = Some(NASTY.into());
    results[3] = nothing(&results[3]);
    // The longest name with a star.
    let tuned = results.iter_mut().filter(|row| row.pool == ContenderKind::MysqlPoolTuned.name());
    for row in tuned {
        (row.ops_per_s, row.wait_p999_ns) = (3e9, Some(1));
    }
    let runs = [Backend::Synthetic, Backend::Mysql].into_iter().flat_map(runs).collect();
    let claims = vec![
        verdict("shared's time over floor's", Sense::AtMost, 1.4, 1.29),
        verdict("shared's throughput over r2d2's", Sense::AtLeast, 10.0, 131.0),
        verdict(NASTY, Sense::Over, 0.9, 0.31),
    ];
    let mut report = Report::new(results, runs, claims).in_turns(5, Duration::from_millis(200));
    let [threads, sizes] = Sweep::ALL.map(|sweep| points_of(sweep).collect());
    (report.sweep, report.sizes) = (threads, sizes);
    report.breakdowns = breakdowns();
    report.memory = memory::POOLS.into_iter().zip(0_u32..).map(footprint).collect();
    report
}

/// Returns parts of very different sizes, one of them negative, and one contender that failed.
fn breakdowns() -> Vec<Breakdown> {
    let backend = || Backend::Mysql.name().to_owned();
    let pools = ContenderKind::all_on(Backend::Mysql).zip(0_u32..);
    let breakdown = pools.map(|(pool, place)| {
        let (round_trip_ns, round_trips) = (16_200.0, f64::from(1 + place / 2));
        let [pool_ns, query_ns] = [-80.0 + 9_000.0 * f64::from(place), 9_870.0];
        let total_ns = pool_ns + query_ns + round_trips * round_trip_ns;
        let parts = Parts { total_ns, pool_ns, query_ns, round_trip_ns, round_trips };
        Breakdown { backend: backend(), pool: pool.name().into(), parts: Some(parts), error: None }
    });
    let (pool, error) = (ContenderKind::Dedicated.name().into(), Some(NASTY.into()));
    breakdown.chain([Breakdown { backend: backend(), pool, parts: None, error }]).collect()
}

fn measurements(backend: Backend) -> Vec<Measurement> {
    let workloads = workload::all().into_iter().filter(|it| it.runs_on(backend));
    let rows = workloads.flat_map(|workload| {
        let pools: Vec<_> = workload.pools(backend).collect();
        pools
            .into_iter()
            .zip(1..)
            .map(|(pool, place)| {
                let hold_ns = workload.hold(backend).duration().as_nanos() as u64;
                let shape = (workload.threads(), workload.size());
                measurement((backend, workload.name(), pool), shape, hold_ns, place)
            })
            .collect::<Vec<_>>()
    });
    rows.collect()
}

/// A contender with a later place is slower, from nanoseconds to seconds.
fn measurement(
    (backend, workload, pool): (Backend, &str, ContenderKind),
    (threads, size): (usize, usize),
    hold_ns: u64,
    place: u32,
) -> Measurement {
    let ops_per_s = 2e9 / 9_f64.powi(place as i32);
    let wait = 15 * 7_u64.pow(place);
    Measurement {
        backend: backend.name().into(),
        workload: workload.into(),
        pool: pool.name().into(),
        threads,
        size,
        hold_ns,
        rounds: 5,
        window_ms: 200.0,
        ops: ops_per_s as u64 + 1,
        ns_per_op: Some(threads as f64 * 1e9 / ops_per_s),
        ops_per_s,
        ops_per_s_min: ops_per_s * 0.9,
        ops_per_s_max: ops_per_s * 1.1,
        wait_p50_ns: Some(wait),
        wait_p99_ns: Some(wait * 3),
        wait_p999_ns: Some(wait * 20),
        wait_max_ns: Some(wait * 90),
        fairness: 1.0 / f64::from(place),
        opened: size as u64,
        cpu_user_s: Some(0.4),
        cpu_system_s: Some(0.2),
        switches_voluntary: Some(70_000),
        switches_involuntary: Some(300),
        wait_distribution: vec![
            WaitAt { share: 0.0, ns: wait / 2 },
            WaitAt { share: 0.5, ns: wait },
            WaitAt { share: 0.99, ns: wait * 3 },
            WaitAt { share: 0.999, ns: wait * 20 },
            WaitAt { share: 0.9999, ns: wait * 70 },
            WaitAt { share: 1.0, ns: wait * 90 },
        ],
        ..Measurement::default()
    }
}

fn footprint((pool, place): (ContenderKind, u32)) -> Footprint {
    Footprint {
        pool: pool.name().into(),
        idle_bytes: Some(8.0 + f64::from(place * 90)),
        waiter_bytes: (pool != ContenderKind::Persistent).then(|| f64::from(place * 130)),
        error: None,
    }
}

/// Returns lines that end close together, one with few points, and one with a long name.
fn points_of(sweep: Sweep) -> impl Iterator<Item = Measurement> {
    let pools = Backend::ALL.into_iter().flat_map(|backend| {
        ContenderKind::all_on(backend)
            .filter(|&pool| pool != ContenderKind::Floor)
            .map(move |it| (backend, it))
    });
    pools.zip(0_u32..).flat_map(move |((backend, pool), place)| {
        let shapes = sweep.steps().iter().map(move |&step| match sweep {
            Sweep::Threads => (step, sweep::SIZE),
            Sweep::Sizes => (sweep::CROWD, step),
        });
        let fits = move |&(threads, size): &_| pool != ContenderKind::Persistent || threads <= size;
        shapes.filter(fits).map(move |shape @ (threads, size)| {
            let row = measurement((backend, sweep.name(), pool), shape, 100_000, 1 + place % 3);
            let ops_per_s = 9_000.0 * threads.min(size) as f64 - f64::from(place * 30);
            let wait = 90 * (threads as u64).pow(2) / size as u64;
            Measurement { ops_per_s, wait_p99_ns: Some(wait), ..row }
        })
    })
}

fn nothing(row: &Measurement) -> Measurement {
    Measurement {
        ops: 0,
        ops_per_s: 0.0,
        ns_per_op: None,
        wait_p50_ns: None,
        wait_p99_ns: None,
        wait_p999_ns: None,
        wait_max_ns: None,
        wait_distribution: Vec::new(),
        fairness: 0.0,
        errors: 1,
        ..row.clone()
    }
}

fn runs(backend: Backend) -> Vec<ScenarioRun> {
    let all = Scenario::ALL.into_iter().flat_map(|scenario| {
        scenario.pools(backend).iter().zip(0_u32..).map(move |(pool, place)| ScenarioRun {
            backend: backend.name().into(),
            scenario: scenario.name().into(),
            pool: pool.name().into(),
            figure: (place < 2).then(|| 85.0 * 50_f64.powi(place as i32)),
            unit: scenario.unit().into(),
            opened: 50,
            served: 500,
            errors: 5_000,
            wait_p50_ms: Some(0.1),
            wait_p99_ms: Some(16_000.0),
            scale: 1.0,
            timeline: timeline(scenario, u64::from(place)),
        })
    });
    all.collect()
}

fn timeline(scenario: Scenario, place: u64) -> Vec<Moment> {
    if scenario != Scenario::Spike {
        return Vec::new();
    }
    let late = 8.0_f64.powi(place as i32);
    let moment = |(ms, connections, waiting, served): (f64, u64, u64, u64)| Moment {
        ms: ms * late,
        connections: connections + 15 * place,
        waiting,
        served,
    };
    [(0.01, 0, 50, 0), (2.0, 8, 50, 0), (151.0, 8, 42, 8), (163.0, 8, 0, 50), (465.0, 8, 0, 50)]
        .map(moment)
        .to_vec()
}

fn verdict(promise: &str, sense: Sense, limit: f64, measured: f64) -> Verdict {
    let holds = match sense {
        Sense::AtMost => measured <= limit,
        Sense::AtLeast | Sense::Over => measured > limit,
    };
    Verdict {
        workload: "uncontended".into(),
        promise: promise.into(),
        sense,
        limit,
        measured,
        least: Some(measured * 0.9),
        greatest: Some(measured * 1.2),
        holds: Some(holds),
    }
}
