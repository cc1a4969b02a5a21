//! Whether all threads get the same share.

use super::bars::{self, Bar};
use super::plot::{Plot, list};
use crate::matchup::{Matchup, role};

/// Returns the plot with the fairest contender first; `None` if there is only one thread.
pub(super) fn plot(matchup: &Matchup<'_>) -> Option<Plot> {
    if matchup.rows[0].threads < 2 {
        return None;
    }
    let ranked = matchup.ranked(|row| row.fairness);
    let bars: Vec<_> = ranked
        .iter()
        .map(|row| {
            let share = (row.ops > 0).then_some(row.fairness);
            let figure = share.map_or("nothing succeeded".into(), |share| format!("{share:.2}"));
            Bar::of(&row.pool, role(row), share, figure)
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
