//! The figures of a comparison, and what is told meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use threadwise_figures::ScenarioRun;

use super::matchup::{Matchup, Row};
use super::notes::Note;
use super::pools::ForeignPool;
use crate::Failure;
use crate::experiments::scenarios::scenario::Scenario;

/// What happens during a comparison.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// Pools or workloads are left out, for this reason.
    LeftOut(&'a str),
    /// A workload begins.
    Begins(&'a str),
    /// A workload is over.
    Compared(&'a Matchup<'a>, &'a [Row]),
    /// A scenario is over. There may be errors.
    Played(Scenario, &'a [ScenarioRun], &'a [Failure]),
}

/// All figures.
#[derive(Debug, Default)]
pub struct Abroad {
    /// The figures of the workloads.
    pub rows: Vec<Row>,
    /// The figures of the scenarios.
    pub runs: Vec<ScenarioRun>,
    /// The question of each workload and scenario, by its name.
    pub questions: BTreeMap<String, String>,
    /// One note for each pool of another language that took part.
    pub notes: Vec<Note>,
    /// Why something is missing.
    pub left_out: Vec<String>,
    /// See [`Plan::rounds`](super::Plan::rounds).
    pub rounds: usize,
    /// See [`Plan::window`](super::Plan::window).
    pub window: Duration,
    /// Whether the comparison ended early.
    pub interrupted: bool,
}

impl Abroad {
    /// Keeps the reason why something is missing, and tells it.
    pub(super) fn leave_out(&mut self, why: String, watch: &mut dyn FnMut(Event<'_>)) {
        watch(Event::LeftOut(&why));
        self.left_out.push(why);
    }

    /// Keeps one note for each pool, with a driver if it has one anywhere.
    pub(super) fn note(&mut self, pool: ForeignPool, versions: Option<&str>) {
        let note = Note::of(pool, versions);
        match self.notes.iter_mut().find(|known| known.pool == note.pool) {
            None => self.notes.push(note),
            Some(known) if !note.versions.is_empty() => *known = note,
            Some(_) => {}
        }
    }
}
