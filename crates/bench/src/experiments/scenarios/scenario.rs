//! A scenario: its name, the settings that it needs, and the function that runs it.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, Property, ScenarioRun};

use super::rig::Rig;

/// A scenario. Its run ends in one figure.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The name in reports and on the command line.
    pub name: &'static str,
    /// The question that the scenario asks, in one line.
    pub about: &'static str,
    /// The unit of the figure.
    pub unit: &'static str,
    /// Whether it is short. Then contenders run one after another, and its times are not scaled.
    pub is_short: bool,
    /// Returns the settings of the pool and the server, with all times multiplied by a factor.
    pub(crate) needs: fn(f64) -> Needs,
    /// Runs it, with all times multiplied by a factor. Returns the figure, or `None` if the measured
    /// event did not happen.
    pub(super) run: fn(&Rig, f64) -> Option<f64>,
}

impl Scenario {
    /// Returns the record of a run that has not begun. All times are to be multiplied by `scale`.
    pub(crate) fn begin(
        &self,
        backend: Backend,
        pool: impl Into<String>,
        scale: f64,
    ) -> ScenarioRun {
        ScenarioRun {
            backend: backend.name().into(),
            scenario: self.name.into(),
            pool: pool.into(),
            unit: self.unit.into(),
            scale: if self.is_short { 1.0 } else { scale },
            ..ScenarioRun::default()
        }
    }
}

/// A scenario's settings of pool and server.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// The pool's limit. The pool begins without connections, if it can.
    pub(crate) size: usize,
    /// How long a `get` waits.
    pub(crate) get_timeout: Duration,
    /// How long opening a connection takes.
    pub(crate) connect: Duration,
}

/// The contenders of scenarios on a backend: those that have a timeout and open connections on
/// demand. None on SQLite, because there is no server that could go away.
pub fn pools(backend: Backend) -> impl Iterator<Item = ContenderKind> {
    let takes_part =
        |pool: &ContenderKind| pool.is_pool_by_default() && pool.has(Property::OnDemand);
    ContenderKind::all_on(backend).filter(takes_part).filter(move |_| backend != Backend::Sqlite)
}
