//! Figures as text tables for a terminal, with the best marked.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Duration;

use comfy_table::{Attribute, Cell, CellAlignment, Table};
use threadwise_figures::units::{count, duration, three_digits};
use threadwise_figures::{
    Breakdown, ENOUGH_ROUNDS, ENOUGH_TIME, Footprint, Measurement, ScenarioRun, Sweep, Verdict,
    is_enough,
};

use crate::matchup::{Role, role, shape};
use crate::width::{STYLE, Width};

/// Errors have no column, because they are rare: a note below the table has their number and the
/// first one. So the table fits into a terminal of 100 columns. A narrower one gets fewer columns.
const HEADER: [&str; 11] = [
    "pool", "ops/s", "±", "of best", "per op", "wait p50", "p99", "p99.9", "max", "fair", "opened",
];
/// The columns that a narrow terminal omits, the least important first. The three that always stay
/// are the pool, its throughput and its p99 wait.
const EXPENDABLE: [usize; 8] = [4, 10, 8, 5, 9, 2, 7, 3];

/// A heading with the workload's question, a table with the fastest contender first and the best
/// throughput, p99.9 wait and fairness marked, and notes that explain the table. Empty without rows.
#[must_use]
pub fn render(question: &str, rows: &[&Measurement], width: Width) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let mut ranked = rows.to_vec();
    ranked.sort_by(|a, b| b.ops_per_s.total_cmp(&a.ops_per_s));
    let rivals: Vec<_> = ranked.iter().copied().filter(|row| is_rival(row)).collect();
    let best = Best {
        ops_per_s: rivals.first().copied(), // they are sorted by it
        wait_p999: highest(&rivals, |row| row.wait_p999_ns.map(|ns| -(ns as f64))),
        fairness: highest(&rivals, |row| Some((row.fairness * 100.0).round())),
    };
    let mut table = table(&HEADER);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, u16::from(place + 1 < HEADER.len())));
    }
    for row in &ranked {
        table.add_row(cells(row, &best));
    }
    let mut text = width.wrap(&heading(first, question), "", "  ");
    text += &width.fit(table, &HEADER, &EXPENDABLE);
    text.push('\n');
    for note in notes(&ranked) {
        text += &width.wrap(&note, "  ", "    ");
    }
    text
}

/// A table with a bold header, and all columns but the first aligned to the right.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A heading with the scenario's question, and a table with the best figure first. Empty without
/// runs.
#[must_use]
pub fn render_scenario(question: &str, runs: &[ScenarioRun], width: Width) -> String {
    let Some(ScenarioRun { backend, scenario, unit, scale, .. }) = runs.first() else {
        return String::new();
    };
    let mut ranked: Vec<&ScenarioRun> = runs.iter().collect();
    let figure = |run: &ScenarioRun| run.figure.unwrap_or(f64::INFINITY);
    ranked.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
    let header = ["pool", unit, "wait p50", "p99", "opened", "served", "errors"];
    let mut table = table(&header);
    for run in ranked {
        let ms = |ms: Option<f64>| ms.map_or("–".into(), |ms| format!("{ms:.1} ms"));
        table.add_row([
            run.pool.clone(),
            run.figure.map_or("–".into(), |figure| format!("{figure:.0}")),
            ms(run.wait_p50_ms),
            ms(run.wait_p99_ms),
            run.opened.to_string(),
            run.served.to_string(),
            run.errors.to_string(),
        ]);
    }
    let shortened = match *scale {
        scale if scale < 1.0 => format!(" (all times × {scale})"),
        _ => String::new(),
    };
    let heading = format!("{backend} · {scenario}: {question}{shortened}");
    width.wrap(&heading, "", "  ") + &width.fit(table, &header, &[5, 2, 4, 6, 3]) + "\n"
}

