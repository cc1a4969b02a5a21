//! The trade: throughput against the p99 wait, a point for each pool.

use maud::{Markup, html};
use threadwise_figures::units::{count, duration};
use threadwise_figures::{Backend, ContenderKind, Measurement, Report};

use super::axis::Decades;
use super::lines::{BOTTOM, LEFT, Scale, TOP};
use super::plot::{Plot, list};
use super::svg::{Drawing, Px, WIDTH, circle, class, curve, decades, text};
use crate::comparison::Figure;
use crate::matchup::{Matchup, Role, is_ours, role};

const RIGHT: f64 = WIDTH - 20.0; // room for half of the last tick's name
/// About the size of a letter, and half the size of a mark.
const LETTER: (f64, f64) = (6.4, 12.0);
const BOLD: f64 = 7.6;
const MARK: f64 = 5.0;

/// A throughput and a p99 wait in nanoseconds.
struct Point<'r> {
    pool: &'r str,
    role: Role,
    ops_per_s: f64,
    wait_ns: f64,
    /// Whether the p99 wait says how all threads fare.
    is_fair: bool,
}

impl<'r> Point<'r> {
    fn of(row: &'r Measurement) -> Option<Self> {
        let (ops_per_s, wait_ns) = Figure::Throughput.of(row).zip(Figure::WaitP99.of(row))?;
        let is_fair = Figure::WaitP99.is_comparable(row);
        Some(Self { pool: &row.pool, role: role(row), ops_per_s, wait_ns, is_fair })
    }

    fn told(&self) -> String {
        let Self { pool, ops_per_s, wait_ns, .. } = self;
        format!(
            "{pool}: {} operations per second, p99 wait {}",
            count(*ops_per_s),
            duration(*wait_ns)
        )
    }
}

/// Returns the picture on the first backend that has the workload; `None` if none has it.
pub(super) fn plot(report: &Report, matchups: &[Matchup<'_>]) -> Option<Plot> {
    let backends = [Backend::Mysql, Backend::Postgres, Backend::Sqlite, Backend::Synthetic];
    let starved = |backend: &Backend| matchups.iter().find(|it| it.is(backend.name(), "starved"));
    let matchup = backends.iter().find_map(starved)?;
    let rows = matchup.rows.iter().filter_map(|row| Point::of(row));
    let pools: Vec<_> = rows.filter(|point| point.role != Role::Reference).collect();
    if pools.is_empty() {
        return None;
    }
    let backend = &matchup.rows[0].backend;
    let steps = report.fair_after.iter().filter(|row| row.backend == *backend);
    let steps: Vec<_> =
        steps.filter_map(|row| Some((row.fair_after_ms?, Point::of(row)?))).collect();
    let left_out = if matchup.rows.iter().any(|row| role(row) == Role::Reference) {
        " Contenders with a connection for each thread are left out."
    } else {
        ""
    };
    let unfair = if pools.iter().chain(steps.iter().map(|step| &step.1)).all(|it| it.is_fair) {
        ""
    } else {
        " A hollow mark: a few threads get nearly all turns, and the waits of the others do not show."
    };
    let line = match &steps[..] {
        [] => "",
        _ => {
            " The line is the pool shared with other values of fair_after: from strict order (0 ms) to \
             more throughput (30 ms)."
        }
    };
    let told = pools.iter().map(Point::told);
    let told_steps = steps.iter().map(|(ms, it)| format!("fair_after {ms} ms, {}", it.told()));
    Some(Plot {
        kind: "trade",
        place: matchup.place(),
        question: "What does a pool trade for short waits?".into(),
        spoken: list(told.chain(told_steps)),
        reading: format!(
            "{}. Across: the wait that 99 of 100 operations do not exceed; each grid line is ten times \
             the one before. Up: operations per second. Best is top left.{left_out}{unfair}{line}",
            matchup.shape()
        ),
        drawing: draw(&pools, &steps),
    })
}

fn draw(pools: &[Point<'_>], steps: &[(usize, Point<'_>)]) -> Drawing {
    let all = || pools.iter().chain(steps.iter().map(|step| &step.1));
    let across = Decades::around(all().map(|point| point.wait_ns), (LEFT + 8.0, RIGHT));
    let up = Scale::from_zero(all().map(|point| point.ops_per_s));
    let place = |point: &Point<'_>| (across.at(point.wait_ns), up.up(point.ops_per_s));
    let mut names = Names::default();
    all().for_each(|point| names.keep_clear(place(point)));
    names.keep_clear_line(&steps.iter().map(|step| place(&step.1)).collect::<Vec<_>>());
    let labels: Vec<_> = pools.iter().map(|point| names.beside(place(point), point.pool)).collect();
    let numbers = steps.iter().map(|(ms, point)| names.beside(place(point), &format!("{ms} ms")));
    let numbers: Vec<_> = numbers.collect();
    let shared = class(ContenderKind::Shared.name(), Role::Ours);
    let body = html! {
        (up.grid(RIGHT))
        (decades(across, TOP, BOTTOM))
        (text("tick", (LEFT + RIGHT) / 2.0, BOTTOM + 30.0, "p99 wait"))
        @if !steps.is_empty() {
            g class=(shared) {
                (curve(steps.iter().map(|step| place(&step.1))))
                @for ((ms, point), number) in steps.iter().zip(&numbers) {
                    (circle(filling(point), place(point), 3.0, &format!("fair_after {ms} ms, {}", point.told())))
                    (number.name("step", &format!("{ms} ms")))
                }
            }
        }
        @for (point, label) in pools.iter().zip(&labels) {
            g class=(class(point.pool, point.role)) {
                (mark(point, place(point)))
                (label.name("name", point.pool))
            }
        }
    };
    Drawing { height: BOTTOM + 34.0, body }
}

