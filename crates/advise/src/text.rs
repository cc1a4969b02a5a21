//! The advice as text for people.

use std::fmt::Write;

use comfy_table::{Attribute, Cell};
use threadwise::PoolKind;
use threadwise_figures::units::{count, duration};
use threadwise_page::width::{Width, table};

use crate::advice::{Advice, Comparison, Verified};
use crate::fleet::plan::{Plan, Prediction};
use crate::point::Figures;
use crate::turn::names;

/// At most so many characters of a query are shown.
const SHOWN: usize = 90;
/// Text in longer lines is hard to read.
const LONGEST_LINE: usize = 100;

/// The whole advice as text, wrapped to `width` except the code.
pub fn render(advice: &Advice, width: Width) -> String {
    let mut text = head(advice, width);
    let _ = writeln!(text, "\n{}", measured(advice, width)); // writing to a string cannot fail
    let _ = writeln!(text, "{}", verdict(advice, width));
    section(&mut text, "Why this pool", &advice.reasons, width);
    section(&mut text, "Why this size", &advice.size_reasons, width);
    section(&mut text, "What to expect", &[expectation(advice)], width);
    section(&mut text, "What may make it wrong", &advice.cautions, width);
    let _ = writeln!(text, "The settings\n");
    for line in advice.code.lines() {
        let indent = if line.is_empty() { "" } else { "    " };
        let _ = writeln!(text, "{indent}{line}");
    }
    if let Some(plan) = &advice.fleet {
        let _ = writeln!(text, "\n{}", fleet(plan, width));
        plan.advice.iter().for_each(|sentence| text.push_str(&item(sentence, width)));
    }
    if let Some(verified) = &advice.verified {
        let _ = writeln!(text, "\n{}", comparison(verified, width));
    }
    text.push('\n');
    text + &width.wrap(&format!("{} · {}", advice.machine, advice.date), "", "  ")
}

fn head(advice: &Advice, width: Width) -> String {
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
    let alone = duration(advice.alone_ns);
    let answer = format!("{} {rows}, {alone} with no other thread; {may}", advice.rows);
    let rest = "          ";
    width.wrap(&advice.database, "database  ", rest)
        + &width.wrap(&query, "query     ", rest)
        + &width.wrap(&answer, rest, rest)
        + &width.wrap(&format!("{}, {idle}", advice.threads), "threads   ", rest)
}

fn measured(advice: &Advice, width: Width) -> String {
    let header = [
        "pool", "size", "ops/s", "of best", "rounds", "wait p50", "p99", "held", "in use",
        "opened", "errors",
    ];
    let mut table = table(&header);
    let best = advice.sweep.iter().map(|it| it.ops_per_s).fold(0.0, f64::max);
    let mut groups: [Vec<&Figures>; 4] =
        [&advice.sweep, &advice.around, &advice.proof, &advice.capacity]
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
    width.fit(table, &header, &[9, 5, 4, 10, 3, 7])
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

fn verdict(advice: &Advice, width: Width) -> String {
    let width = width.at_most(LONGEST_LINE);
    let kind = advice.pool.parse().unwrap_or(PoolKind::Shared);
    let (pool, setting) = names(kind);
    let take = format!("{pool} (crate threadwise-{kind}) with {setting} {}.", advice.size);
    if advice.doubts.is_empty() {
        return width.wrap(&format!("Take {take}"), "", "");
    }
    let mut text = width.wrap("advise cannot tell which pool and which size do best here:", "", "");
    advice.doubts.iter().for_each(|doubt| text.push_str(&item(doubt, width)));
    let again = match advice.database_lost {
        Some(_) => "Measure again when the database stays there.",
        None => "Measure again with more --seconds, on a machine that does nothing else.",
    };
    text + &width.wrap(again, "", "") + &width.wrap(&format!("Until then take {take}"), "", "")
}

fn expectation(advice: &Advice) -> String {
    let Figures { ops_per_s, wait_p50_ns, wait_p99_ns, rounds_ops_per_s, .. } = &advice.expected;
    let lowest = rounds_ops_per_s.iter().copied().fold(f64::INFINITY, f64::min);
    let doubtful = if advice.doubts.is_empty() { "" } else { "Unreliable: " };
    format!(
        "{doubtful}{} operations a second ({} in the slowest of {} rounds). Half of all calls of \
         get wait at most {}, 99 in 100 at most {}. Measured with exactly these settings, except \
         get_timeout, which is 100 times that p99, but at least 1 s and at most 30 s.",
        count(*ops_per_s),
        count(lowest),
        rounds_ops_per_s.len(),
        duration(wait_p50_ns.unwrap_or(0) as f64),
        duration(wait_p99_ns.unwrap_or(0) as f64),
    )
}

fn section(text: &mut String, title: &str, sentences: &[String], width: Width) {
    let _ = writeln!(text, "{title}");
    sentences.iter().for_each(|sentence| text.push_str(&item(sentence, width)));
    text.push('\n');
}

/// An item of a list, wrapped to readable lines.
fn item(sentence: &str, width: Width) -> String {
    width.at_most(LONGEST_LINE).wrap(sentence, "  - ", "    ")
}

fn fleet(plan: &Plan, width: Width) -> String {
    let header = ["instances", "ops/s", "each", "load", "wait p50", "p99", "connections", "in use"];
    let mut table = table(&header);
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
    let heading = format!(
        "A fleet, simulated (pools of {size}; seed {}; load is relative to the server's maximum)",
        plan.seed
    );
    width.wrap(&heading, "", "") + &width.fit(table, &header, &[7, 4, 2, 6])
}

#[rustfmt::skip]
const COMPARED: [&str; 11] = [
    "processes", "ops/s", "predicted", "off by", "mean wait", "predicted", "off by", "p99", "predicted",
    "use off by", "within 15 %",
];

fn comparison(verified: &Verified, width: Width) -> String {
    if verified.comparisons.is_empty() {
        return "No real process was started: the server has no room for even one pool.".into();
    }
    let mut table = table(&COMPARED);
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
    let drift = format!(
        "(the server is {:.2} times as fast as when its capacity was measured; the predictions are \
         for this speed)",
        verified.drift
    );
    let heading = "Real processes on this machine, beside their predictions";
    width.wrap(heading, "", "")
        + &width.at_most(LONGEST_LINE).wrap(&drift, "", "")
        + &width.fit(table, &COMPARED, &[8, 7, 5, 2, 6, 4])
}

/// In the simulation, borrowing an idle connection takes no time at all.
fn wait(ns: f64) -> String {
    if ns < 1.0 { "none".into() } else { duration(ns) }
}
