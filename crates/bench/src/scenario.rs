//! Experiments in time: what a pool does when many threads come at once, when the server goes away
//! and comes back, when opening a connection takes long, and when threads ask for more connections
//! than there are.
//!
//! Unlike a workload, a scenario happens once, takes as long as its subject, and ends in one
//! figure. The contenders of a scenario run at the same time, each against its own server, because
//! they mostly sleep. Those of `spike`, which is short, run one after another.
//!
//! | file | holds |
//! |---|---|
//! | `rig` | a pool and its server |
//! | `timeline` | the state of both over time |
//! | `simulated`, `real` | a simulated server; a MariaDB behind a proxy |
//! | `spike`, `outage`, `first_gets`, `overload` | the scenarios |

mod first_gets;
mod outage;
mod overload;
mod real;
mod rig;
mod simulated;
mod spike;
mod timeline;

use std::thread;
use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, ScenarioRun};

use crate::Failure;

use real::RealServer;
use rig::{Needs, Rig};

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Many threads come at once to an empty pool.
    Spike,
    /// The server goes away and comes back.
    Outage,
    /// Threads need connections that take long to open.
    FirstGets,
    /// Threads ask for more connections than there are, and later for no more than that.
    Overload,
}

impl Scenario {
    /// All scenarios.
    pub const ALL: [Self; 4] = [Self::Spike, Self::Outage, Self::FirstGets, Self::Overload];

    /// The name in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Outage => "outage",
            Self::FirstGets => "first-gets",
            Self::Overload => "overload",
        }
    }

    /// The question that the scenario asks, in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Spike => {
                "how many connections are opened for 50 threads that come at once, if opening \
                 takes 150 ms and a query 2 ms?"
            }
            Self::Outage => {
                "how long after a server returns that was gone for 14 s is the first thread served?"
            }
            Self::FirstGets => {
                "when is the last of 16 threads served, if each needs a new connection, which \
                 takes 1 s to open?"
            }
            Self::Overload => {
                "for how long do timeouts continue after 50 threads on 10 connections have become \
                 10, with queries and timeouts of 1 s?"
            }
        }
    }

    /// The unit of the figure.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Spike => "connections",
            Self::Outage | Self::FirstGets | Self::Overload => "ms",
        }
    }

    /// The contenders of a backend: those that have a timeout and open connections on demand.
    #[must_use]
    pub fn pools(self, backend: Backend) -> &'static [ContenderKind] {
        match backend {
            Backend::Synthetic => &[ContenderKind::Shared, ContenderKind::R2d2],
            Backend::Sqlite => &[],
            Backend::Mysql => {
                &[ContenderKind::Shared, ContenderKind::R2d2Mysql, ContenderKind::MysqlPool]
            }
        }
    }

    /// Runs the scenario for the contenders on this backend. For MySQL this starts a private
    /// server. A contender's errors are in its run.
    ///
    /// # Errors
    ///
    /// If the server cannot be started.
    #[expect(clippy::missing_panics_doc, reason = "runs do not panic")]
    pub fn play(
        self,
        backend: Backend,
        pools: &[ContenderKind],
        scale: f64,
    ) -> Result<Vec<ScenarioRun>, Failure> {
        let server = match backend {
            Backend::Mysql => Some(RealServer::start()?),
            _ => None,
        };
        let play = |pool: ContenderKind| self.play_one(backend, pool, server.as_ref(), scale);
        if self == Self::Spike {
            return Ok(pools.iter().map(|&pool| play(pool)).collect());
        }
        Ok(thread::scope(|scope| {
            let plays: Vec<_> = pools.iter().map(|&pool| scope.spawn(move || play(pool))).collect();
            plays.into_iter().map(|play| play.join().expect("runs do not panic")).collect()
        }))
    }

    fn play_one(
        self,
        backend: Backend,
        pool: ContenderKind,
        server: Option<&RealServer>,
        scale: f64,
    ) -> ScenarioRun {
        let scale = if self == Self::Spike { 1.0 } else { scale };
        let rig = match server {
            Some(server) => server.rig(pool, self.needs(scale)),
            None => simulated::rig(pool, self.needs(scale)),
        };
        let mut run = ScenarioRun {
            backend: backend.name().into(),
            scenario: self.name().into(),
            pool: pool.name().into(),
            figure: None,
            unit: self.unit().into(),
            opened: 0,
            served: 0,
            errors: 0,
            wait_p50_ms: None,
            wait_p99_ms: None,
            scale,
            timeline: Vec::new(),
        };
        match rig {
            Ok(rig) => {
                run.figure = self.run(&rig, scale);
                run.opened = rig.server.opened();
                rig.report_to(&mut run);
            }
            Err(_) => run.errors = 1,
        }
        run
    }

    fn needs(self, scale: f64) -> Needs {
        match self {
            Self::Spike => spike::NEEDS,
            Self::Outage => outage::needs(scale),
            Self::FirstGets => first_gets::needs(scale),
            Self::Overload => overload::needs(scale),
        }
    }

    fn run(self, rig: &Rig, scale: f64) -> Option<f64> {
        match self {
            Self::Spike => spike::run(rig),
            Self::Outage => outage::run(rig, scale),
            Self::FirstGets => first_gets::run(rig),
            Self::Overload => overload::run(rig, scale),
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