/// Throughput by number of threads or connections, a row for each contender. Empty without points.
#[must_use]
pub fn render_sweep(points: &[Measurement], width: Width) -> String {
    let Some(Measurement { backend, workload, .. }) = points.first() else {
        return String::new();
    };
    let sweep = Sweep::named(workload).unwrap_or(Sweep::Threads);
    let steps: BTreeSet<_> = points.iter().map(|point| sweep.step_of(point)).collect();
    let titles: Vec<_> = steps.iter().map(ToString::to_string).collect();
    let header: Vec<_> = ["pool"].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let mut table = table(&header);
    let mut pools: Vec<&str> = Vec::new();
    for point in points {
        if !pools.contains(&&*point.pool) {
            pools.push(&point.pool);
        }
    }
    for pool in pools {
        let at = |step| points.iter().find(|it| it.pool == pool && sweep.step_of(it) == step);
        let figure = |&step| match at(step) {
            Some(point) if point.errors > 0 => format!("! {}", count(point.ops_per_s)),
            Some(point) if sweep == Sweep::FairAfter => {
                format!("{} {}", compact(&count(point.ops_per_s)), wait(point.wait_p99_ns))
            }
            Some(point) => count(point.ops_per_s),
            None => dash(),
        };
        table.add_row([pool.to_owned()].into_iter().chain(steps.iter().map(figure)));
    }
    let failed = points.iter().find_map(|it| Some((it, it.first_error.as_ref()?)));
    let note = failed.map_or(String::new(), |(it, error)| {
        let (pool, threads, size) = (&it.pool, it.threads, it.size);
        let note = format!("! errors; the first: {pool}, {threads} threads on {size}: {error}");
        width.wrap(&note, "  ", "    ")
    });
    let (name, about) = (sweep.name(), sweep.about());
    let shown = match sweep {
        Sweep::FairAfter => "milliseconds; operations per second, p99 wait",
        Sweep::Threads | Sweep::Sizes => "operations per second",
    };
    let heading = format!("{backend} · {name}: {about} ({shown})");
    // Omits every other step first, so that the rest still shows the shape.
    let last = steps.len();
    let expendable: Vec<_> = (2..last).step_by(2).chain((3..last).step_by(2)).collect();
    width.wrap(&heading, "", "  ") + &width.fit(table, &header, &expendable) + "\n" + &note
}

/// The breakdowns, the shortest first; empty without breakdowns.
#[must_use]
pub fn render_breakdowns(breakdowns: &[Breakdown], width: Width) -> String {
    let mut ranked: Vec<_> =
        breakdowns.iter().filter_map(|it| Some((&it.backend, &it.pool, it.parts?))).collect();
    ranked.sort_by(|a, b| a.2.total_ns.total_cmp(&b.2.total_ns));
    let header = ["pool", "total", "pool itself", "round trips", "of each", "query itself"];
    let mut table = table(&header);
    for (_, pool, parts) in &ranked {
        let each = duration(parts.round_trip_ns);
        table.add_row([
            (*pool).clone(),
            duration(parts.total_ns),
            duration(parts.pool_ns),
            duration(parts.round_trips_ns()),
            format!("{} × {each}", trips(parts.round_trips)),
            duration(parts.query_ns),
        ]);
    }
    let mut text = match ranked.first() {
        Some((backend, ..)) => {
            let heading = format!("{backend} · {}: {}", Breakdown::NAME, Breakdown::ABOUT);
            width.wrap(&heading, "", "  ") + &width.fit(table, &header, &[4, 3, 5]) + "\n"
        }
        None => String::new(),
    };
    for Breakdown { backend, pool, error, .. } in breakdowns {
        if let Some(error) = error {
            let note = format!("! {backend} · {} · {pool}: {error}", Breakdown::NAME);
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
    let header = ["pool", "bytes per idle connection", "bytes per waiting thread"];
    let mut table = table(&header);
    let bytes = |bytes: Option<f64>| bytes.map_or_else(dash, |bytes| format!("{bytes:.0}"));
    for Footprint { pool, idle_bytes, waiter_bytes, .. } in footprints {
        table.add_row([pool.clone(), bytes(*idle_bytes), bytes(*waiter_bytes)]);
    }
    let errors = footprints.iter().filter_map(|it| Some((&it.pool, it.error.as_ref()?)));
    let notes = errors.map(|(pool, error)| format!("! {pool}: {error}"));
    let notes: String = notes.map(|note| width.wrap(&note, "  ", "    ")).collect();
    let (name, about) = (Footprint::NAME, Footprint::ABOUT);
    let heading = format!("synthetic · {name}: {about} (heap only, without stacks)");
    width.wrap(&heading, "", "  ") + &width.fit(table, &header, &[2, 1]) + "\n" + &notes
}

/// A number of round trips, which is almost always a whole number.
fn trips(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number}") } else { format!("{number:.2}") }
}

/// A heading, a line for each claim, and a note if the turns were too few or too short to judge
/// them; empty without claims. If a line would be too long, the range is left out. If it is still
/// too long, the figures get a line of their own.
#[must_use]
pub fn render_claims(
    verdicts: &[Verdict],
    rounds: usize,
    window: Duration,
    width: Width,
) -> String {
    let mut text = String::new();
    if verdicts.is_empty() {
        return text;
    }
    let heading = "claims: the limit of each, and what was measured (median of the rounds; least \
                   to greatest)";
    text += &width.wrap(heading, "", "  ");
    let lines = [with_ranges(verdicts), without_ranges(verdicts)];
    match lines.into_iter().find(|lines| width.fits(lines)) {
        Some(lines) => text += &lines,
        None => text += &in_two_lines(verdicts, width),
    }
    if verdicts.iter().any(|verdict| verdict.holds.is_none()) {
        let turns = if rounds == 1 { "turn" } else { "turns" };
        let note = format!(
            "! {rounds} {turns} of {window:?} each: too little to judge a claim. It takes at least \
             {ENOUGH_ROUNDS} turns of {ENOUGH_TIME:?}; see --rounds and --millis"
        );
        text += &width.wrap(&note, "  ", "    ");
    }
    text
}

/// The width of a column's widest text.
fn widest(verdicts: &[Verdict], of: impl Fn(&Verdict) -> usize) -> usize {
    verdicts.iter().map(of).max().unwrap_or(0)
}

fn with_ranges(verdicts: &[Verdict]) -> String {
    let ranges = widest(verdicts, |it| it.range().chars().count());
    lines(verdicts, |verdict| format!("  {:ranges$}", verdict.range()))
}

fn without_ranges(verdicts: &[Verdict]) -> String {
    lines(verdicts, |_| String::new())
}

fn lines(verdicts: &[Verdict], range: impl Fn(&Verdict) -> String) -> String {
    let workloads = widest(verdicts, |it| it.workload.chars().count());
    let promises = widest(verdicts, |it| it.promise.chars().count());
    let line = |verdict: &Verdict| {
        let Verdict { workload, promise, .. } = verdict;
        let (figures, range, word) = (figures(verdict), range(verdict), verdict.word());
        format!("  {workload:workloads$}  {promise:promises$}  {figures}{range}  {word}\n")
    };
    verdicts.iter().map(line).collect()
}

fn in_two_lines(verdicts: &[Verdict], width: Width) -> String {
    let pair = |verdict: &Verdict| {
        let Verdict { workload, promise, .. } = verdict;
        let promise = width.wrap(&format!("{workload}: {promise}"), "  ", "    ");
        format!("{promise}    {}  {}\n", figures(verdict).trim_start(), verdict.word())
    };
    verdicts.iter().map(pair).collect()
}

fn figures(Verdict { sense, limit, measured, .. }: &Verdict) -> String {
    format!("{:>8} {limit:<4}  {measured:>7.3}", sense.name())
}

/// The best rival in each column that has a best.
struct Best<'a> {
    ops_per_s: Option<&'a Measurement>,
    wait_p999: Option<&'a Measurement>,
    fairness: Option<&'a Measurement>,
}

