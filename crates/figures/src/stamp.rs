//! Where figures come from: the machine, the source tree, the time and the command.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where figures come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The machine of the measurement.
    pub machine: Machine,
    /// The full commit of the source tree in which the harness was built, with `-dirty` at its end
    /// if files there differ from it; `unknown` without a Git checkout.
    pub commit: String,
    /// When the measurement ended: RFC 3339, UTC.
    pub date: String,
    /// The command, without the URL of a server. Empty in older reports.
    #[serde(default)]
    pub command: String,
}

/// A machine's hardware and operating system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name; `unknown` if the system does not provide it.
    pub cpu: String,
    /// The number of processors that this process may use.
    pub cores: usize,
    /// Memory, in bytes; 0 if the system does not provide it.
    pub memory_bytes: u64,
    /// The system and its version.
    pub os: String,
    /// The kernel's version.
    pub kernel: String,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_bytes, os, kernel } = self;
        let gib = *memory_bytes as f64 / f64::from(1 << 30);
        write!(f, "{cpu}, {cores} cores, {gib:.0} GiB, {os}, {kernel}")
    }
}
