//! `report.html`: the report as one page with plots, for people.
//!
//! The page is a single file that loads nothing. Its plots are SVG, drawn here; it has no script.
//! Every plot asks a question, says how to read it, and can be read aloud.
//!
//! | file | holds |
//! |---|---|
//! | `page`, `page.css` | the document: heading, sections in order, style |
//! | `charts`, `plot.css` | plots as files of their own; the style of marks |
//! | `matchup` | the measurements of one workload on one backend, and who of them is a rival |
//! | `plot` | what all plots share: the frame, rows with labels, scales |
//! | `bars`, `dots`, `lines` | bars; dots from the median to the longest; lines over threads |
//! | `cdf` | lines over waits, up to the longest |
//! | `answer`, `waits`, `fairness`, `sweep`, `breakdown` | the sections, and on the next line the others |
//! | `memory`, `scenarios`, `timeline`, `claims`, `figures` | what pools keep; what goes wrong, and when; promises; tables |
//! | `escape` | text that cannot become markup |

mod answer;
mod bars;
mod breakdown;
mod cdf;
mod charts;
mod claims;
mod dots;
mod escape;
mod fairness;
mod figures;
mod lines;
mod matchup;
mod memory;
mod page;
mod plot;
mod scenarios;
mod sweep;
mod timeline;
mod waits;

use std::io;
use std::path::{Path, PathBuf};

use crate::report::{self, Report};

/// The page as text.
#[must_use]
pub fn render(report: &Report) -> String {
    page::render(report)
}

/// Writes the page as a whole or not at all.
///
/// # Errors
///
/// As creating, writing and renaming a file.
pub fn write(report: &Report, path: &Path) -> io::Result<()> {
    report::write_whole(path, &render(report))
}

/// Writes the most telling plots into a directory, each as an SVG file of its own, and returns where
/// they are. Their names stay the same; those whose figures the report does not have are left out.
///
/// # Errors
///
/// As creating the directory, and as creating, writing and renaming a file.
pub fn write_charts(report: &Report, directory: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)?;
    let charts = charts::of(report).into_iter().map(|chart| {
        let path = directory.join(chart.name).with_extension("svg");
        report::write_whole(&path, &chart.svg)?;
        Ok(path)
    });
    charts.collect()
}

/// Where the page of a report goes: beside it, by the same name, ending in `.html`.
#[must_use]
pub fn path_beside(json: &Path) -> PathBuf {
    let page = json.with_extension("html");
    if page == json { json.with_extension("html.html") } else { page }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_never_takes_the_place_of_its_report() {
        assert_eq!(path_beside(Path::new("a/report.json")), Path::new("a/report.html"));
        assert_eq!(path_beside(Path::new("report")), Path::new("report.html"));
        assert_eq!(path_beside(Path::new("report.html")), Path::new("report.html.html"));
    }
}
