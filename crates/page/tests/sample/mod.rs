//! An invented report with figures of every kind.

use std::collections::BTreeMap;
use std::time::Duration;

use threadwise_figures::{
    Backend, Breakdown, ContenderKind, Footprint, Hold, Machine, Measurement, Moment, Parts,
    Property, Report, ScenarioRun, Sense, Stamp, Sweep, Verdict, WaitAt,
};

/// A workload: its name and question, threads, connections, the hold and the think time in
/// nanoseconds.
type Workload = (&'static str, &'static str, usize, usize, u64, u64);

const EVERYWHERE: [Workload; 4] = [
    ("uncontended", "what does a borrow and return cost?", 1, 1, 0, 0),
    (
        "starved",
        "how long do threads wait if there are eight for each connection?",
        32,
        4,
        100_000,
        0,
    ),
    ("think-time", "how many connections are opened?", 64, 16, 100_000, 10_000_000),
    ("as-many", "do threads slow each other down?", 8, 8, 0, 0),
];
const DATABASES: [Workload; 2] = [
    ("point-select", "how many rows per second can be read?", 8, 8, 0, 0),
    ("insert", "how many rows per second can be added?", 8, 8, 0, 0),
];
const SYNTHETIC: [Workload; 2] = [
    ("long-holds", "does every thread get its turn in time?", 64, 8, 500_000, 0),
    ("crowd-2000", "what does a handoff cost while 2000 threads wait?", 2_004, 4, 0, 0),
];
/// The scenarios, their units, and whether each has a timeline.
const SCENARIOS: [(&str, &str, &str, bool); 4] = [
    ("spike", "how many connections are opened for 50 threads?", "connections", true),
    ("outage", "how long after a server returns is the first thread served?", "ms", false),
    ("first-gets", "when is the last of 16 threads served?", "ms", false),
    ("overload", "for how long do timeouts continue?", "ms", false),
];

fn workloads(backend: Backend) -> impl Iterator<Item = Workload> {
    let more = if backend == Backend::Synthetic { SYNTHETIC } else { DATABASES };
    EVERYWHERE.into_iter().chain(more)
}

fn questions() -> BTreeMap<String, String> {
    let workloads = Backend::ALL.into_iter().flat_map(workloads).map(|it| (it.0, it.1));
    let all = workloads.chain(SCENARIOS.map(|it| (it.0, it.1)));
    all.map(|(name, question)| (name.into(), question.into())).collect()
}

fn stamp() -> Stamp {
    let machine = Machine {
        cpu: "An Invented Processor".into(),
        cores: 2,
        memory_bytes: 24 << 30,
        os: "Some GNU/Linux".into(),
        kernel: "Linux 6.0".into(),
    };
    Stamp {
        machine,
        commit: "0123456789abcdef0123456789abcdef01234567".into(),
        date: "2026-01-02T03:04:05Z".into(),
        command: "threadwise-bench compare".into(),
    }
}

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
    let [sweep, sizes] = [Sweep::Threads, Sweep::Sizes].map(|sweep| points_of(sweep).collect());
    let pools = ["shared", "persistent", "queue", "r2d2", "mutex"];
    let report = Report {
        stamp: stamp(),
        questions: questions(),
        results,
        sweep,
        sizes,
        fair_after: fair_after(),
        memory: pools.into_iter().zip(0_u32..).map(footprint).collect(),
        scenarios: runs,
        claims,
        breakdowns: breakdowns(),
        ..Report::default()
    };
    report.in_turns(5, Duration::from_millis(200))
}

