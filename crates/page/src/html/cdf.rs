//! The distribution of waits of each contender, up to its longest wait.
//!
//! The horizontal axis is a wait, logarithmic. The vertical axis is the share of operations that
//! waited no longer. It is logarithmic in the rest (1 - share), so 90, 99 and 99.9 % are at equal
//! distances. The longest wait is at the top.

use maud::{Markup, html};
use threadwise_figures::WaitAt;
use threadwise_figures::units::duration;

use super::axis::Decades;
use super::lines::lined;
use super::svg::{Drawing, WIDTH, circle, curve, decades, line, text};
use crate::matchup::Role;

const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 112.0; // room for the longest name
const HEIGHT: f64 = 200.0;
/// The distance from one name to the next.
const APART: f64 = 12.5;
/// The shares that have a name on the axis.
const TICKS: [(f64, &str); 6] = [
    (0.0, "0 %"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
];
/// The shares that have a dot.
const DOTS: [f64; 3] = [0.5, 0.99, 0.999];

/// A contender's waits, from the shortest to the longest.
pub(super) struct Waited<'a> {
    pub(super) pool: &'a str,
    pub(super) role: Role,
    pub(super) points: &'a [WaitAt],
}

/// The axes and edges of the plot.
struct Frame {
    across: Decades,
    top: f64,
    bottom: f64,
    /// The number of steps up to the longest; each step divides the rest by ten.
    steps: f64,
}

impl Frame {
    /// Returns the vertical position of a share. A share of 1 is at the top.
    fn up(&self, share: f64) -> f64 {
        let step = if share >= 1.0 { self.steps } else { rest(share).min(self.steps) };
        self.bottom - step / self.steps * (self.bottom - self.top)
    }
}

/// Returns the number of steps up to the longest, if `told` is the greatest share below 1.
fn steps(told: f64) -> f64 {
    (rest(told) - 1e-6).ceil() + 0.7 // 99.99 % are 4 steps, despite rounding errors
}

/// Returns the number of nines of a share: 2 for 0.99, 3 for 0.999.
fn rest(share: f64) -> f64 {
    -(1.0 - share).log10()
}

/// Draws the lines, and a mark at the ideal wait if there is one.
pub(super) fn draw(lines: &[Waited<'_>], ideal: Option<f64>) -> Drawing {
    let points = || lines.iter().flat_map(|line| line.points);
    let waits = points().map(|point| point.ns as f64).chain(ideal);
    let told = points().map(|point| point.share).filter(|share| *share < 1.0).fold(0.5, f64::max);
    let flags = lines.len() + ideal.iter().len();
    let top = 6.0 + APART * flags as f64;
    let frame = Frame {
        across: Decades::around(waits, (LEFT + 6.0, RIGHT)),
        top,
        bottom: top + HEIGHT,
        steps: steps(told),
    };
    let body = html! {
        (axes(&frame))
        @if let Some(x) = ideal.map(|ideal| frame.across.at(ideal)) {
            (line("mark", (x, frame.top), (x, frame.bottom)))
        }
        @for line in lines { (draw_line(line, &frame)) }
        (draw_flags(lines, ideal, &frame))
    };
    Drawing { height: frame.bottom + 20.0, body }
}

fn axes(frame: &Frame) -> Markup {
    let shares = TICKS.into_iter().filter(|(share, _)| rest(*share) < frame.steps - 0.5);
    html! {
        @for (share, name) in shares.chain([(1.0, "longest")]) {
            @let y = frame.up(share);
            (line("grid", (LEFT, y), (RIGHT, y)))
            (text("tick up", LEFT - 4.0, y + 3.5, name))
        }
        (decades(frame.across, frame.top, frame.bottom))
    }
}

fn draw_line(line: &Waited<'_>, frame: &Frame) -> Markup {
    let place = |point: &WaitAt| (frame.across.at(point.ns as f64), frame.up(point.share));
    html! {
        g class=(lined(line.pool, line.role)) {
            (curve(line.points.iter().map(place)))
            @for point in line.points.iter().filter(|point| DOTS.contains(&point.share)) {
                (circle("dot", place(point), 2.6, &told(line.pool, point)))
            }
            @if let Some(longest) = line.points.last() {
                (circle("ring", place(longest), 3.2, &told(line.pool, longest)))
            }
        }
    }
}

fn told(pool: &str, point: &WaitAt) -> String {
    let wait = duration(point.ns as f64);
    if point.share >= 1.0 {
        return format!("{pool}: the longest wait is {wait}");
    }
    // Rounds to four decimals: in floating point 100 × 0.9995 is not exactly 99.95.
    let percent = (point.share * 1e6).round() / 1e4;
    format!("{pool}: {percent} % wait no longer than {wait}")
}

/// Draws each name on a pole above the end of its line. The leftmost is the highest, so that no
/// pole crosses a name.
fn draw_flags(lines: &[Waited<'_>], ideal: Option<f64>, frame: &Frame) -> Markup {
    let named = lines.iter().map(|line| {
        let longest = line.points.last().map_or(1.0, |point| point.ns as f64);
        (frame.across.at(longest), lined(line.pool, line.role), line.pool)
    });
    let ideal = ideal.map(|ideal| (frame.across.at(ideal), "row reference".into(), "ideal"));
    let mut flags: Vec<(f64, String, &str)> = named.chain(ideal).collect();
    flags.sort_by(|a, b| a.0.total_cmp(&b.0));
    html! {
        @for ((x, class, name), number) in flags.iter().zip(0_u32..) {
            @let y = 10.0 + APART * f64::from(number);
            g class=(class) {
                (line("lead", (*x, y - 6.0), (*x, frame.top)))
                (text("name", x + 3.0, y + 2.0, name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let across = Decades::around([10.0, 1e6].into_iter(), (0.0, 1.0));
        Frame { across, top: 0.0, bottom: 470.0, steps: 4.7 }
    }

    #[test]
    fn dividing_the_rest_by_ten_is_one_step_and_the_longest_is_at_the_top() {
        let places = [0.0, 0.9, 0.99, 0.999, 1.0].map(|share| frame().up(share).round());
        assert_eq!(places, [470.0, 370.0, 270.0, 170.0, 0.0]);
    }

    #[test]
    fn the_longest_is_directly_above_the_greatest_share() {
        let found = [0.5, 0.9, 0.99, 0.995, 0.999, 0.9999].map(steps);
        assert_eq!(found, [1.7, 1.7, 2.7, 3.7, 3.7, 4.7]);
    }

    #[test]
    fn a_share_is_shown_without_rounding_errors() {
        let told = |share| told("shared", &WaitAt { share, ns: 1_000 });
        assert_eq!(told(0.9995), "shared: 99.95 % wait no longer than 1.00 µs");
        assert_eq!(told(1.0), "shared: the longest wait is 1.00 µs");
    }
}
