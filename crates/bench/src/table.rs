//! Outcomes as text tables, with the best marked.

use std::cmp::Ordering;
use std::time::Duration;

use comfy_table::{Attribute, Cell, CellAlignment, ContentLineStyle, LineStyle, Table, TableStyle};

use crate::backend::Backend;
use crate::breakdown::{self, Breakdown};
use crate::claims;
use crate::compare::{Matchup, Outcome};
use crate::hold::Hold;
use crate::memory::{self, Footprint};
use crate::report::Measurement;
use crate::scenario::{Scenario, ScenarioRun};
use crate::sweep::Sweep;
use crate::units::{count, duration, three_digits};
use crate::width::Width;

/// Errors have no column, because they are rare: a note below the table has their number and the
/// first one. So the table fits into a terminal of 100 columns. A narrower one gets fewer columns.
const HEADER: [&str; 11] = [
    "pool", "ops/s", "±", "of best", "per op", "wait p50", "p99", "p99.9", "max", "fair", "opened",
];
/// The columns that a narrow terminal omits, the least important first. The three that always stay
/// are the pool, its throughput and its p99 wait.
const EXPENDABLE: [usize; 8] = [4, 10, 8, 5, 9, 2, 7, 3];

pub(crate) const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_lines(ContentLineStyle::none().junction(' '))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none().junction(' '))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// A heading, a table with the fastest contender first and the best throughput, p99.9 wait and
/// fairness marked, and notes that explain the table.
#[must_use]
pub fn render(matchup: &Matchup<'_>, outcomes: &[Outcome], width: Width) -> String {
    let mut ranked: Vec<&Outcome> = outcomes.iter().collect();
    ranked.sort_by(|a, b| b.measurement.ops_per_s.total_cmp(&a.measurement.ops_per_s));
    let rivals: Vec<_> = ranked.iter().copied().filter(|outcome| is_rival(outcome)).collect();
    let best = Best {
        ops_per_s: rivals.first().copied(), // they are sorted by it
        wait_p999: highest(&rivals, |measured| measured.wait_p999_ns.map(|ns| -(ns as f64))),
        fairness: highest(&rivals, |measured| Some((measured.fairness * 100.0).round())),
    };

    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(HEADER.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, u16::from(place + 1 < HEADER.len())));
        if place > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for outcome in &ranked {
        table.add_row(row(outcome, &best));
    }

    let mut text = width.wrap(&heading(matchup), "", "  ");
    text += &width.fit(table, &HEADER, &EXPENDABLE);
    text.push('\n');
    for note in notes(&ranked) {
        text += &width.wrap(&note, "  ", "    ");
    }
    text
}

