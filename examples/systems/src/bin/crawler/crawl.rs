//! Threads that fetch what the frontier gives them, on connections that they share.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use threadwise::{AnyPool, GetError, Pool, chain};
use threadwise_systems::http::{Connection, Error, Http, StatusCode};
use threadwise_systems::{Figures, Shutdown, Turn};
use url::{Position, Url};

use crate::frontier::{Frontier, Job};
use crate::links::links;
use crate::report::{Outcome, Told};

pub(crate) struct Crawl<'c> {
    pub(crate) frontier: &'c Arc<Frontier>,
    pub(crate) threads: usize,
    pub(crate) shutdown: &'c Shutdown,
}

/// The result of a crawl.
pub(crate) struct Crawled {
    pub(crate) turn: Turn,
    pub(crate) bytes: u64,
    pub(crate) told: Told,
    /// The number of connections that the pool has opened.
    pub(crate) opened: u64,
}

impl Crawl<'_> {
    /// Crawls the site, and hands each outcome to `tell`.
    pub(crate) fn run(&self, pool: &AnyPool<Http>, mut tell: impl FnMut(&Outcome)) -> Crawled {
        self.close_at_the_end(pool.clone());
        let frontier = &**self.frontier;
        let began = Instant::now();
        let turn = Turn {
            name: pool.state().name.map(|name| name.to_string()).unwrap_or_default(),
            figures: Figures::default(),
            elapsed: Duration::ZERO,
        };
        let mut crawled = Crawled { turn, bytes: 0, told: Told::default(), opened: 0 };
        thread::scope(|threads| {
            let (send, told) = mpsc::channel();
            let workers: Vec<_> = (0..self.threads)
                .map(|_| {
                    let send = send.clone();
                    threads.spawn(move || work(pool, frontier, &send))
                })
                .collect();
            drop(send); // so that `told` ends with the last worker
            for outcome in told {
                crawled.count(&outcome);
                tell(&outcome);
            }
            for worker in workers {
                crawled.turn.figures.add(&worker.join().expect("no panic"));
            }
        });
        crawled.turn.elapsed = began.elapsed();
        crawled.opened = pool.state().counters.opened;
        pool.close();
        crawled
    }

    /// At Ctrl-C no new fetch begins. Threads that wait for a page or a connection get an error,
    /// and running fetches finish.
    fn close_at_the_end(&self, pool: AnyPool<Http>) {
        let frontier = Arc::clone(self.frontier);
        self.shutdown.at_begin(move || {
            frontier.close();
            pool.close();
        });
    }
}

impl Crawled {
    fn count(&mut self, outcome: &Outcome) {
        match &outcome.answer {
            Ok(page) => {
                self.bytes += page.bytes as u64;
                self.told.count(page.status);
            }
            Err(_) => self.told.failed += 1,
        }
    }
}

/// One fetched page.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) kind: String,
    pub(crate) bytes: usize,
    pub(crate) location: Option<String>,
}

// ANCHOR: work
/// Fetches pages until there are none, and says how long each took.
fn work(pool: &AnyPool<Http>, frontier: &Frontier, tell: &mpsc::Sender<Outcome>) -> Figures {
    let mut figures = Figures::default();
    while let Some(job) = frontier.next() {
        let began = Instant::now();
        let answer = match pool.get() {
            Ok(mut conn) => conn.steady(|conn| fetch(conn, &job.url)).map_err(text_of),
            Err(GetError::Closed) => return figures,
            Err(error) => {
                frontier.close(); // there is one server, and it is gone
                Err(text_of(error))
            }
        }; // Here the connection is returned, before this thread reads HTML.
        figures.done(began);
        let answer = answer.map(|(page, html)| {
            follow(&job, &page, html.as_deref());
            page
        });
        let target = job.url[Position::BeforePath..].to_owned();
        let _ = tell.send(Outcome { target, answer });
    }
    figures
}
// ANCHOR_END: work

/// The error with its causes.
fn text_of(error: impl std::error::Error) -> String {
    chain(&error).to_string()
}

// ANCHOR: fetch
/// A page with its text, if it is HTML, or an image. It may run twice (see `steady`): a GET may.
fn fetch(conn: &mut Connection, url: &Url) -> Result<(Page, Option<String>), Error> {
    let answer = conn.get(&url[Position::BeforePath..Position::AfterQuery])?;
    let status = answer.status();
    let kind = answer.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let location = answer.header("location").map(str::to_owned);
    let body = answer.bytes()?; // to its end: the connection is worth more than what it costs
    let bytes = body.len();
    let text = (kind == "text/html").then(|| String::from_utf8_lossy(&body).into_owned());
    Ok((Page { status, kind, bytes, location }, text))
}
// ANCHOR_END: fetch

/// Adds the links of a page, or its new address, to the frontier. Ignores the links of an error
/// page, because they are not the site's.
fn follow(job: &Job, page: &Page, html: Option<&str>) {
    if page.status.is_success() {
        let found = html.map(|html| links(html, &job.url)).unwrap_or_default();
        found.into_iter().for_each(|url| job.found(url));
    } else if page.status.is_redirection() {
        let target = page.location.as_deref().and_then(|location| job.url.join(location).ok());
        target.into_iter().for_each(|url| job.moved(url));
    }
}
