//! The advice for people.

use std::fmt::Write;

use comfy_table::{Attribute, Cell, CellAlignment, Table};

use super::advice::{Advice, Comparison, Verified};
use super::knee;
use super::point::Figures;
use crate::fleet::plan::{Plan, Prediction};
use crate::table::STYLE;
use crate::units::{count, duration};

/// How much of a query is shown.
const SHOWN: usize = 90;
const WIDTH: usize = 100;

/// All of it.
#[must_use]
pub fn render(advice: &Advice) -> String {
    let mut text = head(advice);
    let _ = writeln!(text, "\n{}", measured(advice)); // writing to a string cannot fail
    let _ = writeln!(text, "{}\n", verdict(advice));
    section(&mut text, "Why this pool", &advice.reasons);
    section(&mut text, "Why this size", &advice.size_reasons);
    section(&mut text, "What to expect", &[expectation(advice)]);
    section(&mut text, "What may make it wrong", &advice.cautions);
    let _ = writeln!(text, "The settings\n");
    for line in advice.code.lines() {
        let indent = if line.is_empty() { "" } else { "    " };
        let _ = writeln!(text, "{indent}{line}");
    }
    if let Some(plan) = &advice.fleet {
        let _ = writeln!(text, "\n{}", fleet(plan));
        plan.advice.iter().for_each(|sentence| text.push_str(&wrapped(sentence)));
    }
    if let Some(verified) = &advice.verified {
        let _ = writeln!(text, "\n{}", comparison(verified));
    }
    let _ = writeln!(text, "\n{} · {}", advice.machine, advice.date);
    text
}

fn head(advice: &Advice) -> String {
    let mut query = advice.query.split_whitespace().collect::<Vec<_>>().join(" ");
    if query.chars().count() > SHOWN {
        query = query.chars().take(SHOWN).chain(['…']).collect();
    }
    let may = if advice.read_only { "read only" } else { "may write" };
    let idle = match advice.think_ns {
        0.0 => "never idle".to_owned(),
        ns => format!("idle for {} between two uses", duration(ns)),
    };
    let rows = if advice.rows == 1 { "row" } else { "rows" };
    format!(
        "database  {}\nquery     {query}\n          {} {rows}, {} when nobody else asks; {may}\n\
         threads   {}, {idle}\n",
        advice.database,
        advice.rows,
        duration(advice.alone_ns),
        advice.threads
    )
}

fn measured(advice: &Advice) -> String {
    let mut table = table(&[
        "pool", "size", "ops/s", "of best", "rounds", "wait p50", "p99", "held", "in use",
        "opened", "errors",
    ]);
    let best = advice.curve.iter().map(|it| it.ops_per_s).fold(0.0, f64::max);
    let mut groups: [Vec<&Figures>; 4] =
        [&advice.curve, &advice.around, &advice.proof, &advice.capacity]
            .map(|group| group.iter().collect());
    groups[1].sort_by_key(|figures| figures.size);
    for (name, group) in ["", "around the knee", "the proof", "the server"].iter().zip(&groups) {
        if !name.is_empty() && !group.is_empty() {
            table.add_row([Cell::new(name).add_attribute(Attribute::Dim)]);
        }
        for figures in group {
            table.add_row(row(figures, best, advice));
        }
    }
    table.to_string()
}

fn row(figures: &Figures, best: f64, advice: &Advice) -> Vec<Cell> {
    let is_advised = figures == &advice.expected;
    let star = if is_advised { "★ " } else { "" };
    let rounds = figures.rounds_ops_per_s.iter().copied();
    let (low, high) = rounds
        .fold((f64::INFINITY, 0.0), |(low, high), it| (f64::min(low, it), f64::max(high, it)));
    let wait = |ns: Option<u64>| ns.map_or("-".to_owned(), |ns| duration(ns as f64));
    let spread = if high > 0.0 { format!("{}–{}", count(low), count(high)) } else { "-".into() };
    vec![
        Cell::new(format!("{star}{}", figures.pool)),
        Cell::new(figures.size),
        Cell::new(count(figures.ops_per_s)),
        Cell::new(format!("{:.2}", figures.ops_per_s / best.max(1e-9))),
        Cell::new(spread),
        Cell::new(wait(figures.wait_p50_ns)),
        Cell::new(wait(figures.wait_p99_ns)),
        Cell::new(duration(figures.hold_mean_ns)),
        Cell::new(format!("{:.1}", figures.in_use)),
        Cell::new(figures.opened),
        Cell::new(figures.errors),
    ]
}

