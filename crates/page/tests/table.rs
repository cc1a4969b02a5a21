//! The terminal tables, as text.

use std::time::Duration;

use threadwise_figures::{
    Breakdown, ContenderKind, Footprint, Hold, Measurement, Parts, ScenarioRun, Sense, Sweep,
    Verdict,
};
use threadwise_page::table::{
    render, render_breakdowns, render_claims, render_memory, render_scenario, render_sweep,
};
use threadwise_page::width::Width;

fn outcome(pool: ContenderKind, ops_per_s: f64, error: Option<&str>) -> Measurement {
    Measurement {
        backend: "synthetic".into(),
        workload: "starved".into(),
        pool: pool.name().into(),
        threads: 32,
        size: 4,
        hold_ns: 100_000,
        hold: Some(Hold::Asleep),
        ideal_wait_ns: Some(800_000),
        rounds: 5,
        window_ms: 200.0,
        ops_per_s_min: ops_per_s * 0.9,
        ops_per_s_max: ops_per_s * 1.3,
        ops: ops_per_s as u64,
        ns_per_op: (ops_per_s > 0.0).then(|| 32e9 / ops_per_s),
        ops_per_s,
        wait_p50_ns: Some(1_500),
        wait_p99_ns: None,
        wait_p999_ns: None,
        wait_max_ns: None,
        fairness: 1.0,
        opened: 4,
        writes_per_s: None,
        errors: error.iter().len() as u64,
        first_error: error.map(str::to_owned),
        ..Measurement::default()
    }
}

fn line_of<'t>(text: &'t str, pool: &str) -> &'t str {
    text.lines().find(|line| line.trim_start().starts_with(pool)).expect(pool)
}

fn text_of(outcomes: &[Measurement]) -> String {
    of_width(outcomes, Width::UNLIMITED)
}

fn of_width(outcomes: &[Measurement], width: Width) -> String {
    render("which thread is next?", &outcomes.iter().collect::<Vec<_>>(), width)
}

#[test]
fn the_fastest_pool_is_marked_and_references_and_failures_are_not() {
    let text = text_of(&[
        outcome(ContenderKind::Queue, 1_000.0, None),
        outcome(ContenderKind::Dedicated, 9_000.0, None),
        outcome(ContenderKind::R2d2, 3_000.0, Some("it broke")),
        outcome(ContenderKind::Shared, 2_000.0, None),
    ]);
    assert!(line_of(&text, "shared").contains("★ 2.00k"), "{text}");
    assert!(line_of(&text, "queue").contains(" 1.00k  20%     0.50 "), "{text}");
    assert!(line_of(&text, "dedicated").contains(" 4.50 "), "{text}");
    assert_eq!(text.matches('★').count(), 1, "waits and fairness are equal: {text}");
    assert!(text.contains("! r2d2: errors: 1, the first: it broke"), "{text}");
}

/// Every contender, with the widest figures.
fn wide_outcomes() -> Vec<Measurement> {
    let wide = |pool| {
        let mut wide = outcome(pool, 123_400.0, None);
        wide.wait_p50_ns = Some(1_230_000);
        wide.wait_p99_ns = Some(1_230_000);
        wide.wait_p999_ns = Some(1_230_000);
        wide.wait_max_ns = Some(1_230_000);
        wide.opened = 123_456;
        wide
    };
    let mut best = wide(ContenderKind::Shared);
    best.wait_p999_ns = Some(1_220_000);
    ContenderKind::ALL.into_iter().map(wide).chain([best]).collect()
}

#[test]
fn the_widest_table_fits_into_a_hundred_columns() {
    let rows = wide_outcomes();
    let text = text_of(&rows);
    let table = text.lines().skip_while(|line| !line.starts_with('─'));
    let widest = table.take(rows.len() + 3).map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 100), "{widest:?}: {text}");
    assert!(text.contains("★ 1.22ms"), "{text}");
}