/// A heading with the scenario's question, and a table with the best figure first.
#[must_use]
pub fn render_scenario(
    scenario: Scenario,
    backend: Backend,
    runs: &[ScenarioRun],
    width: Width,
) -> String {
    let mut ranked: Vec<&ScenarioRun> = runs.iter().collect();
    let figure = |run: &ScenarioRun| run.figure.unwrap_or(f64::INFINITY);
    ranked.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
    let mut table = Table::new();
    table.load_style(STYLE);
    let header = ["pool", scenario.unit(), "wait p50", "p99", "opened", "served", "errors"];
    table.set_header(header.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for run in ranked {
        let number = |it: Option<f64>| it.map_or("–".into(), |it| format!("{it:.0}"));
        let ms = |ms: Option<f64>| ms.map_or("–".into(), |ms| format!("{ms:.1} ms"));
        table.add_row([
            Cell::new(&run.pool),
            Cell::new(number(run.figure)),
            Cell::new(ms(run.wait_p50_ms)),
            Cell::new(ms(run.wait_p99_ms)),
            Cell::new(run.opened),
            Cell::new(run.served),
            Cell::new(run.errors),
        ]);
    }
    let scale = runs.first().map_or(1.0, |run| run.scale);
    let shortened = if scale < 1.0 { format!(" (all times × {scale})") } else { String::new() };
    let (backend, name, about) = (backend.name(), scenario.name(), scenario.about());
    let heading = format!("{backend} · {name}: {about}{shortened}");
    width.wrap(&heading, "", "  ") + &width.fit(table, &header, &[5, 2, 4, 6, 3]) + "\n"
}

/// Throughput by number of threads or connections, a row for each contender.
#[must_use]
pub fn render_sweep(backend: Backend, points: &[Measurement], width: Width) -> String {
    let named = points.first().and_then(|point| Sweep::named(&point.workload));
    let sweep = named.unwrap_or(Sweep::Threads);
    let mut table = Table::new();
    table.load_style(STYLE);
    let steps = sweep.steps().iter().map(ToString::to_string);
    let header: Vec<_> = ["pool".to_owned()].into_iter().chain(steps).collect();
    let titles: Vec<_> = header.iter().map(String::as_str).collect();
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for column in 1..=sweep.steps().len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut pools: Vec<&str> = Vec::new();
    for point in points {
        if !pools.contains(&&*point.pool) {
            pools.push(&point.pool);
        }
    }
    for pool in pools {
        let at = |step| points.iter().find(|it| it.pool == pool && sweep.step_of(it) == step);
        let figure = |step| match at(step) {
            Some(point) if point.errors > 0 => format!("! {}", count(point.ops_per_s)),
            Some(point) => count(point.ops_per_s),
            None => dash(),
        };
        let figures = sweep.steps().iter().map(|&step| Cell::new(figure(step)));
        table.add_row([Cell::new(pool)].into_iter().chain(figures));
    }
    let failed = points.iter().find_map(|it| Some((it, it.first_error.as_ref()?)));
    let note = failed.map_or(String::new(), |(it, error)| {
        let (pool, threads, size) = (&it.pool, it.threads, it.size);
        let note = format!("! errors; the first: {pool}, {threads} threads on {size}: {error}");
        width.wrap(&note, "  ", "    ")
    });
    let (name, about) = (sweep.name(), sweep.about());
    let heading = format!("{backend} · {name}: {about} (operations per second)");
    // Omits every other step first, so that the rest still shows the shape.
    let last = sweep.steps().len();
    let expendable: Vec<_> = (2..last).step_by(2).chain((3..last).step_by(2)).collect();
    width.wrap(&heading, "", "  ") + &width.fit(table, &titles, &expendable) + "\n" + &note
}

/// The breakdowns, the shortest first; empty without breakdowns.
#[must_use]
pub fn render_breakdowns(breakdowns: &[Breakdown], width: Width) -> String {
    let mut ranked: Vec<_> =
        breakdowns.iter().filter_map(|it| Some((&it.backend, &it.pool, it.parts?))).collect();
    ranked.sort_by(|a, b| a.2.total_ns.total_cmp(&b.2.total_ns));
    let mut table = Table::new();
    table.load_style(STYLE);
    let header = ["pool", "total", "pool itself", "round trips", "of each", "query itself"];
    table.set_header(header.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (_, pool, parts) in &ranked {
        table.add_row([
            Cell::new(pool),
            Cell::new(duration(parts.total_ns)),
            Cell::new(duration(parts.pool_ns)),
            Cell::new(duration(parts.round_trips_ns())),
            Cell::new(format!("{} × {}", trips(parts.round_trips), duration(parts.round_trip_ns))),
            Cell::new(duration(parts.query_ns)),
        ]);
    }
    let backend = breakdowns.first().map_or("", |breakdown| &breakdown.backend);
    let mut text = match ranked.first() {
        Some(_) => {
            let heading = format!("{backend} · {}: {}", breakdown::NAME, breakdown::ABOUT);
            width.wrap(&heading, "", "  ") + &width.fit(table, &header, &[4, 3, 5]) + "\n"
        }
        None => String::new(),
    };
    for Breakdown { backend, pool, error, .. } in breakdowns {
        if let Some(error) = error {
            let note = format!("! {backend} · {} · {pool}: {error}", breakdown::NAME);
            text += &width.wrap(&note, "  ", "    ");
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// The memory of the contenders, a row for each.
#[must_use]
pub fn render_memory(footprints: &[Footprint], width: Width) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    let header = ["pool", "bytes per idle connection", "bytes per waiting thread"];
    table.set_header(header.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let bytes = |bytes: Option<f64>| bytes.map_or_else(dash, |bytes| format!("{bytes:.0}"));
    for Footprint { pool, idle_bytes, waiter_bytes, .. } in footprints {
        table.add_row([pool.clone(), bytes(*idle_bytes), bytes(*waiter_bytes)]);
    }
    let errors = footprints.iter().filter_map(|it| Some((&it.pool, it.error.as_ref()?)));
    let notes = errors.map(|(pool, error)| format!("! {pool}: {error}"));
    let notes: String = notes.map(|note| width.wrap(&note, "  ", "    ")).collect();
    let (name, about) = (memory::NAME, memory::ABOUT);
    let heading = format!("synthetic · {name}: {about} (heap only, without stacks)");
    width.wrap(&heading, "", "  ") + &width.fit(table, &header, &[2, 1]) + "\n" + &notes
}

/// A number of round trips, which is almost always a whole number.
fn trips(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number}") } else { format!("{number:.2}") }
}

/// The best rival in each column that has a best.
struct Best<'a> {
    ops_per_s: Option<&'a Outcome>,
    wait_p999: Option<&'a Outcome>,
    fairness: Option<&'a Outcome>,
}

/// The rival with the highest figure; `None` if two or more rivals share it, or if there is no
/// rival.
fn highest<'a>(
    rivals: &[&'a Outcome],
    figure: impl Fn(&Measurement) -> Option<f64>,
) -> Option<&'a Outcome> {
    let figure = |outcome: &Outcome| figure(&outcome.measurement);
    let ascending = |a: &&Outcome, b: &&Outcome| figure(a).partial_cmp(&figure(b));
    let best = rivals.iter().copied().max_by(|a, b| ascending(a, b).unwrap_or(Ordering::Equal))?;
    let ties = rivals.iter().filter(|rival| figure(rival) == figure(best)).count();
    (ties == 1).then_some(best)
}

fn heading(matchup: &Matchup<'_>) -> String {
    let Matchup { backend, workload, .. } = matchup;
    let hold = workload.hold(*backend);
    let held = if hold == Hold::None { String::new() } else { format!(", each {hold}") };
    let think = workload.think();
    let held = if think.is_zero() { held } else { format!("{held}; {think:?} idle before each") };
    let ideal = workload.ideal_wait(*backend).map(|wait| format!("; ideal wait {wait:?}"));
    let ideal = ideal.unwrap_or_default();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let (threads, size) = (workload.threads(), workload.size());
    format!(
        "{backend} · {}: {} ({threads} thread{}, {size} connection{}{held}{ideal})",
        workload.name(),
        workload.about(),
        plural(threads),
        plural(size),
    )
}

/// Whether enough was measured to call a contender the best.
fn is_judged(outcome: &Outcome) -> bool {
    let Measurement { rounds, window_ms, .. } = outcome.measurement;
    claims::is_enough(rounds, Duration::from_secs_f64(window_ms / 1e3))
}

/// Whether it may be the best: a pool within its limit, with operations and without errors.
fn is_rival(outcome: &Outcome) -> bool {
    let Outcome { pool, measurement, .. } = outcome;
    !pool.is_reference(measurement.threads, measurement.size)
        && measurement.errors == 0
        && measurement.ops > 0
}

fn is_reference(outcome: &Outcome) -> bool {
    outcome.pool.is_reference(outcome.measurement.threads, outcome.measurement.size)
}

fn row(outcome: &Outcome, best: &Best<'_>) -> Vec<Cell> {
    let measured = &outcome.measurement;
    let fastest = best.ops_per_s.map(|best| best.measurement.ops_per_s);
    let ratio = fastest.filter(|_| measured.ops > 0).map(|fastest| measured.ops_per_s / fastest);
    let reference = if is_reference(outcome) { " ·" } else { "" };
    vec![
        Cell::new(format!("{}{reference}", outcome.pool)),
        marked(compact(&count(measured.ops_per_s)), outcome, best.ops_per_s),
        Cell::new(measured.spread().map_or_else(dash, |spread| format!("{:.0}%", spread * 100.0))),
        Cell::new(ratio.map_or_else(dash, |ratio| format!("{ratio:.2}"))),
        Cell::new(measured.ns_per_op.map_or_else(dash, |ns| compact(&duration(ns)))),
        Cell::new(wait(measured.wait_p50_ns)),
        Cell::new(wait(measured.wait_p99_ns)),
        marked(wait(measured.wait_p999_ns), outcome, best.wait_p999),
        Cell::new(wait(measured.wait_max_ns)),
        marked(format!("{:.2}", measured.fairness), outcome, best.fairness),
        Cell::new(measured.opened),
    ]
}

/// The figure without the space before its unit.
fn compact(figure: &str) -> String {
    figure.replace(' ', "")
}

fn marked(figure: String, outcome: &Outcome, best: Option<&Outcome>) -> Cell {
    if is_judged(outcome) && best.is_some_and(|best| best.pool == outcome.pool) {
        Cell::new(format!("★ {figure}")).add_attribute(Attribute::Bold)
    } else {
        Cell::new(figure)
    }
}

fn wait(ns: Option<u64>) -> String {
    ns.map_or_else(dash, |ns| compact(&duration(ns as f64)))
}

fn dash() -> String {
    "-".into()
}

fn notes(ranked: &[&Outcome]) -> Vec<String> {
    let mut notes = Vec::new();
    if ranked.iter().any(|outcome| is_reference(outcome)) {
        notes.push(
            "· no rival: not a complete pool, or more connections than the workload has".into(),
        );
    }
    if !ranked.iter().all(|outcome| is_judged(outcome)) {
        notes.push("no ★: too few or too short turns to tell which is the best".into());
    }
    let mut list = |title: &str, figure: &dyn Fn(&Outcome) -> Option<String>| {
        let figures = ranked.iter().filter_map(|outcome| {
            let figure = figure(outcome)?;
            Some(format!("{} {figure}", outcome.pool))
        });
        let figures = figures.collect::<Vec<_>>().join(", ");
        if !figures.is_empty() {
            notes.push(format!("{title}: {figures}"));
        }
    };
    list("allocations per operation, of those that allocate", &|outcome| {
        let per_op = outcome.measurement.allocations_per_op.filter(|per_op| *per_op >= 0.005)?;
        Some(three_digits(per_op))
    });
    list("rows per second that the writer added at the same time", &|outcome| {
        outcome.measurement.writes_per_s.map(count)
    });
    list("round trips per operation", &|outcome| outcome.measurement.round_trips.map(trips));
    for outcome in ranked {
        if let Some(error) = &outcome.first_error {
            let (pool, errors) = (outcome.pool, outcome.measurement.errors);
            notes.push(format!("! {pool}: errors: {errors}, the first: {error}"));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;
    use crate::backend::Backend;
    use crate::names::ContenderKind;
    use crate::report::Measurement;
    use crate::workload::Starved;

    fn outcome(pool: ContenderKind, ops_per_s: f64, error: Option<&str>) -> Outcome {
        let measurement = Measurement {
            backend: "synthetic".into(),
            workload: "starved".into(),
            pool: pool.name().into(),
            threads: 32,
            size: 4,
            hold_ns: 100_000,
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
            ..Measurement::default()
        };
        Outcome { pool, measurement, turns: Vec::new(), first_error: error.map(Failure::new) }
    }

    fn line_of<'t>(text: &'t str, pool: &str) -> &'t str {
        text.lines().find(|line| line.trim_start().starts_with(pool)).expect(pool)
    }

    fn text_of(outcomes: &[Outcome]) -> String {
        let matchup = Matchup { backend: Backend::Synthetic, workload: &Starved, pools: vec![] };
        render(&matchup, outcomes, Width::UNLIMITED)
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
    fn wide_outcomes() -> Vec<Outcome> {
        let wide = |pool| {
            let mut wide = outcome(pool, 123_400.0, None);
            wide.measurement.wait_p50_ns = Some(1_230_000);
            wide.measurement.wait_p99_ns = Some(1_230_000);
            wide.measurement.wait_p999_ns = Some(1_230_000);
            wide.measurement.wait_max_ns = Some(1_230_000);
            wide.measurement.opened = 123_456;
            wide
        };
        let mut best = wide(ContenderKind::Shared);
        best.measurement.wait_p999_ns = Some(1_220_000);
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
        let matchup = Matchup { backend: Backend::Synthetic, workload: &Starved, pools: vec![] };
        let mut rows = wide_outcomes();
        rows[3].first_error = Some(Failure::new("a text with many words. ".repeat(20).trim()));
        let points: Vec<_> = ContenderKind::ALL
            .iter()
            .flat_map(|pool| Sweep::Threads.steps().iter().map(move |&threads| (pool, threads)))
            .map(|(pool, threads)| Measurement {
                workload: Sweep::Threads.name().into(),
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
            parts: Some(breakdown::Parts {
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
                render(&matchup, &rows, width),
                render_sweep(Backend::Synthetic, &points, width),
                render_memory(&footprints, width),
                render_breakdowns(&breakdowns, width),
                render_scenario(Scenario::Spike, Backend::Synthetic, &runs, width),
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
            (outcome.measurement.rounds, outcome.measurement.window_ms) = (1, 20.0);
        }
        let text = text_of(&outcomes);
        assert_eq!(text.matches('★').count(), 1, "{text}");
        assert!(text.contains("  no ★: "), "{text}");
        assert!(line_of(&text, "queue").contains(" 0.50 "), "the figures are there: {text}");
    }

    #[test]
    fn the_best_p999_wait_is_marked_although_another_pool_is_faster() {
        let mut patient = outcome(ContenderKind::Shared, 900.0, None);
        patient.measurement.wait_p999_ns = Some(4_000_000);
        let mut hasty = outcome(ContenderKind::Mutex, 1_000.0, None);
        hasty.measurement.wait_p999_ns = Some(70_000_000);
        let text = text_of(&[hasty, patient]);
        assert!(line_of(&text, "shared").contains("★ 4.00ms"), "{text}");
        assert!(line_of(&text, "mutex").contains("★ 1.00k"), "{text}");
    }

    #[test]
    fn a_note_has_the_rows_of_the_writer() {
        let mut beside = outcome(ContenderKind::Shared, 900.0, None);
        beside.measurement.writes_per_s = Some(1_230.0);
        let text = text_of(&[beside]);
        assert!(text.contains("the writer added at the same time: shared 1.23 k\n"), "{text}");
        assert!(!text_of(&[outcome(ContenderKind::Shared, 900.0, None)]).contains("writer"));
    }

    #[test]
    fn a_note_names_the_contenders_that_allocate() {
        let with = |pool, per_op| {
            let mut outcome = outcome(pool, 900.0, None);
            outcome.measurement.allocations_per_op = per_op;
            outcome
        };
        let text = text_of(&[
            with(ContenderKind::Shared, Some(0.0)),
            with(ContenderKind::R2d2, Some(1.5)),
        ]);
        assert!(
            text.contains("allocations per operation, of those that allocate: r2d2 1.50\n"),
            "{text}"
        );
        assert!(!text_of(&[with(ContenderKind::Shared, Some(0.0))]).contains("allocations"));
    }

    #[test]
    fn the_heading_has_the_hold_and_the_ideal_wait() {
        let text = text_of(&[]);
        let heading = text.lines().next().unwrap();
        let shape = "(32 threads, 4 connections, each held 100µs asleep; ideal wait 800µs)";
        assert!(heading.ends_with(shape), "{heading}");
    }
}
