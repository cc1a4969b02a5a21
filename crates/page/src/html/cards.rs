//! A card for each threading model: the pool for it, and the three numbers that decide.

use maud::{Markup, html};
use threadwise_figures::{Backend, ContenderKind, Measurement};

use crate::comparison::{Comparison, Figure};
use crate::matchup::{Matchup, Role, role};

/// What a reader's threads are like, and the pool for them.
struct Model {
    threads: &'static str,
    pool: ContenderKind,
    title: &'static str,
}

#[rustfmt::skip]
const MODELS: [Model; 3] = [
    Model { pool: ContenderKind::Shared, title: "SharedPool",
        threads: "many, and they share fewer connections" },
    Model { pool: ContenderKind::Persistent, title: "PersistentPool",
        threads: "a stable set that queries often" },
    Model { pool: ContenderKind::Queue, title: "QueuePool",
        threads: "of any kind, on a fixed number of connections" },
];

/// A number that decides, and the workload that measures it.
struct Number {
    name: &'static str,
    figure: Figure,
    workload: &'static str,
    /// The first of these that the report has.
    backends: &'static [Backend],
}

#[rustfmt::skip]
const NUMBERS: [Number; 3] = [
    Number { name: "free checkout", figure: Figure::Cost, workload: "uncontended",
        backends: &[Backend::Synthetic] },
    Number { name: "p99 wait when starved", figure: Figure::WaitP99, workload: "starved",
        backends: &[Backend::Mysql, Backend::Postgres, Backend::Sqlite, Backend::Synthetic] },
    Number { name: "reads on a database", figure: Figure::Throughput, workload: "point-select",
        backends: &[Backend::Mysql, Backend::Postgres, Backend::Sqlite] },
];

/// Returns the cards; nothing if the report has no workloads.
pub(super) fn render(matchups: &[Matchup<'_>]) -> Markup {
    html! {
        @if !matchups.is_empty() {
            div.cards { @for model in &MODELS { (card(model, matchups)) } }
        }
    }
}

fn card(model: &Model, matchups: &[Matchup<'_>]) -> Markup {
    html! {
        article.card data-pool=(model.pool) {
            p.threads { "Your threads are " (model.threads) }
            h2 { span.arrow { "→" } " " (model.title) }
            dl.numbers {
                @for number in &NUMBERS { (render_number(number, model.pool, matchups)) }
            }
        }
    }
}

fn render_number(number: &Number, pool: ContenderKind, matchups: &[Matchup<'_>]) -> Markup {
    let is_meant = |row: &Measurement| row.pool == pool.name();
    let measured = number.backends.iter().find_map(|backend| {
        let matchup = matchups.iter().find(|it| it.is(backend.name(), number.workload))?;
        let row = *matchup.rows.iter().find(|row| is_meant(row))?;
        Some((matchup, row, number.figure.of(row)?))
    });
    html! {
        div.number {
            dt {
                (number.name)
                @if let Some((matchup, ..)) = &measured { " " span.place { (matchup.place()) } }
            }
            @match measured {
                None => dd { b { "–" } " " span.finding { (missing(number, pool, matchups)) } },
                Some((matchup, row, value)) => dd {
                    b { (number.figure.text(value)) }
                    " "
                    @if role(row) == Role::Reference {
                        span.finding { "with " (row.threads) " connections instead of " (row.size) }
                    } @else if !number.figure.is_comparable(row) {
                        span.finding.worse { span.mark { "▼" } " a few threads got nearly all turns" }
                    } @else if let Some(found) = Comparison::of(matchup, number.figure, is_meant) {
                        (finding(&found))
                    }
                },
            }
        }
    }
}

/// Returns why there is no figure.
fn missing(number: &Number, pool: ContenderKind, matchups: &[Matchup<'_>]) -> &'static str {
    let is_its = |matchup: &&Matchup<'_>| {
        number.backends.iter().any(|backend| matchup.is(backend.name(), number.workload))
    };
    let mut rows = matchups.iter().filter(is_its).flat_map(|matchup| &matchup.rows);
    if rows.any(|row| row.pool == pool.name()) {
        "operations failed"
    } else {
        "not measured in this run"
    }
}

/// Says how many times better or worse than the best peer.
pub(super) fn finding(found: &Comparison<'_>) -> Markup {
    let value = found.figure.of(found.peer).map(|value| found.figure.text(value));
    let class = found.finding();
    html! {
        span.finding.(class.class()) {
            span.mark { (class.mark()) } " " (found.words()) " " (found.peer.pool)
            @if let Some(value) = value { span.theirs { " (" (value) ")" } }
        }
    }
}
