//! The measurements of one workload on one backend, and how each contender takes part.

use threadwise_figures::units::{duration, whole};
use threadwise_figures::{ContenderKind, Hold, Measurement, Report};

/// How a contender takes part. Each role has the same colour in all plots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A threadwise pool.
    Ours,
    /// Another project's pool.
    Peer,
    /// For comparison only: not a pool for use, one of ours with a manager for r2d2, or it has more
    /// connections than the workload.
    Reference,
}

impl Role {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Reference => "reference",
        }
    }

    /// The role of a contender where each thread may have a connection.
    pub(crate) fn of(pool: &str) -> Self {
        Self::among(pool, 1, 1)
    }

    fn among(pool: &str, threads: usize, size: usize) -> Self {
        match kind(pool) {
            Some(kind) if kind.is_reference(threads, size) => Self::Reference,
            Some(kind) if kind.is_ours() => Self::Ours,
            _ => Self::Peer,
        }
    }
}

pub(crate) fn kind(name: &str) -> Option<ContenderKind> {
    name.parse().ok()
}

/// Returns whether this is a threadwise pool, in any role.
pub(crate) fn is_ours(name: &str) -> bool {
    kind(name).is_some_and(ContenderKind::is_ours)
}

/// The role of a contender in a matchup. The report tells whether one that this crate does not know,
/// as a pool of another language, has more connections than the workload.
pub(crate) fn role(row: &Measurement) -> Role {
    match Role::among(&row.pool, row.threads, row.size) {
        Role::Peer if row.is_per_thread && row.threads > row.size => Role::Reference,
        role => role,
    }
}

/// Whether its figures may be compared: operations succeeded, and none failed.
pub(crate) fn is_sound(row: &Measurement) -> bool {
    row.ops > 0 && row.errors == 0
}

/// One workload on one backend, and all contenders that took part.
pub(crate) struct Matchup<'r> {
    pub(crate) rows: Vec<&'r Measurement>,
    question: &'r str,
}

/// Returns the matchups of a report, in the order in which they ran.
pub(crate) fn matchups(report: &Report) -> Vec<Matchup<'_>> {
    let groups = grouped(&report.results, |row| (&row.backend, &row.workload));
    groups
        .into_iter()
        .map(|rows| Matchup { question: report.question(&rows[0].workload), rows })
        .collect()
}

/// Groups items by a key. Groups and their items are in the order in which they come.
pub(crate) fn grouped<'i, T, K: PartialEq>(
    items: impl IntoIterator<Item = &'i T>,
    key: impl Fn(&'i T) -> K,
) -> Vec<Vec<&'i T>> {
    let mut groups: Vec<Vec<&T>> = Vec::new();
    for item in items {
        match groups.iter_mut().find(|group| key(group[0]) == key(item)) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    groups
}

/// Describes the numbers of threads and connections, holds and think time.
pub(crate) fn shape(row: &Measurement) -> String {
    let Measurement { threads, size, hold_ns, hold, think_ns, .. } = *row;
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let how = match hold {
        Some(Hold::Asleep) => " asleep",
        Some(Hold::Computing) => " computing",
        None => "",
    };
    let held = match hold_ns {
        0 => String::new(),
        ns => format!(", each held for {}{how}", duration(ns as f64)),
    };
    let think = match think_ns {
        0 => String::new(),
        ns => format!(", after {} of think time", duration(ns as f64)),
    };
    let (thread, connection) = (plural(threads), plural(size));
    format!("{threads} thread{thread} on {size} connection{connection}{held}{think}")
}

impl<'r> Matchup<'r> {
    pub(crate) fn is(&self, backend: &str, workload: &str) -> bool {
        self.rows[0].backend == backend && self.rows[0].workload == workload
    }

    /// `backend · workload`.
    pub(crate) fn place(&self) -> String {
        format!("{} · {}", self.rows[0].backend, self.rows[0].workload)
    }

    /// Returns the workload's question; its name, if the report has no question.
    pub(crate) fn question(&self) -> String {
        capitalised(self.question)
    }

    pub(crate) fn shape(&self) -> String {
        shape(self.rows[0])
    }

    /// Whether threads must wait for each other's connections.
    pub(crate) fn is_starved(&self) -> bool {
        self.rows[0].threads > self.rows[0].size
    }

    /// Says how many connections each contender opened, if that differs by more than a factor of
    /// two among contenders that open any. Otherwise the text is empty.
    pub(crate) fn opened(&self) -> String {
        let rows = || self.rows.iter().filter(|row| row.opened > 0);
        let least = rows().map(|row| row.opened).min().unwrap_or(0);
        if rows().all(|row| row.opened <= 2 * least) {
            return String::new();
        }
        let told = rows().map(|row| format!("{} {}", row.pool, whole(row.opened)));
        format!(" Connections opened: {}.", told.collect::<Vec<_>>().join(", "))
    }

    /// Returns the fastest pool that keeps to the workload's limits and had no errors.
    pub(crate) fn best(&self) -> Option<&'r Measurement> {
        let rivals = self.rows.iter().copied();
        let rivals = rivals.filter(|row| role(row) != Role::Reference && is_sound(row));
        rivals.max_by(|a, b| a.ops_per_s.total_cmp(&b.ops_per_s))
    }

    /// Returns the ideal wait in nanoseconds: all threads take turns, and handoffs cost nothing.
    pub(crate) fn ideal_wait_ns(&self) -> Option<f64> {
        self.rows[0].ideal_wait_ns.map(|ns| ns as f64)
    }

    /// Returns the measurements ordered by a figure, the highest first.
    pub(crate) fn ranked(&self, figure: impl Fn(&Measurement) -> f64) -> Vec<&'r Measurement> {
        let mut ranked = self.rows.clone();
        ranked.sort_by(|a, b| figure(b).total_cmp(&figure(a)));
        ranked
    }
}

/// Returns a phrase with a capital first letter.
pub(crate) fn capitalised(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_pool_with_a_connection_for_each_of_too_many_threads_is_a_reference() {
        let role_of = |is_per_thread, threads| {
            let pool = "persistentdb".into();
            role(&Measurement { pool, is_per_thread, threads, size: 4, ..Measurement::default() })
        };
        assert_eq!(role_of(true, 32), Role::Reference);
        assert_eq!(role_of(true, 4), Role::Peer);
        assert_eq!(role_of(false, 32), Role::Peer);
    }
}
