//! Whether all threads get the same share.

use super::bars::{self, Bar};
use super::plot::{Plot, list};
use super::svg::Label;
use crate::matchup::{Matchup, role};

/// Returns the plot with the fairest contender first; `None` if there is only one thread.
pub(super) fn plot(matchup: &Matchup<'_>) -> Option<Plot> {
    if matchup.rows[0].threads < 2 {
        return None;
    }
    let ranked = matchup.ranked(|row| row.fairness);
    let bars: Vec<_> = ranked
        .iter()
        .map(|row| Bar {
            label: Label { pool: &row.pool, role: role(row), is_best: false },
            share: (row.ops > 0).then_some(row.fairness),
            figure: match row.ops {
                0 => "nothing succeeded".into(),
                _ => format!("{:.2}", row.fairness),
            },
            remark: String::new(),
        })
        .collect();
    Some(Plot {
        kind: "fairness",
        place: matchup.place(),
        question: "Do all threads get the same share?".into(),
        spoken: list(ranked.iter().map(|row| format!("{}: {:.2}", row.pool, row.fairness))),
        reading: format!(
            "{}. Operations of the slowest thread divided by those of the fastest. 1: all threads \
             got the same. 0: at least one thread got nothing.",
            matchup.shape()
        ),
        drawing: bars::draw(&bars, 1.0, &[(0.5, "½".into()), (1.0, "even".into())]),
    })
}
