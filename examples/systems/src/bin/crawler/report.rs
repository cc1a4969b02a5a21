//! Prints the fetches and the summary.

use std::fmt;
use std::fmt::Write;

use comfy_table::{CellAlignment, Table, TableStyle};
use threadwise_systems::http::StatusCode;
use threadwise_systems::http::server::{Counts, Server};

use crate::crawl::{Crawled, Page};
use crate::frontier::{Frontier, MOST_ELSEWHERE};

/// The result of one fetch.
pub(crate) struct Outcome {
    pub(crate) target: String,
    pub(crate) answer: Result<Page, String>,
}

/// The counts of the answers.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) fine: usize,
    pub(crate) moved: usize,
    pub(crate) refused: usize,
    pub(crate) failed: usize,
}

impl Told {
    pub(crate) fn count(&mut self, status: StatusCode) {
        match () {
            () if status.is_success() => self.fine += 1,
            () if status.is_redirection() => self.moved += 1,
            () => self.refused += 1,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Ok(page) => {
                write!(
                    f,
                    "{} {:>8} {:<12} {}",
                    page.status.as_u16(),
                    page.bytes,
                    page.kind,
                    self.target
                )?;
                match &page.location {
                    Some(location) => write!(f, " -> {location}"),
                    None => Ok(()),
                }
            }
            Err(error) => write!(f, "--- {:>8} {:<12} {}: {error}", "", "", self.target),
        }
    }
}

pub(crate) fn summary(crawled: &Crawled, frontier: &Frontier, server: Option<&Server>) -> String {
    let (told, left) = (&crawled.told, frontier.left_out());
    let seconds = crawled.elapsed.as_secs_f64();
    let fetched = told.fine + told.moved + told.refused + told.failed;
    let mut text = format!(
        "\nfetched {fetched}: {} fine, {} moved, {} refused, {} failed; {} bytes in {seconds:.2} s, \
         {:.0} a second\n",
        told.fine,
        told.moved,
        told.refused,
        told.failed,
        crawled.bytes,
        fetched as f64 / seconds
    );
    let _ = writeln!(
        text,
        "not followed: {}{} elsewhere, {} too deep (--max-depth), {} too many (--max-pages)",
        if left.elsewhere < MOST_ELSEWHERE { "" } else { "at least " },
        left.elsewhere,
        left.too_deep,
        left.too_many
    );
    if left.ended > 0 {
        let _ = writeln!(text, "ended early: {} known pages were not fetched", left.ended);
    }
    let _ = match server.map(Server::counts) {
        Some(Counts { accepted, peak, requests, .. }) => writeln!(
            text,
            "the server counted {accepted} connections, {peak} at once at most, for {requests} requests"
        ),
        None => writeln!(text, "the pool opened {} connections", crawled.opened),
    };
    text
}

/// A crawl in the comparison.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) crawled: Crawled,
    pub(crate) counts: Counts,
}

pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(["pool", "connections", "at once", "requests", "pages/s", "p50 ms", "p99 ms"]);
    for Row { name, crawled, counts } in rows {
        let ms = |part| format!("{:.2}", crawled.figures.quantile(part).as_secs_f64() * 1e3);
        let rate = crawled.figures.count() as f64 / crawled.elapsed.as_secs_f64();
        table.add_row([
            name.clone(),
            counts.accepted.to_string(),
            counts.peak.to_string(),
            counts.requests.to_string(),
            format!("{rate:.0}"),
            ms(0.5),
            ms(0.99),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
