//! What the harness and the programs say to each other. `crates/bench/abroad/README.md` describes it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::measure::Sample;
use crate::{Failure, Result};

/// The work of a program: its arguments, except the pool and its driver.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// What a thread does with a connection.
    pub(super) work: Work,
    /// Threads that use the pool.
    pub(super) threads: usize,
    /// Connections that the pool may have.
    pub(super) size: usize,
    /// How long a thread holds a connection, or how long a query takes at the server.
    pub(super) hold: Duration,
    /// One operation in this many is timed.
    pub(super) timed: u64,
    /// How long a thread sleeps after an error.
    pub(super) pause: Duration,
    /// How long a thread waits for a connection, if the pool has a timeout.
    pub(super) timeout: Duration,
    /// Whether the pool begins without connections.
    pub(super) is_lazy: bool,
    /// The MariaDB server; `None` means connections that do nothing.
    pub(super) server: Option<SocketAddr>,
}

/// What a thread does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Holds it asleep, or returns it at once.
    Checkout,
    /// Reads a row by primary key.
    Select,
    /// Lets the server sleep.
    Sleep,
}

impl Job {
    /// Returns the arguments of a program.
    pub(super) fn arguments(&self) -> Vec<String> {
        let work = match self.work {
            Work::Checkout => "checkout",
            Work::Select => "select",
            Work::Sleep => "sleep",
        };
        vec![
            format!("work={work}"),
            format!("threads={}", self.threads),
            format!("size={}", self.size),
            format!("hold_us={}", self.hold.as_micros()),
            format!("timed={}", self.timed),
            format!("pause_ms={}", self.pause.as_millis()),
            format!("timeout_s={}", self.timeout.as_secs()),
            format!("lazy={}", u8::from(self.is_lazy)),
            // Without parameters, which each driver would understand differently.
            self.server.map_or("url=-".into(), |at| format!("url=mysql://root@{at}/test")),
        ]
    }
}

/// A line that a program writes.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Message {
    /// The threads wait for work.
    Ready {
        /// The names and versions of the packages and the language.
        ready: String,
    },
    /// Something has happened in an outage.
    Mark {
        /// The event.
        mark: Mark,
    },
    /// The figures of a round.
    Figures(Figures),
}

/// An event of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mark {
    /// The threads work.
    Begun,
    /// The program has read that the server comes back now.
    Back,
    /// The first operation after the outage has succeeded.
    Served,
}

/// The figures of a round.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Figures {
    threads: Vec<ThreadFigures>,
    pub(super) first_error: Option<String>,
    /// Connections opened since the program began.
    pub(super) opened: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
struct ThreadFigures {
    ops: u64,
    errors: u64,
    begun_ns: u64,
    ended_ns: u64,
    waits_ns: Vec<u64>,
}

/// A thread's first call to the pool, in times since the round began.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstGet {
    pub(super) asked: Duration,
    /// `None` if it got no connection.
    pub(super) got: Option<Duration>,
    /// When it got a connection or an error.
    pub(super) answered: Duration,
}

impl Figures {
    /// Returns the samples of the threads, as the harness has them of its own threads. The round
    /// began at `start`.
    ///
    /// # Errors
    ///
    /// If figures are missing or impossible.
    pub(super) fn samples(&self, threads: usize, start: Instant) -> Result<Vec<Sample>> {
        if self.threads.len() != threads {
            let found = self.threads.len();
            return Err(Failure::new(format_args!("figures of {found} threads, not {threads}")));
        }
        let mut samples = Vec::new();
        for thread in &self.threads {
            let at = |ns| start.checked_add(Duration::from_nanos(ns));
            let times = at(thread.begun_ns).zip(at(thread.ended_ns));
            let Some((begun, ended)) = times.filter(|(begun, ended)| begun <= ended) else {
                return Err(Failure::new("a thread that ends before it begins"));
            };
            let mut sample = Sample::begin();
            (sample.begun, sample.ended) = (begun, ended);
            sample.ops = thread.ops;
            sample.errors = thread.errors;
            thread.waits_ns.iter().for_each(|&ns| sample.waits.record(Duration::from_nanos(ns)));
            samples.push(sample);
        }
        let failed = samples.iter_mut().find(|sample| sample.errors > 0);
        if let Some((failed, error)) = failed.zip(self.first_error.as_ref()) {
            failed.first_error = Some(Failure::new(error));
        }
        Ok(samples)
    }

