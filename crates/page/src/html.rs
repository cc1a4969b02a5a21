//! `report.html`: the report as one page with plots, for human readers.
//!
//! The page is a single file that loads nothing and has no script. It answers first: a card for each
//! threading model, and one picture of what pools trade. Then comes what differs by more than the
//! noise. All plots and tables follow, folded. Every plot asks a question, says how to read it, and
//! has a text for screen readers. `maud` writes all HTML and SVG, so text cannot become markup.
//!
//! | file | holds |
//! |---|---|
//! | `page`, `page.css` | the document: sections in order, style |
//! | `cards`, `trade`, `differences` | the answer: cards, the picture, what differs |
//! | `throughput`, `waits`, `fairness`, `sweep`, `breakdown` | plots of measurements |
//! | `memory`, `scenarios`, `timeline` | plots of memory, of scenarios, of their course |
//! | `claims`, `figures` | the claims; tables |
//! | `bars`, `dots`, `lines`, `cdf` | what plots are drawn with: bars, dots, lines, distributions |
//! | `plot`, `svg`, `axis` | a plot with its texts; parts of SVG; axes |
//! | `charts`, `plot.css` | plots as separate files; the style of marks, and all colours |

mod axis;
mod bars;
mod breakdown;
mod cards;
mod cdf;
mod charts;
mod claims;
mod differences;
mod dots;
mod fairness;
mod figures;
mod lines;
mod memory;
mod page;
mod plot;
mod scenarios;
mod svg;
mod sweep;
mod throughput;
mod timeline;
mod trade;
mod waits;

use std::io;
use std::path::{Path, PathBuf};

use threadwise_figures::{Report, write_whole};

/// Returns the page as text.
pub fn render(report: &Report) -> String {
    page::render(report).into_string()
}

/// Writes the whole page, or nothing.
///
/// # Errors
///
/// If the file cannot be created, written or renamed.
pub fn write(report: &Report, path: &Path) -> io::Result<()> {
    write_whole(path, &render(report))
}

/// Writes the most important plots into a directory, each as an SVG file, and returns their paths.
///
/// The names of the files are stable. A plot is left out if the report does not have its figures.
///
/// # Errors
///
/// If the directory cannot be created, or a file cannot be created, written or renamed.
pub fn write_charts(report: &Report, directory: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)?;
    let charts = charts::of(report).into_iter().map(|chart| {
        let path = directory.join(chart.name).with_extension("svg");
        write_whole(&path, &chart.svg)?;
        Ok(path)
    });
    charts.collect()
}

/// Returns the path of a report's page: in the same directory, with the ending `.html`.
pub fn path_beside(json: &Path) -> PathBuf {
    let page = json.with_extension("html");
    if page == json { json.with_extension("html.html") } else { page }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_never_overwrites_its_report() {
        assert_eq!(path_beside(Path::new("a/report.json")), Path::new("a/report.html"));
        assert_eq!(path_beside(Path::new("report")), Path::new("report.html"));
        assert_eq!(path_beside(Path::new("report.html")), Path::new("report.html.html"));
    }
}