#[test]
fn every_table_fits_into_terminals_of_60_80_and_120_columns() {
    let mut rows = wide_outcomes();
    rows[3].first_error = Some("a text with many words. ".repeat(20).trim().to_owned());
    let points: Vec<_> = ContenderKind::ALL
        .iter()
        .flat_map(|pool| Sweep::Threads.steps().iter().map(move |&threads| (pool, threads)))
        .map(|(pool, threads)| Measurement {
            workload: Sweep::Threads.name().into(),
            backend: "synthetic".into(),
            pool: pool.name().into(),
            threads,
            ops_per_s: 123_456.0,
            ..Measurement::default()
        })
        .collect();
    let footprints = [Footprint {
        pool: ContenderKind::R2d2MysqlTuned.name().into(),
        idle_bytes: Some(123_456.0),
        waiter_bytes: Some(123_456.0),
        error: None,
    }];
    let breakdowns = [Breakdown {
        backend: "mysql".into(),
        pool: ContenderKind::R2d2MysqlTuned.name().into(),
        parts: Some(Parts {
            total_ns: 123_456.0,
            pool_ns: 123_456.0,
            round_trips: 1.25,
            round_trip_ns: 123_456.0,
            query_ns: 123_456.0,
        }),
        error: None,
    }];
    let runs = [ScenarioRun {
        backend: "synthetic".into(),
        scenario: "spike".into(),
        pool: ContenderKind::R2d2MysqlTuned.name().into(),
        figure: Some(123_456.0),
        wait_p50_ms: Some(123_456.0),
        wait_p99_ms: Some(123_456.0),
        opened: 123_456,
        served: 123_456,
        errors: 123_456,
        scale: 1.0,
        unit: "connections".into(),
        timeline: Vec::new(),
    }];
    for columns in [60, 80, 120] {
        let width = Width::of(columns);
        let texts = [
            of_width(&rows, width),
            render_sweep(&points, width),
            render_memory(&footprints, width),
            render_breakdowns(&breakdowns, width),
            render_scenario("how many?", &runs, width),
        ];
        for text in &texts {
            assert!(width.fits(text), "{columns} columns:\n{text}");
            assert!(text.contains("r2d2-mysql-tuned"), "{text}");
        }
        let [matchup, ..] = &texts;
        let leaves_out = matchup.contains("left out, the line being too short: ");
        assert_eq!(leaves_out, columns < 100, "{matchup}");
        assert!(matchup.contains("ops/s") && matchup.contains(" p99 "), "{matchup}");
    }
}

#[test]
fn one_short_turn_marks_no_best() {
    let mut outcomes = [
        outcome(ContenderKind::Queue, 1_000.0, None),
        outcome(ContenderKind::Shared, 2_000.0, None),
    ];
    for outcome in &mut outcomes {
        (outcome.rounds, outcome.window_ms) = (1, 20.0);
    }
    let text = text_of(&outcomes);
    assert_eq!(text.matches('★').count(), 1, "{text}");
    assert!(text.contains("  no ★: "), "{text}");
    assert!(line_of(&text, "queue").contains(" 0.50 "), "the figures are there: {text}");
}

#[test]
fn the_best_p999_wait_is_marked_although_another_pool_is_faster() {
    let mut patient = outcome(ContenderKind::Shared, 900.0, None);
    patient.wait_p999_ns = Some(4_000_000);
    let mut hasty = outcome(ContenderKind::Mutex, 1_000.0, None);
    hasty.wait_p999_ns = Some(70_000_000);
    let text = text_of(&[hasty, patient]);
    assert!(line_of(&text, "shared").contains("★ 4.00ms"), "{text}");
    assert!(line_of(&text, "mutex").contains("★ 1.00k"), "{text}");
}

#[test]
fn a_note_has_the_rows_of_the_writer() {
    let mut beside = outcome(ContenderKind::Shared, 900.0, None);
    beside.writes_per_s = Some(1_230.0);
    let text = text_of(&[beside]);
    assert!(text.contains("the writer added at the same time: shared 1.23 k\n"), "{text}");
    assert!(!text_of(&[outcome(ContenderKind::Shared, 900.0, None)]).contains("writer"));
}

