//! Throughput relative to the best pool.

use threadwise_figures::Measurement;
use threadwise_figures::units::{count, three_digits};

use super::bars::{self, Bar};
use super::plot::{Plot, list};
use super::svg::Label;
use crate::matchup::{Matchup, role};

/// The end of the scale, relative to the best.
const END: f64 = 1.15;

pub(super) fn plot(matchup: &Matchup<'_>) -> Plot {
    let best = matchup.best();
    let ranked = matchup.ranked(|row| row.ops_per_s);
    // If no pool takes part, the first contender is the measure.
    let measure = best.or(ranked.first().copied()).map_or(1.0, |row| row.ops_per_s).max(1e-9);
    let bars: Vec<_> = ranked.iter().map(|row| bar(row, best, measure)).collect();
    let spoken = list(
        ranked
            .iter()
            .map(|row| format!("{}: {} operations per second", row.pool, count(row.ops_per_s))),
    );
    let mark = if best.is_some() { "best pool" } else { "fastest" };
    let ours = match best {
        Some(best) => format!("The fastest pool is {}.", best.pool),
        None => "There is no pool without errors here.".into(),
    };
    Plot {
        kind: "throughput",
        place: matchup.place(),
        question: matchup.question(),
        spoken,
        reading: format!(
            "{}. {ours} Longer is faster. Each figure is operations per second, and its ratio to the \
             best pool's.{}",
            matchup.shape(),
            matchup.opened()
        ),
        drawing: bars::draw(&bars, END, &[(1.0, mark.into())]),
    }
}

fn bar<'r>(row: &'r Measurement, best: Option<&Measurement>, measure: f64) -> Bar<'r> {
    let share = row.ops_per_s / measure;
    let figure = match (row.ops, row.errors) {
        (0, _) => "nothing succeeded".into(),
        (_, 0) => format!("{}/s · {}×", count(row.ops_per_s), three_digits(share)),
        (_, errors) => format!("{}/s · {errors} err.", count(row.ops_per_s)),
    };
    Bar {
        label: Label {
            pool: &row.pool,
            role: role(row),
            is_best: best.is_some_and(|best| best.pool == row.pool),
        },
        share: (row.ops > 0).then_some(share),
        figure,
        remark: String::new(),
    }
}
