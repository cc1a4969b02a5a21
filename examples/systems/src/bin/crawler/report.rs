//! Prints the fetches and the summary.

use std::fmt;
use std::fmt::Write;

use threadwise_systems::columns;
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
    let seconds = crawled.turn.elapsed.as_secs_f64();
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

/// The crawls of a comparison, with the counts of their servers.
pub(crate) fn table(crawls: &[(Crawled, Counts)]) -> String {
    let row = |(Crawled { turn, .. }, counts): &(Crawled, Counts)| {
        let [accepted, peak, requests] =
            [counts.accepted, counts.peak, counts.requests].map(|count| count.to_string());
        let rate = format!("{:.0}", turn.rate());
        [turn.name.clone(), accepted, peak, requests, rate, turn.ms(0.5), turn.ms(0.99)]
    };
    let header = ["pool", "connections", "at once", "requests", "pages/s", "p50 ms", "p99 ms"];
    columns(header, crawls.iter().map(row))
}
