//! The simulation: event by event, in simulated time.
//!
//! There are two kinds of events. First, a thread ends its idle time and asks for a connection. The
//! times of these events are known in advance, and are in a heap. Second, the server has answered a
//! request. All requests get the same share of the server. If one begins or ends, the share
//! changes, but the order in which requests end does not. So a clock counts the work that each
//! request has received: it runs at `rate(k) / k`, and each request is in a heap with the value at
//! which it ends. An event costs the logarithm of the number of requests.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use ordered_float::OrderedFloat;
use threadwise_bench::measure::Waits;

use super::capacity::{Capacity, Demand};

/// The fleet to simulate.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Processes.
    pub instances: usize,
    /// Threads of each process.
    pub threads: usize,
    /// The limit of the pool in each process.
    pub max_size: usize,
    /// How long a thread is idle after a use.
    pub idle: Idle,
    /// A waiter that has waited this long, in seconds, comes before a thread that asks again at
    /// once; the pool's setting of that name.
    pub fair_after: f64,
    /// The server.
    pub capacity: Capacity,
    /// The requests.
    pub demand: Demand,
}

/// How long a thread is idle.
#[derive(Clone, Debug, PartialEq)]
pub struct Idle {
    /// On average, in seconds.
    pub mean_s: f64,
    /// How the times differ. If all were equal, the threads would rarely compete.
    pub spread: Demand,
}

impl Idle {
    /// Never idle.
    pub const NEVER: Self = Self { mean_s: 0.0, spread: Demand::Constant };

    fn draw(&self, random: &mut fastrand::Rng) -> f64 {
        self.mean_s * self.spread.draw(random)
    }
}

/// How long the simulation runs, and its seed.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The same seed gives the same run.
    pub seed: u64,
    /// Requests of the warmup, which do not count.
    pub warm_up: usize,
    /// Requests that count.
    pub requests: usize,
}

/// The figures of a simulation.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// Requests answered per second.
    pub ops_per_s: f64,
    /// From asking to having a connection, in seconds: the mean.
    pub mean_wait_s: f64,
    /// Half the width of the 95 % confidence interval of the mean wait.
    pub mean_wait_error_s: f64,
    /// The share of requests that waited at all.
    pub waited: f64,
    /// All waits.
    pub waits: Waits,
    /// From having a connection to having returned it, in seconds: the mean.
    pub mean_hold_s: f64,
    /// Connections busy at the same time, all processes together: the mean.
    pub busy: f64,
    /// The most connections that were busy at the same time.
    pub most_busy: usize,
}

/// Simulates a fleet.
pub fn simulate(fleet: &Fleet, effort: Effort) -> Simulated {
    let mut simulation = Simulation::new(fleet, effort.seed);
    while simulation.answered < effort.warm_up {
        simulation.step();
    }
    simulation.begin_to_count();
    while simulation.answered < effort.requests {
        simulation.step();
    }
    simulation.simulated()
}

/// The run is divided into this many parts, whose means count as independent of each other.
const PARTS: usize = 20;
/// The quantile of Student's distribution for 95 % and 19 degrees of freedom.
const STUDENT: f64 = 2.093;

struct Simulation<'f> {
    fleet: &'f Fleet,
    random: fastrand::Rng,
    now: f64,
    /// The work that a request has received since the server was last empty.
    got: f64,
    /// The requests at the server: the value of `got` at which each ends, and its thread.
    requests: BinaryHeap<Event>,
    /// The idle threads: the end of the idle time, and the thread.
    idle: BinaryHeap<Event>,
    pools: Vec<Pool>,
    /// When each thread asked, and when it got a connection.
    asked: Vec<f64>,
    got_at: Vec<f64>,
    answered: usize,
    totals: Totals,
}

#[derive(Default)]
struct Pool {
    lent: usize,
    waiters: VecDeque<usize>,
}

#[derive(Default)]
struct Totals {
    since: f64,
    waits: Vec<f64>,
    hold_s: f64,
    busy_s: f64,
    most_busy: usize,
}

impl<'f> Simulation<'f> {
    fn new(fleet: &'f Fleet, seed: u64) -> Self {
        let threads = fleet.instances * fleet.threads;
        let mut random = fastrand::Rng::with_seed(seed);
        // So that the threads do not all begin at the same moment.
        let spread = fleet.idle.mean_s;
        let idle = (0..threads).map(|who| event(random.f64() * spread, who)).collect();
        Self {
            fleet,
            random,
            now: 0.0,
            got: 0.0,
            requests: BinaryHeap::new(),
            idle,
            pools: (0..fleet.instances).map(|_| Pool::default()).collect(),
            asked: vec![0.0; threads],
            got_at: vec![0.0; threads],
            answered: 0,
            totals: Totals::default(),
        }
    }

