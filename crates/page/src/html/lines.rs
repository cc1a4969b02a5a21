//! Lines over a growing number of threads or connections, each named at its end.

use super::escape::Escaped;
use super::plot::{Decades, Drawing, WIDTH, tick_of_time};
use crate::matchup::{Role, is_ours, kind};
use threadwise_figures::ContenderKind;
use threadwise_figures::units::{count, duration};

pub(super) const LEFT: f64 = 44.0;
pub(super) const RIGHT: f64 = WIDTH - 120.0; // room for the longest name
const NAMES: f64 = RIGHT + 14.0;
pub(super) const TOP: f64 = 8.0;
pub(super) const BOTTOM: f64 = 208.0;
/// The shortest distance from one name to the next.
const APART: f64 = 12.5;

/// A contender's figures by the number of threads or connections, in rising order.
pub(super) struct Line<'a> {
    pub(super) pool: &'a str,
    pub(super) role: Role,
    pub(super) points: Vec<(usize, f64)>,
}

/// The vertical axis.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// Operations per second, from 0.
    Throughput,
    /// Nanoseconds, logarithmic.
    Time,
}

/// Draws the lines with a name at the end of each. `grows` is the name of the horizontal axis.
pub(super) fn draw(lines: &[Line<'_>], scale: Scale, grows: &str) -> Drawing {
    let mut drawing = Drawing::of_height(BOTTOM + 34.0);
    let values = || lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let up: Box<dyn Fn(f64) -> f64> = match scale {
        Scale::Time => {
            let axis = Decades::around(values(), (BOTTOM, TOP));
            for (tick, is_named) in axis.ticks() {
                grid(&mut drawing, axis.at(tick), is_named.then(|| tick_of_time(tick)));
            }
            Box::new(move |ns| axis.at(ns))
        }
        Scale::Throughput => {
            let (step, steps) = steps(values().fold(1.0, f64::max));
            let end = step * f64::from(steps);
            let up = move |value: f64| BOTTOM - value / end * (BOTTOM - TOP);
            for number in 0..=steps {
                let tick = step * f64::from(number);
                grid(&mut drawing, up(tick), Some(tick_of_count(tick)));
            }
            Box::new(up)
        }
    };
    let threads = lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let most = threads.max().unwrap_or(2).max(2);
    for line in lines {
        draw_line(&mut drawing, line, |threads| across(threads, most), &up, (scale, grows));
    }
    name_lines(&mut drawing, ends(lines, most, &up));
    axis(&mut drawing, most, grows);
    drawing
}

fn across(threads: usize, most: usize) -> f64 {
    LEFT + 6.0 + (threads as f64).log2() / (most as f64).log2() * (RIGHT - LEFT - 6.0)
}

pub(super) fn grid(drawing: &mut Drawing, y: f64, name: Option<String>) {
    drawing.line("grid", (LEFT, y), (RIGHT, y));
    if let Some(name) = name {
        drawing.text("tick up", LEFT - 5.0, y + 3.5, &name);
    }
}

fn axis(drawing: &mut Drawing, most: usize, grows: &str) {
    for threads in (0..usize::BITS).map(|power| 1 << power).take_while(|it| *it <= most) {
        drawing.text("tick", across(threads, most), BOTTOM + 15.0, &threads.to_string());
    }
    drawing.text("tick", (LEFT + RIGHT) / 2.0, BOTTOM + 30.0, grows);
}

/// Returns the classes of a contender's line.
pub(super) fn class(pool: &str, role: Role) -> String {
    // Lines of the same colour differ by their dashes.
    let dashes = match kind(pool) {
        Some(ContenderKind::Queue | ContenderKind::Mutex | ContenderKind::Fifo) => " dashed",
        Some(ContenderKind::Persistent | ContenderKind::MysqlPool) => " dotted",
        _ => "",
    };
    let own = if is_ours(pool) { " own" } else { "" };
    format!("row {}{own}{dashes}", role.class())
}

fn draw_line(
    drawing: &mut Drawing,
    line: &Line<'_>,
    across: impl Fn(usize) -> f64,
    up: impl Fn(f64) -> f64,
    (scale, grows): (Scale, &str),
) {
    drawing.add(&format!("<g class=\"{}\">", class(line.pool, line.role)));
    let places = line.points.iter().map(|&(threads, value)| (across(threads), up(value)));
    let path: Vec<_> = places.map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    drawing.add(&format!("<path class=\"curve\" d=\"M{}\"/>", path.join("L")));
    for &(threads, value) in &line.points {
        let told = told(line.pool, (grows, threads), value, scale);
        drawing.add(&format!(
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\"><title>{}</title></circle>",
            across(threads),
            up(value),
            Escaped(told)
        ));
    }
    drawing.add("</g>");
}

fn told(pool: &str, (grows, step): (&str, usize), value: f64, scale: Scale) -> String {
    let value = match scale {
        Scale::Throughput => format!("{} operations per second", count(value)),
        Scale::Time => duration(value),
    };
    format!("{pool}, {grows}: {step}: {value}")
}

/// The end of a contender's line.
pub(super) struct End<'a> {
    pub(super) pool: &'a str,
    pub(super) role: Role,
    pub(super) x: f64,
    pub(super) y: f64,
}