fn verdict(advice: &Advice) -> String {
    let (pool, package, setting) = match &*advice.pool {
        "persistent" => ("PersistentPool", "threadwise-persistent", "max_threads"),
        "queue" => ("QueuePool", "threadwise-queue", "size"),
        _ => ("SharedPool", "threadwise-shared", "max_size"),
    };
    let doubt = if advice.noise > knee::MOST {
        "\nThis is uncertain: the rounds lie far apart. Measure again, for longer or on a quieter machine."
    } else {
        ""
    };
    format!("Take {pool} (crate {package}) with {setting} {}.{doubt}", advice.size)
}

fn expectation(advice: &Advice) -> String {
    let Figures { ops_per_s, wait_p50_ns, wait_p99_ns, rounds_ops_per_s, .. } = &advice.expected;
    let lowest = rounds_ops_per_s.iter().copied().fold(f64::INFINITY, f64::min);
    format!(
        "{} operations a second ({} in the worst of {} rounds). Half of all gets have their \
         connection within {}, 99 in 100 within {}. Measured with exactly these settings, apart from \
         get_timeout, which is 100 times that p99, between 1 s and 30 s.",
        count(*ops_per_s),
        count(lowest),
        rounds_ops_per_s.len(),
        duration(wait_p50_ns.unwrap_or(0) as f64),
        duration(wait_p99_ns.unwrap_or(0) as f64),
    )
}

fn section(text: &mut String, title: &str, sentences: &[String]) {
    let _ = writeln!(text, "{title}");
    sentences.iter().for_each(|sentence| text.push_str(&wrapped(sentence)));
    text.push('\n');
}

/// An item of a list, in lines that can be read.
fn wrapped(sentence: &str) -> String {
    let mut text = String::from("  -");
    let mut width = text.len();
    for word in sentence.split(' ') {
        let length = word.chars().count();
        if width + 1 + length > WIDTH {
            text.push_str("\n   ");
            width = 3;
        }
        text.push(' ');
        text.push_str(word);
        width += 1 + length;
    }
    text + "\n"
}

fn fleet(plan: &Plan) -> String {
    let mut table =
        table(&["instances", "ops/s", "each", "load", "wait p50", "p99", "connections", "in use"]);
    for it in &plan.predictions {
        let guess = if it.is_beyond_measured { " ?" } else { "" };
        table.add_row([
            Cell::new(it.instances),
            Cell::new(format!("{}{guess}", count(it.ops_per_s))),
            Cell::new(count(it.ops_per_s / it.instances as f64)),
            Cell::new(format!("{:.0} %", 100.0 * it.load)),
            Cell::new(wait(it.wait_p50_ns as f64)),
            Cell::new(wait(it.wait_p99_ns as f64)),
            Cell::new(it.connections),
            Cell::new(format!("{:.1}", it.busy)),
        ]);
    }
    let size = plan.predictions.first().map_or(0, |it| it.max_size);
    format!(
        "A fleet, simulated (pools of {size}; seed {}; load is of the most that the server can do)\n\
         {table}",
        plan.seed
    )
}

fn comparison(verified: &Verified) -> String {
    if verified.comparisons.is_empty() {
        return "No real process was started: the server has no room for one's connections.".into();
    }
    let mut table = table(&[
        "processes",
        "ops/s",
        "predicted",
        "off by",
        "mean wait",
        "predicted",
        "off by",
        "p99",
        "predicted",
        "use off by",
        "within 15 %",
    ]);
    for it in &verified.comparisons {
        let Comparison { predicted, observed, ops_ratio, wait_ratio, use_ratio, agrees } = it;
        let Prediction { instances, ops_per_s, wait_mean_ns, wait_p99_ns, .. } = predicted;
        let percent = |ratio: f64| format!("{:+.0} %", 100.0 * (ratio - 1.0));
        table.add_row([
            Cell::new(instances),
            Cell::new(count(observed.ops_per_s)),
            Cell::new(count(*ops_per_s)),
            Cell::new(percent(*ops_ratio)),
            Cell::new(wait(observed.wait_mean_ns)),
            Cell::new(wait(*wait_mean_ns)),
            Cell::new(wait_ratio.map_or("-".into(), percent)),
            Cell::new(wait(observed.wait_p99_ns as f64)),
            Cell::new(wait(*wait_p99_ns as f64)),
            Cell::new(percent(*use_ratio)),
            Cell::new(if *agrees { "yes" } else { "no" }),
        ]);
    }
    format!(
        "Real processes, on this machine, beside what was predicted of them\n(the server does \
         {:.2} times what it did when its capacity was measured, and so it was predicted)\n{table}",
        verified.drift
    )
}

/// In the simulation a connection that is free costs no time at all.
fn wait(ns: f64) -> String {
    if ns < 1.0 { "none".into() } else { duration(ns) }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
