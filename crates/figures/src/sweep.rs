//! The sweeps: what grows from point to point, and in which steps.

use crate::measurement::Measurement;

/// A sweep: what grows from point to point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Threads, on [`SIZE`](Self::SIZE) connections.
    Threads,
    /// Connections, for [`CROWD`](Self::CROWD) threads.
    Sizes,
    /// The setting `fair_after` of the shared pool, for [`CROWD`](Self::CROWD) threads on
    /// [`FEW`](Self::FEW) connections.
    FairAfter,
}

struct Row {
    name: &'static str,
    about: &'static str,
    steps: &'static [usize],
}

/// In the order of the enum.
#[rustfmt::skip]
const ROWS: [Row; 3] = [
    Row { name: "sweep", steps: &[1, 2, 4, 8, 16, 32, 64, 128, 256],
        about: "how do throughput and waits change as 1, 2, 4 … 256 threads share 8 connections?" },
    Row { name: "sizes", steps: &[1, 2, 4, 8, 16, 32],
        about: "how do throughput and waits change as 32 threads share 1, 2, 4 … 32 connections?" },
    Row { name: "fair-after", steps: &[0, 1, 3, 10, 30],
        about: "what does SharedPool trade between throughput and waits with `fair_after` of 0 … 30 ms?" },
];

impl Sweep {
    /// How many connections the sweep over threads has.
    pub const SIZE: usize = 8;
    /// How many threads the sweep over connections has.
    pub const CROWD: usize = 32;
    /// How many connections the sweep over `fair_after` has.
    pub const FEW: usize = 4;
    /// All sweeps.
    pub const ALL: [Self; 3] = [Self::Threads, Self::Sizes, Self::FairAfter];

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name in reports and on the command line.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The sweep with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sweep| sweep.name() == name)
    }

    /// The question that it answers, in one line.
    pub fn about(self) -> &'static str {
        self.row().about
    }

    /// The numbers of threads, or of connections, or of milliseconds.
    pub fn steps(self) -> &'static [usize] {
        self.row().steps
    }

    /// The step to which a point belongs.
    pub fn step_of(self, point: &Measurement) -> usize {
        match self {
            Self::Threads => point.threads,
            Self::Sizes => point.size,
            Self::FairAfter => point.fair_after_ms.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_found_by_its_name() {
        for sweep in Sweep::ALL {
            assert_eq!(Sweep::named(sweep.name()), Some(sweep));
        }
    }
}
