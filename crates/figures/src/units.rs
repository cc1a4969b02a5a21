//! Figures as text: three digits and a suitable unit.

/// Formats a duration in nanoseconds. A difference of durations may be negative.
pub fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 0.0 => format!("-{}", duration(-ns)),
        ns if ns < 1e3 => format!("{} ns", three_digits(ns)),
        ns if ns < 1e6 => format!("{} µs", three_digits(ns / 1e3)),
        ns if ns < 1e9 => format!("{} ms", three_digits(ns / 1e6)),
        ns => format!("{} s", three_digits(ns / 1e9)),
    }
}

/// Formats a count, or a count per second.
pub fn count(number: f64) -> String {
    match number {
        number if number < 1e3 => three_digits(number),
        number if number < 1e6 => format!("{} k", three_digits(number / 1e3)),
        number if number < 1e9 => format!("{} M", three_digits(number / 1e6)),
        number => format!("{} G", three_digits(number / 1e9)),
    }
}

/// Formats a whole number; numbers below 1000 without decimals.
pub fn whole(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { count(number as f64) }
}

/// Formats a number without a unit, such as a ratio.
pub fn three_digits(number: f64) -> String {
    match number {
        number if number < 9.995 => format!("{number:.2}"),
        number if number < 99.95 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        let durations = [3.456, 99.96, 1_234.0, 2e6, 3e9].map(duration);
        assert_eq!(durations, ["3.46 ns", "100 ns", "1.23 µs", "2.00 ms", "3.00 s"]);
        assert_eq!(duration(-865.6), "-866 ns");
        let counts = [12.0, 45_600.0, 7.8e7, 2e9].map(count);
        assert_eq!(counts, ["12.0", "45.6 k", "78.0 M", "2.00 G"]);
        assert_eq!([0, 8, 999, 1_234].map(whole), ["0", "8", "999", "1.23 k"]);
    }
}