    fn begin_to_count(&mut self) {
        self.answered = 0;
        self.totals = Totals { since: self.now, ..Totals::default() };
    }

    /// Simulates the next event.
    fn step(&mut self) {
        let share = self.share();
        let done =
            self.requests.peek().map(|Reverse((at, _))| self.now + (at.0 - self.got) / share);
        let woken = self.idle.peek().map(|Reverse((at, _))| at.0);
        match (done, woken) {
            (Some(done), woken) if woken.is_none_or(|woken| done <= woken) => {
                self.go_to(done);
                let Reverse((at, who)) = self.requests.pop().expect("it was seen");
                self.got = at.0;
                self.answer(who);
            }
            (_, Some(woken)) => {
                let Reverse((_, who)) = self.idle.pop().expect("it was seen");
                self.got += (woken - self.now) * share;
                self.go_to(woken);
                self.ask(who);
            }
            (_, None) => unreachable!("a thread is idle, or one has a request"),
        }
    }

    /// The work that each request receives per second.
    fn share(&self) -> f64 {
        let busy = self.requests.len();
        self.fleet.capacity.rate(busy) / busy.max(1) as f64
    }

    fn go_to(&mut self, then: f64) {
        self.totals.busy_s += self.requests.len() as f64 * (then - self.now);
        self.now = then;
    }

    fn ask(&mut self, who: usize) {
        self.asked[who] = self.now;
        let pool = &mut self.pools[who / self.fleet.threads];
        if pool.lent < self.fleet.max_size {
            pool.lent += 1;
            self.begin(who);
        } else {
            pool.waiters.push_back(who);
        }
    }

    /// A thread gets a connection, and its request begins.
    fn begin(&mut self, who: usize) {
        self.got_at[who] = self.now;
        self.totals.waits.push(self.now - self.asked[who]);
        if self.requests.is_empty() {
            self.got = 0.0; // a large sum would lose precision
        }
        let at = self.got + self.fleet.demand.draw(&mut self.random);
        self.requests.push(event(at, who));
        self.totals.most_busy = self.totals.most_busy.max(self.requests.len());
    }

    /// The server has answered a thread's request, and the thread returns its connection.
    fn answer(&mut self, who: usize) {
        self.answered += 1;
        self.totals.hold_s += self.now - self.got_at[who];
        let idle = self.fleet.idle.draw(&mut self.random);
        let pool = &mut self.pools[who / self.fleet.threads];
        let is_due = |&next: &usize| self.now - self.asked[next] >= self.fleet.fair_after;
        match pool.waiters.front() {
            // No waiter is due, and this thread asks again before a waiter is awake.
            Some(next) if idle == 0.0 && !is_due(next) => {
                self.asked[who] = self.now;
                self.begin(who);
                return;
            }
            Some(_) => {
                let next = pool.waiters.pop_front().expect("it was seen");
                self.begin(next);
            }
            None => pool.lent -= 1,
        }
        if idle == 0.0 {
            self.ask(who);
        } else {
            self.idle.push(event(self.now + idle, who));
        }
    }

    fn simulated(self) -> Simulated {
        let Totals { since, waits: each, hold_s, busy_s, most_busy } = self.totals;
        let seconds = self.now - since;
        let mut waits = Waits::default();
        each.iter().for_each(|&wait| waits.record(std::time::Duration::from_secs_f64(wait)));
        let mean = |some: &[f64]| some.iter().sum::<f64>() / some.len().max(1) as f64;
        let parts: Vec<_> =
            each.chunks((each.len() / PARTS).max(1)).take(PARTS).map(mean).collect();
        let middle = mean(&parts);
        let squares = parts.iter().map(|part| (part - middle).powi(2)).sum::<f64>();
        let deviation = (squares / (parts.len().max(2) - 1) as f64).sqrt();
        Simulated {
            ops_per_s: self.answered as f64 / seconds,
            mean_wait_s: mean(&each),
            mean_wait_error_s: STUDENT * deviation / (parts.len().max(1) as f64).sqrt(),
            waited: each.iter().filter(|&&wait| wait > 0.0).count() as f64
                / each.len().max(1) as f64,
            waits,
            mean_hold_s: hold_s / self.answered.max(1) as f64,
            busy: busy_s / seconds,
            most_busy,
        }
    }
}

