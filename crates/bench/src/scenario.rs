//! Experiments in time: what a pool does when everybody comes at once, when the server goes away and
//! comes back, when opening a connection takes long, and when more is asked than can be had.
//!
//! Unlike a workload a scenario happens once, takes as long as what it is about, and ends in one
//! figure of its own. The contenders play at the same time, each against a server of its own, since
//! nearly all of the time everybody sleeps; but for `spike`, which is over quickly.
//!
//! | file | holds |
//! |---|---|
//! | `rig` | a pool, and the server before it |
//! | `timeline` | how both are, moment by moment |
//! | `imagined`, `real` | a server that is only imagined; a MariaDB behind a proxy |
//! | `spike`, `outage`, `first_gets`, `overload` | the scenarios |

mod first_gets;
mod imagined;
mod outage;
mod overload;
mod real;
mod rig;
mod spike;
mod timeline;

use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::backend::Backend;
use crate::names::ContenderKind;

pub use timeline::Moment;

use real::RealServer;
use rig::{Needs, Rig};

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Everybody at once.
    Spike,
    /// The server goes away and comes back.
    Outage,
    /// The first connections of all.
    FirstGets,
    /// More is asked than can be had, and then no more than that.
    Overload,
}

/// How one contender did in one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioRun {
    /// `synthetic` or `mysql`.
    pub backend: String,
    /// The scenario's name.
    pub scenario: String,
    /// The contender's name.
    pub pool: String,
    /// What the scenario is about, in `unit`. `null` if it did not come to that.
    pub figure: Option<f64>,
    /// `connections`, or `ms`.
    pub unit: String,
    /// Connections opened, from the pool's beginning to the scenario's end. Behind a proxy those
    /// that it accepted.
    pub opened: u64,
    /// `get`s that were served.
    pub served: u64,
    /// `get`s that failed, time-outs included, and queries that failed.
    pub errors: u64,
    /// The median time from asking to having a connection, in milliseconds, of those served.
    pub wait_p50_ms: Option<f64>,
    /// Likewise: 99 in 100 waited no longer.
    pub wait_p99_ms: Option<f64>,
    /// By how much all times were shortened: 1, or less in a glance; those of `spike` never are.
    pub scale: f64,
    /// How it went: each moment at which something was different, looked for every millisecond, and
    /// the last. Only of `spike`; none in reports from before it was there.
    #[serde(default)]
    pub timeline: Vec<Moment>,
}

impl Scenario {
    /// All of them.
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

    /// What question it asks, in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Spike => {
                "how many connections are opened for 50 threads that come at once, where opening \
                 takes 150 ms and a query 2 ms?"
            }
            Self::Outage => {
                "how long after the return of a server that was gone for 14 s is the first thread \
                 served?"
            }
            Self::FirstGets => {
                "when is the last of 16 threads served that each need a new connection, which \
                 takes 1 s to open?"
            }
            Self::Overload => {
                "for how long do time-outs go on after 50 threads on 10 connections have become \
                 10, with queries and time-outs of 1 s?"
            }
        }
    }

    /// What its figure is in.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Spike => "connections",
            Self::Outage | Self::FirstGets | Self::Overload => "ms",
        }
    }

    /// Who can play there: what has a time-out and opens connections as they are wanted.
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

    /// Lets the contenders play on this backend. MySQL is a private server of the scenarios' own.
    /// Errors of a contender are in its run.
    ///
    /// # Errors
    ///
    /// When the server cannot be started.
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
            None => imagined::rig(pool, self.needs(scale)),
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
                rig.tell(&mut run);
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
