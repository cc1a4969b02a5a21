//! The files of a run: the report as JSON, and the page beside it.

use std::io;
use std::path::{Path, PathBuf};

use threadwise_bench::{Failure, Result};
use threadwise_figures::{Report, Stamp, check_writable, write_json};
use threadwise_page::html;
use threadwise_page::width::Width;

/// Where the report and the page are written.
pub(crate) struct Output {
    json: PathBuf,
    page: PathBuf,
}

impl Output {
    /// Checks before the measurement that both files can be written.
    pub(crate) fn at(json: PathBuf) -> Result<Self> {
        let page = html::path_beside(&json);
        for path in [&json, &page] {
            check_writable(path).map_err(|error| cannot_write(path, &error))?;
        }
        Ok(Self { json, page })
    }

    pub(crate) fn write(&self, report: &Report) -> Result<()> {
        write_json(&self.json, report).map_err(|error| cannot_write(&self.json, &error))?;
        html::write(report, &self.page).map_err(|error| cannot_write(&self.page, &error))
    }

    /// What a run prints at the end: where the figures come from, what failed, and both paths.
    pub(crate) fn footer(&self, report: &Report, width: Width) -> String {
        let Stamp { machine, date, commit, .. } = &report.stamp;
        let mut text = width.wrap(&format!("{machine} · {date} · {commit}"), "", "  ");
        let Report { results, sweep, sizes, fair_after, .. } = report;
        let rows = || [results, sweep, sizes, fair_after].into_iter().flatten();
        let failed = rows().filter(|row| row.errors > 0).count();
        if failed > 0 {
            text += &format!("{failed} of {} measurements had errors\n", rows().count());
        }
        if report.interrupted {
            text += "interrupted: the missing figures were not measured\n";
        }
        text + &format!("{}\n{}\n", self.json.display(), self.page.display())
    }
}

pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format_args!("cannot write {}: {error}; see --out", path.display()))
}