/// Returns parts of very different sizes, one of them negative, and one contender that failed.
fn breakdowns() -> Vec<Breakdown> {
    let backend = || Backend::Mysql.name().to_owned();
    let pools = usual_on(Backend::Mysql).zip(0_u32..);
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

/// The contenders that take part almost everywhere.
fn usual_on(backend: Backend) -> impl Iterator<Item = ContenderKind> {
    ContenderKind::all_on(backend).filter(|pool| !pool.has(Property::Adapted))
}

fn measurements(backend: Backend) -> Vec<Measurement> {
    let rows = workloads(backend).flat_map(|workload| {
        let (name, _, threads, size, hold_ns, think_ns) = workload;
        let hold_ns = if backend == Backend::Synthetic { hold_ns } else { 0 };
        let takes_part = move |pool: &ContenderKind| {
            !pool.has(Property::Adapted) || ["uncontended", "point-select"].contains(&name)
        };
        let pools = ContenderKind::all_on(backend).filter(takes_part);
        pools.zip(1..).map(move |(pool, place)| Measurement {
            hold_ns,
            hold: (hold_ns > 0).then_some(Hold::Asleep),
            think_ns,
            ideal_wait_ns: (hold_ns > 0 && think_ns == 0 && threads > size)
                .then_some(hold_ns * (threads / size) as u64),
            ..measurement((backend, name, pool), (threads, size), place)
        })
    });
    rows.collect()
}

/// A contender with a later place is slower, from nanoseconds to seconds.
fn measurement(
    (backend, workload, pool): (Backend, &str, ContenderKind),
    (threads, size): (usize, usize),
    place: u32,
) -> Measurement {
    let ops_per_s = 2e9 / 9_f64.powi(place as i32);
    let wait = 15 * 5_u64.pow(place);
    Measurement {
        backend: backend.name().into(),
        workload: workload.into(),
        pool: pool.name().into(),
        threads,
        size,
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

fn footprint((pool, place): (&str, u32)) -> Footprint {
    Footprint {
        pool: pool.into(),
        idle_bytes: Some(8.0 + f64::from(place * 90)),
        waiter_bytes: (pool != "persistent").then(|| f64::from(place * 130)),
        error: None,
    }
}

/// Returns lines that end close together, one with few points, and one with a long name.
fn points_of(sweep: Sweep) -> impl Iterator<Item = Measurement> {
    let backends = Backend::ALL.into_iter().filter(|it| *it != Backend::Postgres);
    let pools = backends.flat_map(|backend| {
        usual_on(backend).filter(|&pool| pool != ContenderKind::Floor).map(move |it| (backend, it))
    });
    pools.zip(0_u32..).flat_map(move |((backend, pool), place)| {
        let shapes = sweep.steps().iter().map(move |&step| match sweep {
            Sweep::Threads => (step, Sweep::SIZE),
            _ => (Sweep::CROWD, step),
        });
        let fits = move |&(threads, size): &_| pool != ContenderKind::Persistent || threads <= size;
        shapes.filter(fits).map(move |shape @ (threads, size)| {
            let row = measurement((backend, sweep.name(), pool), shape, 1 + place % 3);
            let ops_per_s = 9_000.0 * threads.min(size) as f64 - f64::from(place * 30);
            let wait = 90 * (threads as u64).pow(2) / size as u64;
            Measurement { ops_per_s, wait_p99_ns: Some(wait), wait_distribution: Vec::new(), ..row }
        })
    })
}

/// Returns points of the shared pool: the longer `fair_after`, the faster, and the longer waits.
fn fair_after() -> Vec<Measurement> {
    let points = Sweep::FairAfter.steps().iter().map(|&ms| Measurement {
        ops_per_s: 2e7 * (ms + 2) as f64,
        wait_p99_ns: Some(3_000 * (1 + ms as u64)),
        fair_after_ms: Some(ms),
        ..measurement((Backend::Mysql, "fair-after", ContenderKind::Shared), (32, 4), 1)
    });
    points.collect()
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
    let pools: &[&str] = match backend {
        Backend::Mysql => &["shared", "r2d2-mysql", "mysql-pool"],
        _ => &["shared", "r2d2"],
    };
    let all = SCENARIOS.into_iter().flat_map(|(scenario, _, unit, has_timeline)| {
        pools.iter().zip(0_u32..).map(move |(pool, place)| ScenarioRun {
            backend: backend.name().into(),
            scenario: scenario.into(),
            pool: (*pool).into(),
            figure: (place < 2).then(|| 85.0 * 50_f64.powi(place as i32)),
            unit: unit.into(),
            opened: 50,
            served: 500,
            errors: 5_000,
            wait_p50_ms: Some(0.1),
            wait_p99_ms: Some(16_000.0),
            scale: 1.0,
            timeline: if has_timeline { timeline(u64::from(place)) } else { Vec::new() },
        })
    });
    all.collect()
}

fn timeline(place: u64) -> Vec<Moment> {
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
        interval: None,
        holds: Some(holds),
    }
}
