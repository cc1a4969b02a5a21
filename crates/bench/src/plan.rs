//! What to measure, and for how long.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, is_enough};

use crate::assemble::Case;
use crate::claims;
use crate::interrupt::Interrupt;
use crate::matchup::Matchup;
use crate::workloads::statements::CONNECT;

/// What to measure, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The backends. Empty means all; then a backend that is not available is reported and left
    /// out.
    pub backends: Vec<Backend>,
    /// The contenders. Empty means all.
    pub pools: Vec<ContenderKind>,
    /// The names of parts of experiments. Empty means all.
    pub parts: Vec<String>,
    /// The factor by which all times of scenarios are multiplied: 1, or less than 1 for a short
    /// run.
    pub scale: f64,
    /// How many measured turns each contender has, without the warmup; at least 1. On MariaDB,
    /// workloads with claims have more and shorter turns: see [`turns`](Self::turns).
    pub rounds: usize,
    /// How long a turn is. The warmup is half as long.
    pub window: Duration,
    /// The most time for all extra turns together. Contenders get extra turns while a claim is
    /// undecided.
    pub extra_time: Duration,
    /// The server for the backend `mysql`; `None` starts a private one.
    pub mysql_url: Option<String>,
    /// When it is raised, the run ends early: it cuts the current turn short, and returns the
    /// figures so far.
    pub interrupt: Interrupt,
}

impl Default for Plan {
    /// Everything, everywhere, with five turns of 200 ms.
    fn default() -> Self {
        Self {
            backends: Vec::new(),
            pools: Vec::new(),
            parts: Vec::new(),
            scale: 1.0,
            rounds: 5,
            window: Duration::from_millis(200),
            extra_time: Duration::from_secs(40),
            mysql_url: None,
            interrupt: Interrupt::default(),
        }
    }
}

/// How many times as many rounds a MariaDB workload with a claim has: [`Plan::turns`] says why.
pub const MORE: usize = 4;
/// How many times as many rounds `connect` has: [`Plan::turns`] says why.
pub const MORE_CONNECTS: usize = 12;
/// By which factor the turns of these workloads are shorter.
pub const SHORTER: u32 = 2;

impl Plan {
    /// Whether this part of an experiment was chosen.
    pub fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|name| name == part)
    }

    /// Whether this contender was chosen.
    pub fn has_pool(&self, pool: ContenderKind) -> bool {
        self.pools.is_empty() || self.pools.contains(&pool)
    }

    /// The chosen backends.
    pub fn backends(&self) -> impl Iterator<Item = Backend> {
        Backend::ALL.into_iter().filter(|it| self.backends.is_empty() || self.backends.contains(it))
    }

    /// How many rounds a workload has on a backend, and how long a turn is.
    ///
    /// On MariaDB, a workload with a claim has [`MORE`] times as many rounds, and its turns are
    /// shorter by a factor of [`SHORTER`]. The result of a turn there depends on where the
    /// scheduler places the threads and those of the server. A longer turn does not even that out,
    /// but more turns do. And the closer in time two turns are, the less the machine changes
    /// between them. `connect` has [`MORE_CONNECTS`] times as many rounds: its turns differ most,
    /// by a fifth and more, and it has only two contenders. All other turns keep their length,
    /// because a turn does not show a wait that is longer than itself.
    ///
    /// On other backends, a workload with a claim has twice as many turns of half the length if the plan
    /// is long enough to judge claims, because the interval of a median needs at least six.
    pub fn turns(&self, backend: Backend, workload: &str) -> (usize, Duration) {
        if !claims::judges(backend, workload) {
            return (self.rounds, self.window);
        }
        match backend {
            Backend::Mysql if workload == CONNECT.name => {
                (self.rounds * MORE_CONNECTS, self.window / SHORTER)
            }
            Backend::Mysql => (self.rounds * MORE, self.window / SHORTER),
            _ if is_enough(self.rounds, self.window) => (self.rounds * 2, self.window / 2),
            _ => (self.rounds, self.window),
        }
    }

    /// The number of turns that these matchups take, and for how long.
    pub(crate) fn estimate<'c, 'a: 'c>(
        &self,
        matchups: impl Iterator<Item = &'c Matchup<'a>>,
    ) -> (usize, Duration) {
        let (mut turns, mut time) = (0, Duration::ZERO);
        for matchup in matchups {
            let (rounds, window) = self.turns(matchup.backend, matchup.case.workload.name);
            turns += matchup.pools.len() * (rounds + 1);
            let windows = rounds as f64 + 0.5; // the warmup is half as long
            time += window.mul_f64(windows * matchup.pools.len() as f64);
        }
        (turns, time)
    }

    /// The matchup of a workload on a backend, with the chosen contenders; `None` if it has none.
    pub(crate) fn matchup<'a>(&self, backend: Backend, case: &'a Case) -> Option<Matchup<'a>> {
        let is_there = self.backends.is_empty() || self.backends.contains(&backend);
        let pools = case.workload.pools(backend).filter(|pool| is_there && self.has_pool(*pool));
        let pools: Vec<_> = pools.collect();
        (!pools.is_empty()).then_some(Matchup { backend, case, pools })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_on_mariadb_is_judged_by_more_and_shorter_turns() {
        let plan = Plan::default();
        let ms = |(rounds, window): (usize, Duration)| (rounds, window.as_millis());
        assert_eq!(ms(plan.turns(Backend::Mysql, "point-select")), (20, 100));
        assert_eq!(ms(plan.turns(Backend::Mysql, "connect")), (60, 100));
        assert_eq!(ms(plan.turns(Backend::Mysql, "starved")), (5, 200));
        assert_eq!(ms(plan.turns(Backend::Synthetic, "starved")), (5, 200));
        for workload in ["uncontended", "crowd-2000", "crowd-10"] {
            assert_eq!(ms(plan.turns(Backend::Synthetic, workload)), (10, 100), "{workload}");
        }
        let short = Plan { window: Duration::from_millis(20), ..plan };
        assert_eq!(ms(short.turns(Backend::Synthetic, "uncontended")), (5, 20), "not judged");
    }
}
