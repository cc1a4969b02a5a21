//! The spike and the outage for a pool of another language. The definitions and the figures are those
//! of [`scenarios`](crate::experiments::scenarios). The harness owns the server and its proxy, and measures there and when a
//! program reports something.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_figures::{Backend, Moment, ScenarioRun};
use threadwise_testkit::Proxy;

use super::pools::{ForeignPool, Programs};
use super::program::Program;
use super::protocol::{Figures, FirstGet, Job, Mark, Work};
use crate::backend::Environment;
use crate::experiments::scenarios::scenario::{Needs, Scenario};
use crate::experiments::scenarios::times::{ms, wait_at};
use crate::experiments::scenarios::{outage, spike, timeline};
use crate::{Failure, Result};

/// How long a program may take to report what it does at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A scenario that programs can play, with what its threads do.
pub(super) struct Script {
    /// The scenario, as our pools play it. It has as many threads as connections.
    pub(super) scenario: Scenario,
    query: Duration,
    pause: Duration,
    run: fn(&mut Program, &Proxy, &mut ScenarioRun) -> Result<Figures>,
}

impl Script {
    /// All of them, in the order in which they run.
    pub(super) const ALL: [Self; 2] = [
        Self {
            scenario: outage::OUTAGE,
            query: outage::QUERY,
            pause: outage::PAUSE,
            run: outage_of,
        },
        Self { scenario: spike::SPIKE, query: spike::QUERY, pause: Duration::ZERO, run: spike_of },
    ];

    /// Runs the scenario for one pool.
    pub(super) fn play(
        &self,
        pool: ForeignPool,
        programs: &Programs,
        environment: &Environment,
        scale: f64,
    ) -> Played {
        let run = self.scenario.begin(Backend::Mysql, pool.name(), scale);
        let mut played = Played { run, versions: None, error: None };
        if let Err(failure) = played.measure(self, pool, programs, environment) {
            played.run.errors = 1;
            played.error = Some(failure);
        }
        played
    }
}

/// The outcome of one pool.
pub(super) struct Played {
    pub(super) run: ScenarioRun,
    /// Those of the program, if it could be started.
    pub(super) versions: Option<String>,
    /// That of the program, or the first one of the pool.
    pub(super) error: Option<Failure>,
}

impl Played {
    fn measure(
        &mut self,
        script: &Script,
        pool: ForeignPool,
        programs: &Programs,
        environment: &Environment,
    ) -> Result<()> {
        let Some((_, proxy)) = environment.behind_proxy()? else {
            return Err(Failure::new("it needs a server"));
        };
        let Needs { size, get_timeout, connect } = (script.scenario.needs)(self.run.scale);
        proxy.delay(connect);
        let job = Job {
            work: Work::Sleep,
            threads: size,
            size,
            hold: script.query,
            timed: 1,
            pause: script.pause,
            timeout: get_timeout,
            is_lazy: true,
            server: Some(proxy.address()),
        };
        let mut program = pool.start(programs, &job)?;
        self.versions = Some(program.versions.clone());
        let run = &mut self.run;
        let figures = (script.run)(&mut program, &proxy, run)?;
        let waits = figures.sorted_waits();
        (run.wait_p50_ms, run.wait_p99_ms) = (wait_at(&waits, 0.5), wait_at(&waits, 0.99));
        (run.served, run.errors) = (waits.len() as u64, figures.errors());
        run.opened = proxy.accepted();
        self.error = figures
            .first_error
            .as_ref()
            .map(|error| Failure::new(format_args!("{}: {error}", pool.name())));
        Ok(())
    }
}

/// Each thread makes one operation. The figure is the number of connections opened.
fn spike_of(program: &mut Program, proxy: &Proxy, run: &mut ScenarioRun) -> Result<Figures> {
    let over = AtomicBool::new(false);
    let (figures, looks) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(proxy, &over));
        let figures = program.round(Duration::ZERO, spike::GET_TIMEOUT + PATIENCE);
        thread::sleep(spike::CONNECT * 2); // for dials for which no thread waits any more
        over.store(true, SeqCst);
        (figures, watcher.join().unwrap_or_default())
    });
    let figures = figures?;
    run.figure = Some(proxy.accepted() as f64);
    run.timeline = moments(&looks, &figures);
    Ok(figures)
}

/// Returns the number of open connections, every millisecond until `over` is set.
fn watch(proxy: &Proxy, over: &AtomicBool) -> Vec<(Duration, u64)> {
    let mut looks = Vec::new();
    timeline::look_until(over, |since, _| looks.push((since, proxy.open())));
    looks
}

/// Adds what the threads did to what was seen at the proxy. Has each state that differs from the one
/// before, and the last one.
fn moments(looks: &[(Duration, u64)], figures: &Figures) -> Vec<Moment> {
    let gets: Vec<_> = figures.first_gets().collect();
    let mut moments: Vec<Moment> = Vec::new();
    for (place, &(since, connections)) in looks.iter().enumerate() {
        let count = |is_so: &dyn Fn(&FirstGet) -> bool| gets.iter().filter(|it| is_so(it)).count();
        let waiting = count(&|it| it.asked <= since && since < it.answered) as u64;
        let served = count(&|it| it.got.is_some_and(|got| got <= since)) as u64;
        let moment = Moment { ms: ms(since), connections, waiting, served };
        timeline::add(&mut moments, moment, place + 1 == looks.len());
    }
    moments
}

/// The figure is the time from the server's return to the first success.
fn outage_of(program: &mut Program, proxy: &Proxy, run: &mut ScenarioRun) -> Result<Figures> {
    program.child.tell("outage")?;
    program.hear_mark(Mark::Begun, PATIENCE)?;
    thread::sleep(outage::BEFORE);
    proxy.refuse();
    thread::sleep(outage::GONE_FOR.mul_f64(run.scale));
    program.child.tell("back")?;
    program.hear_mark(Mark::Back, PATIENCE)?;
    let back = Instant::now();
    proxy.serve();
    program.hear_mark(Mark::Served, outage::GET_TIMEOUT + PATIENCE)?;
    run.figure = Some(ms(back.elapsed().saturating_sub(outage::QUERY)));
    program.hear_figures(outage::GET_TIMEOUT + PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_joins_the_proxy_and_the_threads_and_has_no_state_twice() {
        let figures = serde_json::from_str(
            r#"{"threads":[
                {"ops":1,"errors":0,"begun_ns":0,"ended_ns":9000000,"waits_ns":[4000000]},
                {"ops":0,"errors":1,"begun_ns":1000000,"ended_ns":5000000,"waits_ns":[]}],
                "first_error":"refused","opened":2}"#,
        );
        let looks = [(0, 0), (1, 2), (2, 2), (4, 2), (5, 2)];
        let looks = looks.map(|(ms, open)| (Duration::from_millis(ms), open));
        let moments = moments(&looks, &figures.unwrap());
        let told = |it: &Moment| (it.ms, it.connections, it.waiting, it.served);
        let told: Vec<_> = moments.iter().map(told).collect();
        assert_eq!(told, [(0.0, 0, 1, 0), (1.0, 2, 2, 0), (4.0, 2, 1, 1), (5.0, 2, 0, 1)]);
    }
}
