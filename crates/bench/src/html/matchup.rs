//! The measurements of one workload on one backend.

use super::plot::capitalised;
use crate::backend::Backend;
use crate::names::ContenderKind;
use crate::report::Measurement;
use crate::units::{duration, whole};
use crate::workload::{self, AnyWorkload};

/// How a contender takes part. Each role has the same colour in all plots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A threadwise pool.
    Ours,
    /// Another project's pool.
    Peer,
    /// For comparison only: not a pool for use, or it has more connections than the workload.
    Reference,
}

impl Role {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Reference => "reference",
        }
    }
}

/// One workload on one backend, and all contenders that took part.
pub(super) struct Matchup<'r> {
    pub(super) rows: Vec<&'r Measurement>,
    workload: Option<Box<dyn AnyWorkload>>,
}

/// Returns the matchups of a report, in the order in which they ran.
pub(super) fn matchups(results: &[Measurement]) -> Vec<Matchup<'_>> {
    let mut matchups: Vec<Matchup<'_>> = Vec::new();
    for row in results {
        let key = (&row.backend, &row.workload);
        let same = |matchup: &&mut Matchup<'_>| {
            (&matchup.rows[0].backend, &matchup.rows[0].workload) == key
        };
        match matchups.iter_mut().find(same) {
            Some(matchup) => matchup.rows.push(row),
            None => {
                let workload = workload::all().into_iter().find(|it| it.name() == row.workload);
                matchups.push(Matchup { rows: vec![row], workload });
            }
        }
    }
    matchups
}

pub(super) fn kind(name: &str) -> Option<ContenderKind> {
    name.parse().ok()
}

/// Returns whether this is a threadwise pool, in any role.
pub(super) fn is_ours(name: &str) -> bool {
    matches!(
        kind(name),
        Some(ContenderKind::Shared | ContenderKind::Persistent | ContenderKind::Queue)
    )
}

pub(super) fn role(row: &Measurement) -> Role {
    match kind(&row.pool) {
        Some(pool) if pool.is_reference(row.threads, row.size) => Role::Reference,
        Some(_) if is_ours(&row.pool) => Role::Ours,
        _ => Role::Peer,
    }
}

impl<'r> Matchup<'r> {
    /// `backend · workload`.
    pub(super) fn place(&self) -> String {
        format!("{} · {}", self.rows[0].backend, self.rows[0].workload)
    }

    /// Returns the workload's question; its name, if this version does not know the workload.
    pub(super) fn question(&self) -> String {
        let about = self.workload.as_ref().map(|it| it.about());
        capitalised(about.unwrap_or(&self.rows[0].workload))
    }

    /// Describes the numbers of threads and connections, holds and think time.
    pub(super) fn shape(&self) -> String {
        let Measurement { threads, size, hold_ns, .. } = self.rows[0];
        let plural = |count: &usize| if *count == 1 { "" } else { "s" };
        let held = match hold_ns {
            0 => String::new(),
            ns => format!(", each held for {}", duration(*ns as f64)),
        };
        let think = self.workload.as_ref().map(|it| it.think()).filter(|think| !think.is_zero());
        let think = think.map_or(String::new(), |think| {
            format!(", after {} of think time", duration(think.as_nanos() as f64))
        });
        let (thread, connection) = (plural(threads), plural(size));
        format!("{threads} thread{thread} on {size} connection{connection}{held}{think}")
    }

    /// Says how many connections each contender opened, if that differs by more than a factor of
    /// two among contenders that open any. Otherwise the text is empty.
    pub(super) fn opened(&self) -> String {
        let rows = || self.rows.iter().filter(|row| row.opened > 0);
        let least = rows().map(|row| row.opened).min().unwrap_or(0);
        if rows().all(|row| row.opened <= 2 * least) {
            return String::new();
        }
        let told = rows().map(|row| format!("{} {}", row.pool, whole(row.opened)));
        format!(" Connections opened: {}.", told.collect::<Vec<_>>().join(", "))
    }

    /// Returns the fastest pool that keeps to the workload's limits and had no errors.
    pub(super) fn best(&self) -> Option<&'r Measurement> {
        let is_rival =
            |row: &&&Measurement| role(row) != Role::Reference && row.errors == 0 && row.ops > 0;
        let rivals = self.rows.iter().filter(is_rival).copied();
        rivals.max_by(|a, b| a.ops_per_s.total_cmp(&b.ops_per_s))
    }

    /// Returns the ideal wait in nanoseconds: all threads take turns, and handoffs cost nothing.
    pub(super) fn ideal_wait_ns(&self) -> Option<f64> {
        let backend: Backend = self.rows[0].backend.parse().ok()?;
        let ideal = self.workload.as_ref()?.ideal_wait(backend)?;
        Some(ideal.as_nanos() as f64)
    }

    /// Returns the measurements ordered by a figure, the highest first.
    pub(super) fn ranked(&self, figure: impl Fn(&Measurement) -> f64) -> Vec<&'r Measurement> {
        let mut ranked = self.rows.clone();
        ranked.sort_by(|a, b| figure(b).total_cmp(&figure(a)));
        ranked
    }
}
