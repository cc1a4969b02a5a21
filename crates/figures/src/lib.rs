//! The figures of the benchmark harness: what a report has in it, and what it is called.
//!
//! This crate measures nothing and shows nothing. `threadwise-bench` and `threadwise-page` both
//! depend on it. So the page does not depend on the harness.
//!
//! | file | holds |
//! |---|---|
//! | `names` | the backends and the contenders: one row for each |
//! | `units`, `median`, `interval` | figures as text; the median, and how sure it is |
//! | `waits`, `measurement` | the figures of one contender on one workload |
//! | `sweep` | the sweeps, whose points are measurements, too |
//! | `breakdown`, `footprint`, `scenario` | where time goes; memory; experiments in time |
//! | `verdict` | a claim, with its figure and whether it holds |
//! | `note` | what is to be known about a pool of another language |
//! | `stamp` | the machine, the source tree, the time and the command |
//! | `report`, `file` | the whole report; files that are written as a whole |

#![allow(clippy::must_use_candidate)] // for crates that others use; this one is not published

pub mod interval;
pub mod units;

mod breakdown;
mod file;
mod footprint;
mod measurement;
mod median;
mod names;
mod note;
mod report;
mod scenario;
mod stamp;
mod sweep;
mod verdict;
mod waits;

pub use breakdown::{Breakdown, Parts};
pub use file::{check_writable, write_json, write_whole};
pub use footprint::Footprint;
pub use measurement::{Hold, Measurement};
pub use median::median;
pub use names::{Backend, ContenderKind, Property, UnknownName};
pub use note::Note;
pub use report::Report;
pub use scenario::{Moment, ScenarioRun};
pub use stamp::{Machine, Stamp};
pub use sweep::Sweep;
pub use verdict::{ENOUGH_ROUNDS, ENOUGH_TIME, Sense, Verdict, is_enough};
pub use waits::WaitAt;
