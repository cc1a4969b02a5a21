//! `abroad.json`: a report like that of the comparison, with what is unfair about the pools of other
//! languages beside the figures.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use threadwise_figures::{Report, write_whole};

use super::findings::Abroad;
use super::notes::Note;
use crate::stamp;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AbroadReport {
    /// The fields of [`Report`]. What draws a report also draws this one.
    #[serde(flatten)]
    pub report: Report,
    /// One entry for each pool of another language, in the order of running.
    pub abroad: Vec<Note>,
    /// Why pools of a language, or workloads, are missing.
    pub left_out: Vec<String>,
}

impl AbroadReport {
    /// Joins the figures with the machine, the commit and the date of now.
    #[must_use]
    pub fn new(abroad: Abroad) -> Self {
        let Abroad { rows, runs, questions, notes, left_out, rounds, window, interrupted } = abroad;
        let report = Report {
            stamp: stamp::this_run(),
            questions,
            interrupted,
            results: rows.into_iter().map(|row| row.measurement).collect(),
            scenarios: runs,
            ..Report::default()
        };
        Self { report: report.in_turns(rounds, window), abroad: notes, left_out }
    }

    /// Writes the whole file, or leaves the old one as it is.
    ///
    /// # Errors
    ///
    /// Those of creating, writing and renaming a file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        write_whole(path, &text)
    }
}