#[test]
fn a_note_names_the_contenders_that_allocate() {
    let with = |pool, per_op| {
        let mut outcome = outcome(pool, 900.0, None);
        outcome.allocations_per_op = per_op;
        outcome
    };
    let text =
        text_of(&[with(ContenderKind::Shared, Some(0.0)), with(ContenderKind::R2d2, Some(1.5))]);
    assert!(
        text.contains("allocations per operation, of those that allocate: r2d2 1.50\n"),
        "{text}"
    );
    assert!(!text_of(&[with(ContenderKind::Shared, Some(0.0))]).contains("allocations"));
}

#[test]
fn the_heading_has_the_hold_and_the_ideal_wait() {
    assert_eq!(text_of(&[]), "");
    let text = text_of(&[outcome(ContenderKind::Shared, 900.0, None)]);
    let heading = text.lines().next().unwrap();
    let shape = "(32 threads on 4 connections, each held for 100 µs asleep; ideal wait 800 µs)";
    assert!(heading.ends_with(shape), "{heading}");
}

fn verdicts() -> Vec<Verdict> {
    let verdict = |(workload, promise, measured): (&str, &str, f64)| Verdict {
        workload: workload.into(),
        promise: promise.into(),
        sense: Sense::AtMost,
        limit: 1.5,
        measured,
        least: None,
        greatest: None,
        interval: None,
        holds: Some(measured <= 1.5),
    };
    let crowd = "shared's time over fifo's, over the same in crowd-10";
    let best = "shared's throughput over the best of r2d2, mutex and queue (mysql)";
    [("crowd-2000", crowd, 2.0), ("long-holds", best, 1.1)].map(verdict).to_vec()
}

fn claims(verdicts: &[Verdict]) -> String {
    render_claims(verdicts, 5, Duration::from_millis(200), Width::UNLIMITED)
}

#[test]
fn a_claim_has_a_line_and_below_it_one_with_its_figure_and_whether_it_holds() {
    assert_eq!(claims(&[]), "");
    let text = claims(&verdicts());
    let lines: Vec<_> = text.lines().skip_while(|line| !line.starts_with("  crowd-2000")).collect();
    let [crowd, fails, long_holds, holds] = lines[..] else { panic!("{text}") };
    assert!(crowd.ends_with("shared's time over fifo's, over the same in crowd-10"), "{text}");
    assert!(long_holds.starts_with("  long-holds: "), "{text}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(fails), ["at", "most", "1.5", "2.000", "fails"], "{text}");
    assert_eq!(fails.find("fails"), holds.find("holds"), "below each other: {text}");
}

#[test]
fn a_claim_has_the_range_of_the_rounds() {
    let verdict = Verdict { least: Some(0.95), greatest: Some(1.2), ..verdicts()[1].clone() };
    let text = claims(&[verdict]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("1.100 (0.95 to 1.20) holds"), "{text}");
}

#[test]
fn a_claim_whose_interval_contains_the_limit_is_not_decided() {
    let verdict = Verdict { interval: Some((1.4, 1.6)), holds: None, ..verdicts()[1].clone() };
    let text = claims(&[verdict]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("(1.40 to 1.60) cannot tell"), "{text}");
    assert!(!words.contains("too little"), "enough was measured: {text}");
}

#[test]
fn a_claim_that_is_not_judged_says_what_it_takes() {
    let verdict = Verdict { holds: None, ..verdicts()[0].clone() };
    let text = render_claims(&[verdict], 1, Duration::from_millis(20), Width::UNLIMITED);
    assert!(line_of(&text, "at most").ends_with(" not judged"), "{text}");
    assert!(text.contains("1 turn of 20ms each: too little to judge a claim"), "{text}");
    assert!(!text.contains("holds"), "{text}");
}

#[test]
fn claims_fit_into_terminals_of_60_and_80_columns_and_are_no_wider_in_a_file() {
    let unlike = Verdict { interval: Some((1.04, 1.06)), holds: None, ..verdicts()[0].clone() };
    let all = [&verdicts()[..], &[unlike]].concat();
    for (width, columns) in [(Width::of(60), 60), (Width::of(80), 80), (Width::UNLIMITED, 80)] {
        let text = render_claims(&all, 5, Duration::from_millis(200), width);
        assert!(Width::of(columns).fits(&text), "{columns} columns:\n{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(verdicts().iter().all(|it| words.contains(&it.promise)), "{text}");
    }
}
