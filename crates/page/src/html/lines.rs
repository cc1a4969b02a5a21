//! Lines over a growing number of threads or connections, each named at its end.

use maud::{Markup, html};
use threadwise_figures::ContenderKind;
use threadwise_figures::units::{count, duration};

use super::axis::{Decades, steps, tick_of_count, tick_of_time};
use super::svg::{Drawing, WIDTH, circle, curve, line, text};
use crate::matchup::{Role, kind};

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
    pub(super) points: Vec<(usize, f64)>,
}

/// The vertical axis.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// From 0 to this many steps of this size.
    Linear { step: f64, steps: u32 },
    /// Nanoseconds, logarithmic.
    Time(Decades),
}

impl Scale {
    pub(super) fn from_zero(values: impl Iterator<Item = f64>) -> Self {
        let (step, steps) = steps(values.fold(1.0, f64::max));
        Self::Linear { step, steps }
    }

    pub(super) fn time(values: impl Iterator<Item = f64>) -> Self {
        Self::Time(Decades::around(values, (BOTTOM, TOP)))
    }

    pub(super) fn up(self, value: f64) -> f64 {
        match self {
            Self::Linear { step, steps } => {
                BOTTOM - value / (step * f64::from(steps)) * (BOTTOM - TOP)
            }
            Self::Time(axis) => axis.at(value),
        }
    }

    /// Draws the horizontal lines of the grid, and their names.
    pub(super) fn grid(self, right: f64) -> Markup {
        let ticks: Vec<(f64, Option<String>)> = match self {
            Self::Time(axis) => axis
                .ticks()
                .map(|(tick, is_named)| (tick, is_named.then(|| tick_of_time(tick))))
                .collect(),
            Self::Linear { step, steps } => (0..=steps)
                .map(|number| step * f64::from(number))
                .map(|tick| (tick, Some(tick_of_count(tick))))
                .collect(),
        };
        html! {
            @for (tick, name) in ticks {
                @let y = self.up(tick);
                (line("grid", (LEFT, y), (right, y)))
                @if let Some(name) = name { (text("tick up", LEFT - 5.0, y + 3.5, &name)) }
            }
        }
    }

    pub(super) fn told(self, value: f64) -> String {
        match self {
            Self::Linear { .. } => format!("{} operations per second", count(value)),
            Self::Time(_) => duration(value),
        }
    }
}

/// Draws the lines with a name at the end of each. `grows` is the name of the horizontal axis.
pub(super) fn draw(lines: &[Line<'_>], scale: Scale, grows: &str) -> Drawing {
    let numbers = lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let most = numbers.max().unwrap_or(2).max(2);
    let place = |&(number, value): &(usize, f64)| (across(number, most), scale.up(value));
    let ends = lines.iter().filter_map(|line| {
        let (x, y) = place(line.points.last()?);
        Some(End { pool: line.pool, x, y })
    });
    let body = html! {
        (scale.grid(RIGHT))
        @for line in lines {
            g class=(class(line.pool)) {
                (curve(line.points.iter().map(place)))
                @for point in &line.points {
                    @let (pool, value) = (line.pool, scale.told(point.1));
                    (circle("dot", place(point), 2.6, &format!("{pool}, {grows}: {}: {value}", point.0)))
                }
            }
        }
        (names(ends.collect()))
        (axis(most, grows))
    };
    Drawing { height: BOTTOM + 34.0, body }
}

fn across(number: usize, most: usize) -> f64 {
    LEFT + 6.0 + (number as f64).log2() / (most as f64).log2() * (RIGHT - LEFT - 6.0)
}

fn axis(most: usize, grows: &str) -> Markup {
    html! {
        @for number in (0..usize::BITS).map(|power| 1 << power).take_while(|it| *it <= most) {
            (text("tick", across(number, most), BOTTOM + 15.0, &number.to_string()))
        }
        (text("tick", (LEFT + RIGHT) / 2.0, BOTTOM + 30.0, grows))
    }
}

/// Returns the classes of a contender's line.
pub(super) fn class(pool: &str) -> String {
    lined(pool, Role::of(pool))
}

/// The same in the colour of a role.
pub(super) fn lined(pool: &str, role: Role) -> String {
    // Lines of the same colour differ by their dashes.
    match kind(pool).map(ContenderKind::line) {
        None | Some("") => super::svg::class(pool, role),
        Some(line) => format!("{} {line}", super::svg::class(pool, role)),
    }
}

/// The end of a contender's line.
pub(super) struct End<'a> {
    pub(super) pool: &'a str,
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Draws names at the ends of the lines, and moves them apart if they would overlap.
pub(super) fn names(mut ends: Vec<End<'_>>) -> Markup {
    ends.sort_by(|a, b| a.y.total_cmp(&b.y));
    let places = apart(&ends.iter().map(|end| end.y).collect::<Vec<_>>());
    html! {
        @for (End { pool, x, y }, place) in ends.iter().zip(places) {
            g class=(class(pool)) {
                (line("lead", (x + 3.0, *y), (NAMES - 3.0, place)))
                (text("name", NAMES, place + 4.0, pool))
            }
        }
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
}