    /// Returns what each thread did first.
    pub(super) fn first_gets(&self) -> impl Iterator<Item = FirstGet> + '_ {
        self.threads.iter().map(|thread| {
            let asked = Duration::from_nanos(thread.begun_ns);
            let wait = thread.waits_ns.first().copied().map(Duration::from_nanos);
            let got = wait.map(|wait| asked + wait);
            FirstGet { asked, got, answered: got.unwrap_or(Duration::from_nanos(thread.ended_ns)) }
        })
    }

    /// Returns how many operations succeeded.
    pub(super) fn ops(&self) -> u64 {
        self.threads.iter().map(|thread| thread.ops).sum()
    }

    /// Returns all waits in ascending order.
    pub(super) fn sorted_waits(&self) -> Vec<Duration> {
        let waits = self.threads.iter().flat_map(|thread| &thread.waits_ns);
        let mut waits: Vec<_> = waits.copied().map(Duration::from_nanos).collect();
        waits.sort_unstable();
        waits
    }

    /// Returns how many operations failed.
    pub(super) fn errors(&self) -> u64 {
        self.threads.iter().map(|thread| thread.errors).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(json: &str) -> Figures {
        match serde_json::from_str(json) {
            Ok(Message::Figures(figures)) => figures,
            other => panic!("{other:?}"),
        }
    }

    const TWO_THREADS: &str = r#"{"threads":[
        {"ops":3,"errors":0,"begun_ns":10,"ended_ns":1000000010,"waits_ns":[7,5,6]},
        {"ops":1,"errors":2,"begun_ns":20,"ended_ns":500000020,"waits_ns":[9]}],
        "first_error":"refused","opened":2}"#;

    #[test]
    fn figures_become_the_samples_of_threads() {
        let figures = figures(TWO_THREADS);
        let start = Instant::now();
        let samples = figures.samples(2, start).unwrap();
        let of = |sample: &Sample| (sample.ops, sample.errors, sample.waits.count());
        assert_eq!([of(&samples[0]), of(&samples[1])], [(3, 0, 3), (1, 2, 1)]);
        assert_eq!(samples[0].begun, start + Duration::from_nanos(10));
        assert_eq!(samples[1].ended - samples[1].begun, Duration::from_millis(500));
        let errors: Vec<_> = samples.iter().map(|sample| sample.first_error.clone()).collect();
        assert_eq!(errors, [None, Some(Failure::new("refused"))]);
        let waits: Vec<_> = figures.sorted_waits().iter().map(Duration::as_nanos).collect();
        assert_eq!(waits, [5, 6, 7, 9]);
    }

    #[test]
    fn missing_threads_and_impossible_times_are_errors() {
        let now = Instant::now();
        assert!(figures(TWO_THREADS).samples(3, now).is_err());
        let late = TWO_THREADS.replace("\"begun_ns\":10,", "\"begun_ns\":2000000000,");
        assert!(figures(&late).samples(2, now).is_err());
        let never = TWO_THREADS.replace("1000000010", &u64::MAX.to_string());
        let _ = figures(&never).samples(2, now); // an error or far in the future, but no panic
    }

    #[test]
    fn marks_and_the_ready_line_are_told_apart() {
        let read = |json| serde_json::from_str::<Message>(json).unwrap();
        assert_eq!(read(r#"{"mark":"served"}"#), Message::Mark { mark: Mark::Served });
        assert_eq!(read(r#"{"ready":"Go 1"}"#), Message::Ready { ready: "Go 1".into() });
        assert!(serde_json::from_str::<Message>(r#"{"mark":"lost"}"#).is_err());
    }
}
