//! How sure a median is.

/// The 95 % confidence interval of the median of the whole from which `sorted` is a sample: two of the
/// sample's own values. `None` for fewer than six values.
///
/// The interval assumes nothing about the distribution. Each value is above the median with a chance of
/// one half, so the number of values below it is binomial. The interval leaves out as many values at each
/// end as fit into 2.5 %. (This is the sign test's interval: W. J. Conover, Practical Nonparametric
/// Statistics, 3rd edition, section 3.2.)
///
/// ```
/// use threadwise_figures::interval::of_median;
///
/// let ten = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
/// assert_eq!(of_median(&ten), Some((2.0, 9.0)));
/// assert_eq!(of_median(&ten[..6]), Some((1.0, 6.0)));
/// assert_eq!(of_median(&ten[..5]), None);
/// ```
pub fn of_median(sorted: &[f64]) -> Option<(f64, f64)> {
    const TAIL: f64 = 0.025;
    let n = sorted.len();
    let mut chance = 0.5_f64.powi(i32::try_from(n).ok()?); // that no value is below the median
    let mut below = chance; // that at most `left_out` values are
    let mut left_out = 0;
    if below > TAIL {
        return None;
    }
    loop {
        chance *= (n - left_out) as f64 / (left_out + 1) as f64;
        below += chance;
        if below > TAIL {
            return Some((sorted[left_out], sorted[n - 1 - left_out]));
        }
        left_out += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_values_are_left_out_as_the_tables_say() {
        // From the binomial distribution with p = 1/2: the ranks of the interval of at least 95 %.
        for (n, low) in [(6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (25, 8), (60, 22)] {
            let values: Vec<f64> = (1..=n).map(f64::from).collect();
            let high = f64::from(n + 1 - low);
            assert_eq!(of_median(&values), Some((f64::from(low), high)), "of {n}");
        }
    }

    #[test]
    fn a_long_sample_has_a_narrow_interval() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        let (low, high) = of_median(&values).unwrap();
        assert!(low > 460.0 && high < 540.0, "{low} to {high}");
    }
}
