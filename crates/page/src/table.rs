//! Figures as text tables for a terminal, with the best marked.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use comfy_table::{Attribute, Cell, Table};
use threadwise_figures::units::{count, duration, three_digits};
use threadwise_figures::{
    Breakdown, ENOUGH_ROUNDS, ENOUGH_TIME, Footprint, Measurement, Report, ScenarioRun, Sweep,
    Verdict, is_enough,
};

use crate::matchup::{Role, grouped, role, shape};
use crate::unfair::{self, Group};
use crate::width::{Width, table};

/// Errors have no column, because they are rare: a note below the table has their number and the
/// first one. So the table fits into a terminal of 100 columns. A narrower one gets fewer columns.
const HEADER: [&str; 11] = [
    "pool", "ops/s", "±", "of best", "per op", "wait p50", "p99", "p99.9", "max", "fair", "opened",
];
/// The columns that a narrow terminal omits, the least important first. The three that always stay
/// are the pool, its throughput and its p99 wait.
const EXPENDABLE: [usize; 8] = [4, 10, 8, 5, 9, 2, 7, 3];
/// A line about a claim is no longer than this, on a wide terminal and in a file, too.
const LONGEST_CLAIM: usize = 80;

/// A heading with the workload's question, a table with the fastest contender first and the best
/// throughput, p99.9 wait and fairness marked, and notes that explain the table. Empty without rows.
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
    let heading = heading(first, question);
    block(&heading, &HEADER, table, &EXPENDABLE, width) + &list(notes(&ranked), width)
}

/// A heading, and the table below it.
fn block(
    heading: &str,
    header: &[&str],
    table: Table,
    expendable: &[usize],
    width: Width,
) -> String {
    width.wrap(heading, "", "  ") + &width.fit(table, header, expendable) + "\n"
}

/// Notes below a table.
fn list(notes: impl IntoIterator<Item = String>, width: Width) -> String {
    notes.into_iter().map(|note| width.wrap(&note, "  ", "    ")).collect()
}

/// A heading with the scenario's question, and a table with the best figure first. Empty without
/// runs.
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
    block(&heading, &header, table, &[5, 2, 4, 6, 3], width)
}

/// Throughput by number of threads or connections, a row for each contender. Empty without points.
pub fn render_sweep(points: &[Measurement], width: Width) -> String {
    let Some(Measurement { backend, workload, .. }) = points.first() else {
        return String::new();
    };
    let sweep = Sweep::named(workload).unwrap_or(Sweep::Threads);
    let steps: BTreeSet<_> = points.iter().map(|point| sweep.step_of(point)).collect();
    let titles: Vec<_> = steps.iter().map(ToString::to_string).collect();
    let header: Vec<_> = ["pool"].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let mut table = table(&header);
    for points in grouped(points, |point| &point.pool) {
        let at = |step| points.iter().find(|it| sweep.step_of(it) == step);
        let figure = |&step| match at(step) {
            Some(point) if point.errors > 0 => format!("! {}", count(point.ops_per_s)),
            Some(point) if sweep == Sweep::FairAfter => {
                format!("{} {}", compact(&count(point.ops_per_s)), wait(point.wait_p99_ns))
            }
            Some(point) => count(point.ops_per_s),
            None => dash(),
        };
        table.add_row([points[0].pool.clone()].into_iter().chain(steps.iter().map(figure)));
    }
    let failed = points.iter().find_map(|it| Some((it, it.first_error.as_ref()?)));
    let note = failed.map(|(it, error)| {
        let (pool, threads, size) = (&it.pool, it.threads, it.size);
        format!("! errors; the first: {pool}, {threads} threads on {size}: {error}")
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
    block(&heading, &header, table, &expendable, width) + &list(note, width)
}

/// The breakdowns, the shortest first; empty without breakdowns.
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
    let mut text = ranked.first().map_or_else(String::new, |(backend, ..)| {
        let heading = format!("{backend} · {}: {}", Breakdown::NAME, Breakdown::ABOUT);
        block(&heading, &header, table, &[4, 3, 5], width)
    });
    let failed = breakdowns.iter().filter_map(|it| Some((it, it.error.as_ref()?)));
    let notes = failed.map(|(Breakdown { backend, pool, .. }, error)| {
        format!("! {backend} · {} · {pool}: {error}", Breakdown::NAME)
    });
    text += &list(notes, width);
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// The memory of the contenders, a row for each.
pub fn render_memory(footprints: &[Footprint], width: Width) -> String {
    let header = ["pool", "bytes per idle connection", "bytes per waiting thread"];
    let mut table = table(&header);
    let bytes = |bytes: Option<f64>| bytes.map_or_else(dash, |bytes| format!("{bytes:.0}"));
    for Footprint { pool, idle_bytes, waiter_bytes, .. } in footprints {
        table.add_row([pool.clone(), bytes(*idle_bytes), bytes(*waiter_bytes)]);
    }
    let errors = footprints.iter().filter_map(|it| Some((&it.pool, it.error.as_ref()?)));
    let notes = errors.map(|(pool, error)| format!("! {pool}: {error}"));
    let (name, about) = (Footprint::NAME, Footprint::ABOUT);
    let heading = format!("synthetic · {name}: {about} (heap only, without stacks)");
    block(&heading, &header, table, &[2, 1], width) + &list(notes, width)
}

/// What is unfair to pools of other languages and to ours beside them, and what was left out. Empty
/// without such pools.
pub fn render_unfair(report: &Report, width: Width) -> String {
    let groups = unfair::groups(report);
    let mut text = if groups.is_empty() { String::new() } else { "What is unfair\n".into() };
    for Group { title, lines } in groups {
        text += &list([title], width);
        lines.iter().for_each(|line| text += &width.wrap(line, "    ", "      "));
    }
    text + &list(report.left_out.iter().cloned(), width)
}

/// A number of round trips, which is almost always a whole number.
fn trips(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number}") } else { format!("{number:.2}") }
}

/// A heading, two lines for each claim, and a note if the turns were too few or too short to judge
/// them; empty without claims. The first line has the claim. The second one has the limit, the figure,
/// its interval and the verdict, below those of the other claims.
pub fn render_claims(
    verdicts: &[Verdict],
    rounds: usize,
    window: Duration,
    width: Width,
) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let width = width.at_most(LONGEST_CLAIM);
    let heading = "claims: the limit, the median of the rounds, its 95 % interval, the verdict";
    let mut text = width.wrap(heading, "", "  ");
    for verdict in verdicts {
        let Verdict { workload, promise, sense, limit, measured, .. } = verdict;
        let limit = format!("{} {limit}", sense.name());
        let (range, word) = (verdict.range(), verdict.word());
        text += &width.wrap(&format!("{workload}: {promise}"), "  ", "    ");
        let _ = writeln!(text, "    {limit:13} {measured:9.3}  {range:17} {word}");
    }
    let is_unjudged = verdicts.iter().any(|verdict| verdict.holds.is_none());
    let note = (is_unjudged && !is_enough(rounds, window)).then(|| {
        let turns = if rounds == 1 { "turn" } else { "turns" };
        format!(
            "! {rounds} {turns} of {window:?} each: too little to judge a claim. It takes at least \
             {ENOUGH_ROUNDS} turns of {ENOUGH_TIME:?}; see --rounds and --millis"
        )
    });
    text + &list(note, width)
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
            "· no rival: not a complete pool, ours with a manager for r2d2, or more connections than \
             the workload has"
                .into(),
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