fn filling(point: &Point<'_>) -> &'static str {
    if point.is_fair { "dot" } else { "ring" }
}

/// Ours are round and peers are square, so that colour is not needed.
fn mark(point: &Point<'_>, (x, y): (f64, f64)) -> Markup {
    match point.role {
        Role::Ours => circle(filling(point), (x, y), MARK, &point.told()),
        _ => html! {
            rect class=(filling(point)) x=(Px(x - 4.0)) y=(Px(y - 4.0)) width="8" height="8" {
                title { (point.told()) }
            }
        },
    }
}

/// Finds places for names that cover no mark and no other name.
#[derive(Default)]
struct Names {
    /// The left, top, right and bottom of what is taken.
    taken: Vec<[f64; 4]>,
}

impl Names {
    fn keep_clear(&mut self, (x, y): (f64, f64)) {
        self.taken.push([x - MARK, y - MARK, x + MARK, y + MARK]);
    }

    /// Keeps names off a line.
    fn keep_clear_line(&mut self, points: &[(f64, f64)]) {
        const PIECES: u32 = 12;
        for ends in points.windows(2) {
            let ((x1, y1), (x2, y2)) = (ends[0], ends[1]);
            for piece in 0..=PIECES {
                let part = f64::from(piece) / f64::from(PIECES);
                let (x, y) = (x1 + part * (x2 - x1), y1 + part * (y2 - y1));
                self.taken.push([x - 1.5, y - 1.5, x + 1.5, y + 1.5]);
            }
        }
    }

    /// Returns where a name is free: beside the mark, or else above or below it. If nothing is free,
    /// names overlap.
    fn beside(&mut self, (x, y): (f64, f64), name: &str) -> Place {
        let letter = if is_ours(name) { BOLD } else { LETTER.0 };
        let (width, height) = (letter * name.chars().count() as f64, LETTER.1);
        let gap = MARK + 3.0;
        let ends = [("start", x + gap), ("end", x - gap), ("middle", x)];
        let rows = [0.0, -0.6, 0.6, -1.2, 1.2, -2.0, 2.0, -3.0, 3.0].map(|row| y + row * height);
        let place = |(anchor, x): (&'static str, f64), middle: f64| {
            let left = match anchor {
                "start" => x,
                "end" => x - width,
                _ => x - width / 2.0,
            };
            let covers = [left, middle - height / 2.0, left + width, middle + height / 2.0];
            (Place { anchor, x, y: middle + 4.0 }, covers)
        };
        let places = rows.into_iter().flat_map(|row| ends.map(|end| place(end, row)));
        let is_inside =
            |it: &[f64; 4]| it[0] > LEFT && it[2] < WIDTH && it[1] > 0.0 && it[3] < BOTTOM + 5.0;
        let mut inside = places.filter(|(_, covers)| is_inside(covers)).peekable();
        let first = inside.peek().copied();
        let free = inside.find(|(_, it)| !self.taken.iter().any(|other| overlap(it, other)));
        let (place, covers) = free.or(first).unwrap_or_else(|| place(ends[0], y));
        self.taken.push(covers);
        place
    }
}

/// Where a name is, and which part of it is there.
#[derive(Clone, Copy)]
struct Place {
    anchor: &'static str,
    x: f64,
    y: f64,
}

impl Place {
    fn name(&self, class: &str, name: &str) -> Markup {
        text(&format!("{class} {}", self.anchor), self.x, self.y, name)
    }
}

fn overlap(one: &[f64; 4], other: &[f64; 4]) -> bool {
    one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_marks_that_are_close_together_do_not_overlap() {
        let mut names = Names::default();
        let marks = [(100.0, 100.0), (104.0, 101.0), (108.0, 102.0), (340.0, 100.0)];
        marks.into_iter().for_each(|mark| names.keep_clear(mark));
        for (number, mark) in marks.into_iter().enumerate() {
            names.beside(mark, "mysql-pool");
            let (new, taken) = names.taken.split_last().unwrap();
            let names = &taken[marks.len()..];
            assert!(!names.iter().any(|it| overlap(it, new)), "{number}: {new:?} {names:?}");
            assert!(new[2] < WIDTH, "{new:?}");
        }
    }
}