/// The earliest event is the greatest; of two at the same time, that of the thread with the lower
/// number.
type Event = Reverse<(OrderedFloat<f64>, usize)>;

fn event(at: f64, who: usize) -> Event {
    Reverse((OrderedFloat(at), who))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(mean_s: f64) -> Idle {
        Idle { mean_s, spread: Demand::Exponential }
    }

    const EFFORT: Effort = Effort { seed: 11, warm_up: 20_000, requests: 200_000 };

    /// One process whose connections are the only limit. The server never slows down.
    fn servers(
        threads: usize,
        servers: usize,
        service_s: f64,
        idle: Idle,
        demand: Demand,
    ) -> Fleet {
        Fleet {
            instances: 1,
            threads,
            max_size: servers,
            idle,
            fair_after: 0.0,
            capacity: Capacity::through(&[(servers as f64, servers as f64 / service_s)]),
            demand,
        }
    }

    /// The probability that a request waits in an M/M/c queue with this load in Erlangs (Erlang C).
    fn erlang_c(servers: usize, load: f64) -> f64 {
        // Erlang B by its recursion, then Erlang C from B.
        let b = (1..=servers).fold(1.0, |b, n| load * b / (n as f64 + load * b));
        b / (1.0 - load / servers as f64 * (1.0 - b))
    }

    #[test]
    fn erlang_c_has_the_values_of_the_tables() {
        assert!((erlang_c(1, 0.5) - 0.5).abs() < 1e-12, "one server: its load");
        assert!((erlang_c(2, 1.0) - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn many_threads_that_ask_rarely_wait_as_erlang_c_predicts() {
        // This many threads make a Poisson stream of 0.8 × the capacity.
        for (count, threads) in [(1, 20_000), (4, 20_000), (16, 20_000)] {
            let load = 0.8 * count as f64;
            let idle = exponential(threads as f64 / load - 1.0);
            let fleet = servers(threads, count, 1.0, idle, Demand::Exponential);
            let effort = Effort { seed: 3, warm_up: 50_000, requests: 400_000 };
            let simulated = simulate(&fleet, effort);
            let waits = erlang_c(count, load);
            let mean_wait = waits / (count as f64 - load);
            assert!(
                (simulated.waited - waits).abs() < 0.02,
                "{count}: {} {waits}",
                simulated.waited
            );
            let off = (simulated.mean_wait_s - mean_wait).abs();
            assert!(
                off < simulated.mean_wait_error_s * 1.5 + 0.01 * mean_wait,
                "{count}: {} ± {}, expected {mean_wait}",
                simulated.mean_wait_s,
                simulated.mean_wait_error_s
            );
        }
    }

    /// The exact throughput of `threads` exponential sources on `servers` exponential servers
    /// (machine repair, M/M/c//K).
    fn machine_repair(threads: usize, servers: usize, service_s: f64, idle_s: f64) -> f64 {
        let mut weight = 1.0;
        let (mut sum, mut busy) = (1.0, 0.0);
        for asking in 1..=threads {
            let arrivals = (threads - asking + 1) as f64 / idle_s;
            let services = asking.min(servers) as f64 / service_s;
            weight *= arrivals / services;
            sum += weight;
            busy += weight * asking.min(servers) as f64;
        }
        busy / sum / service_s
    }

    #[test]
    fn a_few_threads_are_served_as_the_machine_repair_formula_predicts() {
        for (threads, count, idle_s) in [(8, 2, 3.0), (16, 4, 1.0), (5, 5, 0.5), (3, 1, 10.0)] {
            let idle = exponential(idle_s);
            let simulated =
                simulate(&servers(threads, count, 1.0, idle, Demand::Exponential), EFFORT);
            let exact = machine_repair(threads, count, 1.0, idle_s);
            assert!(
                (simulated.ops_per_s / exact - 1.0).abs() < 0.01,
                "{} {exact}",
                simulated.ops_per_s
            );
            // Little's law: every thread is idle, waits or has a connection.
            let all =
                simulated.ops_per_s * (idle_s + simulated.mean_wait_s + simulated.mean_hold_s);
            assert!((all / threads as f64 - 1.0).abs() < 0.01, "{all}");
        }
    }

    #[test]
    fn without_randomness_the_times_are_exact() {
        // One server that takes 1 s. A single thread never waits; more threads queue.
        for (threads, idle_s, ops_per_s, wait_s) in
            [(1, 3.0, 0.25, 0.0), (2, 0.25, 1.0, 0.75), (5, 1.0, 1.0, 3.0), (3, 2.0, 1.0, 0.0)]
        {
            let fleet = servers(
                threads,
                1,
                1.0,
                Idle { mean_s: idle_s, spread: Demand::Constant },
                Demand::Constant,
            );
            let simulated = simulate(&fleet, Effort { seed: 1, warm_up: 100, requests: 1_000 });
            assert!((simulated.ops_per_s - ops_per_s).abs() < 1e-2, "{threads}: {simulated:?}");
            assert!((simulated.mean_wait_s - wait_s).abs() < 1e-6, "{threads}: {simulated:?}");
        }
    }

    #[test]
    fn throughput_stays_below_the_limits_of_servers_and_threads() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..40 {
            let threads = random.usize(1..40);
            let count = random.usize(1..12);
            let idle_s = f64::from(random.u32(0..5));
            let demand = [Demand::Constant, Demand::Exponential][random.usize(..2)].clone();
            let fleet = servers(
                threads,
                count,
                1.0,
                Idle { mean_s: idle_s, spread: Demand::Constant },
                demand.clone(),
            );
            let effort = Effort { seed: 2, warm_up: 2_000, requests: 20_000 };
            let simulated = simulate(&fleet, effort);
            let limit = (count as f64).min(threads as f64 / (1.0 + idle_s));
            let slack = if demand == Demand::Constant { 1.01 } else { 1.05 };
            assert!(simulated.ops_per_s <= limit * slack, "{fleet:?}: {}", simulated.ops_per_s);
            assert!(simulated.ops_per_s >= limit * 0.5, "{fleet:?}: {}", simulated.ops_per_s);
            assert!(simulated.most_busy <= count && simulated.busy <= count as f64 + 1e-9);
        }
    }

    #[test]
    fn a_server_that_slows_down_gives_each_request_its_share() {
        // Processor sharing: 10 a second at most, for any number of threads.
        let mut fleet = servers(8, 8, 1.0, Idle::NEVER, Demand::Constant);
        fleet.capacity = Capacity::through(&[(1.0, 10.0), (8.0, 10.0)]);
        let simulated = simulate(&fleet, EFFORT);
        assert!((simulated.ops_per_s - 10.0).abs() < 1e-3, "{simulated:?}");
        assert!(
            (simulated.mean_hold_s - 0.8).abs() < 1e-3,
            "8 threads at 10 a second: {simulated:?}"
        );
        assert_eq!((simulated.waited, simulated.most_busy), (0.0, 8));
    }

    #[test]
    fn instances_share_the_server_but_not_their_pools() {
        let mut fleet = servers(4, 2, 1.0, Idle::NEVER, Demand::Exponential);
        fleet.instances = 3;
        fleet.capacity = Capacity::through(&[(6.0, 6.0)]);
        let simulated = simulate(&fleet, EFFORT);
        assert_eq!(simulated.most_busy, 6);
        assert!((simulated.ops_per_s / 6.0 - 1.0).abs() < 0.01, "{simulated:?}");
        assert!(
            (simulated.mean_wait_s - 1.0).abs() < 0.02,
            "as many wait as are served: {simulated:?}"
        );
    }

    #[test]
    fn a_thread_that_asks_again_at_once_goes_first_until_a_waiter_is_due() {
        let strict = servers(16, 2, 1e-4, Idle::NEVER, Demand::Exponential);
        let barging = Fleet { fair_after: 1e-2, ..strict.clone() };
        let (strict, barging) = (simulate(&strict, EFFORT), simulate(&barging, EFFORT));
        assert!(strict.waits.at(0.5) > Some(0) && barging.waits.at(0.5) == Some(0));
        assert!(barging.waits.at(0.99) > strict.waits.at(0.99));
        assert!((barging.ops_per_s / strict.ops_per_s - 1.0).abs() < 0.01);
        assert!((barging.mean_wait_s / strict.mean_wait_s - 1.0).abs() < 0.05, "Little's law");
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let fleet = servers(9, 2, 1.0, exponential(1.0), Demand::Exponential);
        let [one, again, other] = [11, 11, 12].map(|seed| {
            let simulated = simulate(&fleet, Effort { seed, ..EFFORT });
            (simulated.ops_per_s, simulated.mean_wait_s, simulated.waits.at(0.99))
        });
        assert_eq!(one, again);
        assert_ne!(one, other);
    }
}