/// The rival with the highest figure; `None` if two or more rivals share it, or if there is no
/// rival.
fn highest<'a>(
    rivals: &[&'a Measurement],
    figure: impl Fn(&Measurement) -> Option<f64>,
) -> Option<&'a Measurement> {
    let ascending = |a: &&Measurement, b: &&Measurement| figure(a).partial_cmp(&figure(b));
    let best = rivals.iter().copied().max_by(|a, b| ascending(a, b).unwrap_or(Ordering::Equal))?;
    let ties = rivals.iter().filter(|rival| figure(rival) == figure(best)).count();
    (ties == 1).then_some(best)
}

fn heading(row: &Measurement, question: &str) -> String {
    let Measurement { backend, workload, .. } = row;
    let ideal = row.ideal_wait_ns.map(|ns| format!("; ideal wait {}", duration(ns as f64)));
    format!("{backend} · {workload}: {question} ({}{})", shape(row), ideal.unwrap_or_default())
}

/// Whether enough was measured to call a contender the best.
fn is_judged(row: &Measurement) -> bool {
    is_enough(row.rounds, Duration::from_secs_f64(row.window_ms / 1e3))
}

/// Whether it may be the best: a pool within its limit, with operations and without errors.
fn is_rival(row: &Measurement) -> bool {
    !is_reference(row) && row.errors == 0 && row.ops > 0
}

fn is_reference(row: &Measurement) -> bool {
    role(row) == Role::Reference
}

