//! Axes: powers of ten, and round steps from 0.

/// A logarithmic axis over whole powers of ten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decades {
    first: i32,
    last: i32,
    from: f64,
    to: f64,
}

impl Decades {
    /// Returns an axis between two places with the fewest decades, at least two, that contain all
    /// values.
    pub(super) fn around(values: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let values = values.filter(|value| value.is_finite()).map(|value| value.max(1.0));
        let (low, high) =
            values.fold((f64::MAX, 1.0_f64), |(low, high), it| (low.min(it), high.max(it)));
        let first = low.min(high).log10().floor() as i32;
        let last = (high.log10().ceil() as i32).max(first + 2);
        Self { first, last, from, to }
    }

    pub(super) fn at(self, value: f64) -> f64 {
        let share =
            (value.max(1.0).log10() - f64::from(self.first)) / f64::from(self.last - self.first);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Returns each power of ten, and whether there is room for its name.
    pub(super) fn ticks(self) -> impl Iterator<Item = (f64, bool)> {
        let every = 1 + (self.last - self.first) / 6;
        (self.first..=self.last)
            .map(move |power| (10_f64.powi(power), (power - self.first) % every == 0))
    }
}

/// Formats a power of ten of nanoseconds in the unit that gives the shortest text.
pub(super) fn tick_of_time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.0} ms", ns / 1e6),
        ns => format!("{:.0} s", ns / 1e9),
    }
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
    fn an_axis_contains_all_values() {
        let axis = Decades::around([30.0, 4_000_000.0].into_iter(), (100.0, 300.0));
        let ticks: Vec<_> = axis.ticks().map(|(tick, _)| tick_of_time(tick)).collect();
        assert_eq!(ticks, ["10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms"]);
        assert!(axis.at(30.0) > 100.0 && axis.at(4e6) < 300.0);
        assert!((axis.at(10.0) - 100.0).abs() < 1e-9 && (axis.at(1e7) - 300.0).abs() < 1e-9);
    }

    #[test]
    fn an_axis_of_no_value_or_one_value_still_has_a_length() {
        for values in [&[][..], &[0.0], &[100.0]] {
            let axis = Decades::around(values.iter().copied(), (0.0, 10.0));
            assert!(axis.ticks().count() == 3 && axis.at(1e30) == 10.0, "{values:?}: {axis:?}");
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
