//! The memory of pools: bars of bytes.

use super::bars::{self, Bar};
use super::plot::{Plot, list};
use crate::matchup::Role;
use threadwise_figures::Footprint;

/// Returns a plot for idle connections and one for waiters.
pub(super) fn plots(footprints: &[Footprint]) -> Vec<Plot> {
    let idle = plot(footprints, "an idle connection", |footprint| footprint.idle_bytes);
    let waiter = plot(footprints, "a waiting thread", |footprint| footprint.waiter_bytes);
    [idle, waiter].into_iter().flatten().collect()
}

fn plot(
    footprints: &[Footprint],
    what: &str,
    figure: impl Fn(&Footprint) -> Option<f64>,
) -> Option<Plot> {
    let rows = footprints.iter().filter_map(|it| Some((&*it.pool, figure(it)?)));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|a, b| a.1.total_cmp(&b.1));
    let most = rows.last()?.1.max(1.0);
    let bars: Vec<_> = rows
        .iter()
        .map(|&(pool, bytes)| {
            Bar::of(pool, Role::of(pool), Some(bytes / most), format!("{bytes:.0} bytes"))
        })
        .collect();
    Some(Plot {
        kind: "memory",
        place: format!("synthetic · {}", Footprint::NAME),
        question: format!("How many bytes does {what} take?"),
        spoken: list(rows.iter().map(|(pool, bytes)| format!("{pool}: {bytes:.0} bytes"))),
        reading: "Shorter is better. The pool's heap memory, without stacks and drivers.".into(),
        drawing: bars::draw(&bars, 1.0, &[]),
    })
}