fn cells(measured: &Measurement, best: &Best<'_>) -> Vec<Cell> {
    let fastest = best.ops_per_s.map(|best| best.ops_per_s);
    let ratio = fastest.filter(|_| measured.ops > 0).map(|fastest| measured.ops_per_s / fastest);
    let reference = if is_reference(measured) { " ·" } else { "" };
    vec![
        Cell::new(format!("{}{reference}", measured.pool)),
        marked(compact(&count(measured.ops_per_s)), measured, best.ops_per_s),
        Cell::new(measured.spread().map_or_else(dash, |spread| format!("{:.0}%", spread * 100.0))),
        Cell::new(ratio.map_or_else(dash, |ratio| format!("{ratio:.2}"))),
        Cell::new(measured.ns_per_op.map_or_else(dash, |ns| compact(&duration(ns)))),
        Cell::new(wait(measured.wait_p50_ns)),
        Cell::new(wait(measured.wait_p99_ns)),
        marked(wait(measured.wait_p999_ns), measured, best.wait_p999),
        Cell::new(wait(measured.wait_max_ns)),
        marked(format!("{:.2}", measured.fairness), measured, best.fairness),
        Cell::new(measured.opened),
    ]
}

/// The figure without the space before its unit.
fn compact(figure: &str) -> String {
    figure.replace(' ', "")
}

fn marked(figure: String, row: &Measurement, best: Option<&Measurement>) -> Cell {
    if is_judged(row) && best.is_some_and(|best| best.pool == row.pool) {
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

fn notes(ranked: &[&Measurement]) -> Vec<String> {
    let mut notes = Vec::new();
    if ranked.iter().any(|row| is_reference(row)) {
        notes.push(
            "· no rival: not a complete pool, or more connections than the workload has".into(),
        );
    }
    if !ranked.iter().all(|row| is_judged(row)) {
        notes.push("no ★: too few or too short turns to tell which is the best".into());
    }
    let mut list = |title: &str, figure: &dyn Fn(&Measurement) -> Option<String>| {
        let figures = ranked.iter().filter_map(|row| {
            let figure = figure(row)?;
            Some(format!("{} {figure}", row.pool))
        });
        let figures = figures.collect::<Vec<_>>().join(", ");
        if !figures.is_empty() {
            notes.push(format!("{title}: {figures}"));
        }
    };
    list("allocations per operation, of those that allocate", &|row| {
        let per_op = row.allocations_per_op.filter(|per_op| *per_op >= 0.005)?;
        Some(three_digits(per_op))
    });
    list("rows per second that the writer added at the same time", &|row| {
        row.writes_per_s.map(count)
    });
    list("round trips per operation", &|row| row.round_trips.map(trips));
    for row in ranked {
        if let Some(error) = &row.first_error {
            let Measurement { pool, errors, .. } = row;
            notes.push(format!("! {pool}: errors: {errors}, the first: {error}"));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use threadwise_figures::{ContenderKind, Hold, Parts, Sense};

    use super::*;

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
    fn a_claim_has_a_line_with_its_figure_and_whether_it_holds() {
        assert_eq!(claims(&[]), "");
        let text = claims(&verdicts()[..1]);
        let line = text.lines().nth(1).expect("there is one claim");
        assert!(line.contains("shared's time over fifo's, over the same in crowd-10"), "{text}");
        assert!(line.contains("at most 1.5") && line.ends_with("2.000    does not hold"), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn the_line_of_a_claim_has_the_range_of_the_rounds() {
        let verdict = Verdict { least: Some(0.95), greatest: Some(1.2), ..verdicts()[1].clone() };
        let text = claims(&[verdict]);
        assert!(text.contains("1.100  (0.95 to 1.20)  holds"), "{text}");
    }

    #[test]
    fn a_claim_that_is_not_judged_says_what_it_takes() {
        let verdict = Verdict { holds: None, ..verdicts()[0].clone() };
        let text = render_claims(&[verdict], 1, Duration::from_millis(20), Width::UNLIMITED);
        assert!(text.lines().nth(1).unwrap().ends_with("  not judged"), "{text}");
        assert!(text.contains("1 turn of 20ms each: too little to judge a claim"), "{text}");
        assert!(!text.contains("hold"), "{text}");
    }

    #[test]
    fn claims_fit_into_terminals_of_60_80_and_120_columns() {
        for columns in [60, 80, 120] {
            let width = Width::of(columns);
            let text = render_claims(&verdicts(), 1, Duration::from_millis(200), width);
            assert!(width.fits(&text), "{columns} columns:\n{text}");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(verdicts().iter().all(|it| words.contains(&it.promise)), "{text}");
        }
    }
}