fn ends<'a>(lines: &[Line<'a>], most: usize, up: impl Fn(f64) -> f64) -> Vec<End<'a>> {
    let ended = lines.iter().filter_map(|line| line.points.last().map(|last| (line, *last)));
    ended
        .map(|(&Line { pool, role, .. }, (threads, value))| End {
            pool,
            role,
            x: across(threads, most),
            y: up(value),
        })
        .collect()
}

/// Draws names at the ends of the lines, and moves them apart if they would overlap.
pub(super) fn name_lines(drawing: &mut Drawing, mut ends: Vec<End<'_>>) {
    ends.sort_by(|a, b| a.y.total_cmp(&b.y));
    let places = apart(&ends.iter().map(|end| end.y).collect::<Vec<_>>());
    for (End { pool, role, x, y }, place) in ends.into_iter().zip(places) {
        drawing.add(&format!("<g class=\"{}\">", class(pool, role)));
        drawing.line("lead", (x + 3.0, y), (NAMES - 3.0, place));
        drawing.text("name", NAMES, place + 4.0, pool);
        drawing.add("</g>");
    }
}

/// Returns rising places within the plot that are near to the wanted ones and do not overlap.
fn apart(wanted: &[f64]) -> Vec<f64> {
    let mut places = wanted.to_vec();
    let mut lowest = TOP;
    for place in &mut places {
        *place = place.max(lowest);
        lowest = *place + APART;
    }
    let mut highest = BOTTOM;
    for place in places.iter_mut().rev() {
        *place = place.min(highest);
        highest = *place - APART;
    }
    places
}

/// Returns a round step, and how many such steps reach the highest value.
pub(super) fn steps(highest: f64) -> (f64, u32) {
    let power = 10_f64.powf((highest / 5.0).log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|it| it * power * 5.0 >= highest);
    let step = factor.unwrap_or(10.0) * power;
    (step, (highest / step).ceil().max(1.0) as u32)
}

pub(super) fn tick_of_count(number: f64) -> String {
    match number {
        number if number < 1e3 => format!("{number}"),
        number if number < 1e6 => format!("{} k", number / 1e3),
        number => format!("{} M", number / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_overlap_are_moved_apart_within_the_plot() {
        for wanted in [&[100.0, 101.0, 102.0][..], &[TOP; 6], &[BOTTOM; 6], &[8.0, 200.0]] {
            let places = apart(wanted);
            assert!(places.windows(2).all(|it| it[1] - it[0] >= APART - 1e-9), "{places:?}");
            assert!(places.iter().all(|place| (TOP..=BOTTOM).contains(place)), "{places:?}");
        }
    }

    #[test]
    fn steps_are_round_and_reach_the_highest_value() {
        for (highest, step, count) in [(73_000.0, 20_000.0, 4), (1.0, 0.2, 5), (5.0, 1.0, 5)] {
            let found = steps(highest);
            assert!((found.0 - step).abs() < 1e-9 && found.1 == count, "{highest}: {found:?}");
        }
    }
}
