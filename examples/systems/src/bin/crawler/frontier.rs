//! The pages to fetch, and the end of the crawl.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use threadwise_systems::args::count;
use url::Url;

/// The pages that the crawl has seen, and those of them that are still to fetch. It gives out each
/// page once.
pub(crate) struct Frontier {
    start: Url,
    bounds: Bounds,
    state: Mutex<State>,
    changed: Condvar,
}

/// The most links to other sites that the crawl counts. If there are more, the report says "at
/// least".
pub(crate) const MOST_ELSEWHERE: usize = 10_000;

/// The limits of a crawl. Some sites have no end.
#[derive(clap::Args, Clone, Copy)]
pub(crate) struct Bounds {
    /// Pages and images to fetch at most.
    #[arg(long = "max-pages", value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = count(10_000_000))]
    pages: usize,

    /// Links from the first page to the last one at most.
    #[arg(long = "max-depth", value_name = "N", default_value_t = 5)]
    depth: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Url, usize)>,
    seen: HashSet<Url>,
    elsewhere: HashSet<Url>,
    under_way: usize,
    is_closed: bool,
    left_out: LeftOut,
}

/// Links that were not followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Links to another server, or with a scheme that is not `http`.
    pub(crate) elsewhere: usize,
    /// Links that are too far from the start.
    pub(crate) too_deep: usize,
    /// Links that came after the frontier had `max_pages` pages.
    pub(crate) too_many: usize,
    /// Links that came after the crawl was ended.
    pub(crate) ended: usize,
}

/// A page to fetch. The crawl is not over while a job exists, because its page may have more links.
pub(crate) struct Job<'f> {
    pub(crate) url: Url,
    pub(crate) depth: usize,
    frontier: &'f Frontier,
}

impl Frontier {
    pub(crate) fn new(start: Url, bounds: Bounds) -> Arc<Self> {
        let state = Mutex::default();
        let frontier = Self { start: start.clone(), bounds, state, changed: Condvar::new() };
        frontier.offer(start, 0);
        Arc::new(frontier)
    }

    pub(crate) fn start(&self) -> &Url {
        &self.start
    }

    pub(crate) fn left_out(&self) -> LeftOut {
        let state = self.state.lock();
        let (elsewhere, ended) = (state.elsewhere.len(), state.waiting.len());
        LeftOut { elsewhere, ended, ..state.left_out }
    }

    // ANCHOR: offer
    /// Takes a link, if it leads to a page of this site that is not known yet.
    fn offer(&self, mut url: Url, depth: usize) {
        url.set_fragment(None); // a place within the page: never sent, and the same page
        let _ = (url.set_username(""), url.set_password(None)); // never sent either; `mailto:` has none
        let mut state = self.state.lock();
        if url.origin() != self.start.origin() {
            // Only their number is printed, and a site may have any number of them.
            if state.elsewhere.len() < MOST_ELSEWHERE {
                state.elsewhere.insert(url);
            }
        } else if !state.seen.contains(&url) {
            if depth > self.bounds.depth {
                state.left_out.too_deep += 1;
            } else if state.seen.len() >= self.bounds.pages {
                state.left_out.too_many += 1;
            } else {
                state.seen.insert(url.clone());
                state.waiting.push_back((url, depth));
                self.changed.notify_one();
            }
        }
    }
    // ANCHOR_END: offer

    /// Returns the next page to fetch. Waits while other threads may still find one. Returns `None`
    /// when all pages are fetched or the crawl was ended.
    pub(crate) fn next(&self) -> Option<Job<'_>> {
        let mut state = self.state.lock();
        loop {
            if state.is_closed || state.waiting.is_empty() && state.under_way == 0 {
                return None;
            }
            if let Some((url, depth)) = state.waiting.pop_front() {
                state.under_way += 1;
                return Some(Job { url, depth, frontier: self });
            }
            self.changed.wait(&mut state);
        }
    }

    /// Ends the crawl. Running fetches finish.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }
}

impl Job<'_> {
    /// Adds a link of this page.
    pub(crate) fn found(&self, url: Url) {
        self.frontier.offer(url, self.depth + 1);
    }

    /// Adds the new address of this page. It has the depth of the page itself, because a redirect
    /// is not another link.
    pub(crate) fn moved(&self, url: Url) {
        self.frontier.offer(url, self.depth);
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        let mut state = self.frontier.state.lock();
        state.under_way -= 1;
        if state.under_way == 0 {
            self.frontier.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    fn frontier(pages: usize, depth: usize) -> Arc<Frontier> {
        Frontier::new(url("http://here:80/"), Bounds { pages, depth })
    }

    #[test]
    fn a_page_is_given_out_once_however_often_and_however_it_is_linked() {
        let frontier = frontier(100, 5);
        let job = frontier.next().expect("the start");
        for link in
            ["/a", "/a#part", "/./a", "/b/../a", "//here/a", "http://me:secret@here:80/a", "/#top"]
        {
            job.found(job.url.join(link).expect(link));
        }
        job.found(job.url.join("/a?x=1").expect("a URL"));
        drop(job);
        let mut given = Vec::new();
        while let Some(job) = frontier.next() {
            given.push(job.url.to_string());
        }
        assert_eq!(given, ["http://here/a", "http://here/a?x=1"]);
    }

    #[test]
    fn links_to_other_servers_are_counted_and_not_followed() {
        let frontier = frontier(100, 5);
        let job = frontier.next().expect("the start");
        for link in ["http://there/", "https://here/", "http://here:81/", "mailto:a@b", "data:,x"] {
            job.found(url(link));
            job.moved(url(link));
        }
        drop(job);
        assert!(frontier.next().is_none());
        assert_eq!(frontier.left_out(), LeftOut { elsewhere: 5, ..LeftOut::default() });
    }

    #[test]
    fn a_thread_waits_for_links_that_another_may_still_find() {
        let frontier = frontier(100, 5);
        let job = frontier.next().expect("the start");
        std::thread::scope(|threads| {
            let other = threads.spawn(|| frontier.next().map(|job| job.url.to_string()));
            job.found(url("http://here/a"));
            drop(job);
            assert_eq!(other.join().expect("no panic").as_deref(), Some("http://here/a"));
        });
    }

    #[test]
    fn closing_ends_all_waits_and_says_what_is_left() {
        let frontier = frontier(100, 5);
        let job = frontier.next().expect("the start");
        job.found(url("http://here/a"));
        job.found(url("http://here/b"));
        frontier.close();
        assert!(frontier.next().is_none());
        assert_eq!(frontier.left_out().ended, 2);
    }
}
