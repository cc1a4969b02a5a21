//! Advice on a pool, from what was measured on the user's own database with the user's own query.
//!
//! | file | holds |
//! |---|---|
//! | [`database`] | where it is, what it takes, connections that can only read |
//! | `reads` | whether a query's text can only read |
//! | [`turn`] | one pool at work for a while |
//! | `study` | which setups are measured, in which order, for how long |
//! | [`point`] | what was measured of one setup |
//! | `knee` | the smallest size that does as well as the best |
//! | `choose` | which pool, and why |
//! | [`code`] | the advice as Rust code |
//! | [`advice`] | all of it, as it is written to a file |
//! | [`text`] | the same for people |
//!
//! `docs/advise.md` shows an output and says how each number comes about.

pub mod advice;
pub mod code;
pub mod database;
pub mod point;
pub mod text;
pub mod turn;

mod choose;
mod knee;
mod reads;
mod study;

use std::path::PathBuf;
use std::time::Duration;

use self::advice::{Advice, Comparison, Room, Verified};
use self::choose::{Choice, Evidence, choose};
use self::code::Settings;
use self::database::{Database, Facts, Kind, Limits};
use self::knee::{Knee, Tolerance, ratio};
use self::point::Point;
use self::study::{ROUNDS, Study};
use self::turn::{Model, Setup};
use crate::Failure;
use crate::fleet::capacity::{Capacity, Demand};
use crate::fleet::plan::{self, Basis};
use crate::fleet::processes::{self, Observed, Task};
use crate::machine::Machine;
use crate::measure::median;
use crate::report::Report;
use crate::units::{count, duration};

/// `SharedPool`'s own setting.
const FAIR_AFTER_S: f64 = 1e-3;
/// No more real processes are started than this.
const MOST_PROCESSES: usize = 8;
const VERIFYING_ROUNDS: usize = 3;
/// A program that uses so much of the processors is what limits the figures.
const BUSY: f64 = 0.85;

/// What is asked.
#[derive(Clone)]
pub struct Question {
    /// As on the command line: a URL of MySQL or a path of SQLite. May hold a password.
    pub db: String,
    /// What the threads ask the database.
    pub query: String,
    /// How many threads.
    pub threads: usize,
    /// How long each is idle between two uses.
    pub think: Duration,
    /// How long measuring may take.
    pub time: Duration,
    /// Whether threads end and others begin.
    pub come_and_go: bool,
    /// Whether the query may write.
    pub allow_writes: bool,
    /// How many processes like this one there are to be.
    pub instances: Option<usize>,
    /// Which program to start to compare the fleet with real processes; `None` for no comparison.
    pub verify_by: Option<PathBuf>,
    /// For the simulation.
    pub seed: u64,
}

/// Who is told how far it is.
pub trait Watch {
    /// A stage begins that has so many turns and takes about so long.
    fn begin(&mut self, turns: usize, estimate: Duration);
    /// The next setup has its turn.
    fn turn(&mut self, setup: Setup);
    /// Something else takes a while.
    fn doing(&mut self, what: &str);
}

/// Measures, and advises.
///
/// # Errors
///
/// When the database cannot be reached, the query fails or may write though it must not, or nothing
/// could be measured.
pub fn advise(question: &Question, watch: &mut dyn Watch) -> Result<Advice, Failure> {
    watch.doing("looking at the database");
    let database = Database::parse(&question.db, question.allow_writes)?;
    let facts = database.explore(&question.query)?;
    let room = facts.limits.map(Room::of);
    if let Some(room) = room.filter(|room| room.connections == 0) {
        return Err(Failure::new(format_args!("--db: no connection is left to measure: {room}")));
    }
    let study = Study {
        database: &database,
        query: &question.query,
        threads: question.threads,
        think: question.think,
        time: question.time,
        alone: facts.alone,
    };
    let most = room.map(|room| room.connections as usize);
    let curve = study.curve(most.unwrap_or(usize::MAX).min(question.threads), watch);
    let coarse = study::knee(&curve, &[]).ok_or_else(|| nothing_measured(&curve))?;
    let around = study.around(&curve, &coarse, watch);
    let knee = study::knee(&curve, &around).ok_or_else(|| nothing_measured(&around))?;
    let fits = most.zip(question.instances).map(|(most, instances)| (most / instances).max(1));
    let size = knee.size.min(fits.unwrap_or(knee.size));
    let proof = study.proof(proof_setups(question, size, most), watch);

    let session =
        Session { question, database: &database, facts, room, knee, curve, around, proof };
    session.conclude(&study, size, watch)
}

fn nothing_measured(points: &[Point]) -> Failure {
    let failures = points.iter().filter_map(|it| it.refused.as_ref().or(it.first_error.as_ref()));
    let first = failures.map(ToString::to_string).next();
    let first = first.unwrap_or_else(|| "no query was answered: give it more --seconds".into());
    Failure::new(format_args!("nothing could be measured: {first}"))
}

/// `SharedPool` of that size, and the others where they make sense.
fn proof_setups(question: &Question, size: usize, most: Option<usize>) -> Vec<Setup> {
    let threads = question.threads;
    let mut setups = vec![Setup { model: Model::Shared, size }];
    if threads > 1 {
        setups.push(Setup { model: Model::Queue, size });
    }
    if threads > 1 && !question.come_and_go && most.is_none_or(|most| threads <= most) {
        setups.push(Setup { model: Model::Persistent, size: threads });
    }
    setups
}

/// All that was measured.
struct Session<'s> {
    question: &'s Question,
    database: &'s Database,
    facts: Facts,
    room: Option<Room>,
    knee: Knee,
    curve: Vec<Point>,
    around: Vec<Point>,
    proof: Vec<Point>,
}

impl Session<'_> {
    fn conclude(
        &self,
        study: &Study<'_>,
        size: usize,
        watch: &mut dyn Watch,
    ) -> Result<Advice, Failure> {
        let shared = &self.proof[0];
        if !shared.is_sound() {
            return Err(nothing_measured(&self.proof));
        }
        let Choice { model, reasons } = self.choose();
        let expected = self.of(model).unwrap_or(shared);
        let Report { machine, commit, date, .. } = Report::new(vec![], vec![], vec![]);
        let p99 = Duration::from_nanos(expected.waits().at(0.99).unwrap_or(0));
        let get_timeout = code::get_timeout(p99);
        let kind = self.database.kind();
        let code = code::render(&Settings { setup: expected.setup, kind, get_timeout });
        let cautions = self.cautions(&machine, expected);
        let basis = self.basis();
        let fleet = self.question.instances.map(|instances| {
            watch.doing("playing the fleet");
            plan::plan(&basis, instances, expected.setup.size)
        });
        let verified = self.verify(study, &basis, expected.setup, watch)?;
        let figures = |points: &[Point]| points.iter().map(Point::figures_for_file).collect();
        Ok(Advice {
            machine,
            commit,
            date,
            database: self.facts.about.clone(),
            on_this_machine: self.facts.on_this_machine,
            query: self.question.query.clone(),
            read_only: !self.question.allow_writes,
            rows: self.facts.rows,
            alone_ns: self.facts.alone.as_nanos() as f64,
            threads: self.question.threads,
            think_ns: self.question.think.as_nanos() as f64,
            threads_come_and_go: self.question.come_and_go,
            room: self.room,
            rounds: ROUNDS,
            curve: figures(&self.curve),
            around: figures(&self.around),
            proof: figures(&self.proof),
            tolerance: self.knee.tolerance.part,
            noise: self.knee.tolerance.noise,
            knee: self.knee.size,
            pool: model.name().into(),
            size: expected.setup.size,
            reasons,
            size_reasons: self.size_reasons(size, model),
            get_timeout_s: get_timeout.as_secs(),
            expected: expected.figures_for_file(),
            code,
            cautions,
            fleet,
            verified,
        })
    }

    fn of(&self, model: Model) -> Option<&Point> {
        self.proof.iter().find(|point| point.setup.model == model && point.is_sound())
    }

    fn choose(&self) -> Choice {
        choose(&Evidence {
            threads: self.question.threads,
            come_and_go: self.question.come_and_go,
            most: self.room.map(|room| room.connections as usize),
            shared: &self.proof[0],
            queue: self.of(Model::Queue),
            persistent: self.of(Model::Persistent),
            tolerance: Tolerance::of(&self.proof.iter().collect::<Vec<_>>()),
        })
    }

    fn size_reasons(&self, size: usize, model: Model) -> Vec<String> {
        let mut reasons = Vec::new();
        if model == Model::Persistent {
            reasons.push(format!(
                "{} connections, one for each thread.{}",
                self.question.threads,
                if size < self.question.threads {
                    format!(" (SharedPool would do with {size}.)")
                } else {
                    String::new()
                }
            ));
        }
        reasons.extend(self.knee_reasons());
        if size < self.knee.size {
            let instances = self.question.instances.unwrap_or(1);
            let room = self.room.map_or(0, |room| room.connections);
            let share = self.fine_or_coarse(size).zip(self.fine_or_coarse(self.knee.size));
            let share = share.map(|(one, other)| 100.0 * one.ops_per_s() / other.ops_per_s());
            let share =
                share.map_or_else(String::new, |it| format!(" (it does {it:.0} % of that)"));
            reasons.push(format!(
                "But {instances} instances have to share {room} connections, so {size} for each{share}."
            ));
        }
        let expected = self.of(model).unwrap_or(&self.proof[0]);
        reasons.push(format!(
            "Little's law: {} operations a second × {} for which each holds a connection = {:.1} \
             connections in use on average.",
            count(expected.mean_ops_per_s()),
            duration(expected.mean_hold_s() * 1e9),
            expected.in_use()
        ));
        reasons.push(match self.room {
            Some(room) => format!("The server: {room}."),
            None => "No server limits the number of connections.".into(),
        });
        reasons
    }

    fn knee_reasons(&self) -> Vec<String> {
        let Knee { size, best, tolerance, is_flat, still_rises, .. } = self.knee;
        let part = 100.0 * tolerance.part;
        let all: Vec<_> = self.curve.iter().filter(|point| point.is_sound()).collect();
        let largest = all.last().map_or(size, |point| point.setup.size);
        let mut reasons = Vec::new();
        if is_flat {
            reasons.push(format!(
                "The curve is flat: from {size} to {largest} connections the throughput differs by no \
                 more than {part:.0} %, which cannot be told from noise here or is not worth more \
                 connections."
            ));
            return reasons;
        }
        if all.len() == 1 {
            return vec!["One thread uses one connection at a time.".into()];
        }
        let below = self.finer_below(size);
        let below = below.map_or_else(String::new, |(below, share)| {
            format!("; {below} would do {:.0} %", 100.0 * share)
        });
        reasons.push(if size == best {
            format!("The knee: no size does more than {size} connections{below}.")
        } else {
            format!(
                "The knee: {size} connections are the fewest that do as well, within {part:.0} %, as the \
                 best size, {best}: {:.0} % of it{below}.",
                100.0 * self.knee.share
            )
        });
        if still_rises && size == largest {
            let limit = if largest >= self.question.threads {
                "more connections than threads are of no use"
            } else {
                "more could not be tried"
            };
            reasons.push(format!("The curve still rises at its end; {limit}."));
        }
        if tolerance.is_exceeded() {
            reasons.push(format!(
                "The rounds lie so far apart that differences of up to {:.0} % may be noise: measure \
                 again with more --seconds, on a machine that does nothing else.",
                100.0 * tolerance.noise
            ));
        }
        reasons
    }

    /// The largest size below this one that was measured beside it, and its share of the throughput.
    fn finer_below(&self, size: usize) -> Option<(usize, f64)> {
        let stage = if self.around.is_empty() { &self.curve } else { &self.around };
        let at = stage.iter().find(|point| point.setup.size == size)?;
        let sizes = stage.iter().filter(|point| point.setup.size < size && point.is_sound());
        let below = sizes.max_by_key(|point| point.setup.size)?;
        Some((below.setup.size, ratio(below, at)))
    }

    fn fine_or_coarse(&self, size: usize) -> Option<&Point> {
        let points = self.proof.iter().chain(&self.around).chain(&self.curve);
        points.into_iter().find(|it| it.setup == Setup { model: Model::Shared, size })
    }

    fn cautions(&self, machine: &Machine, expected: &Point) -> Vec<String> {
        let mut cautions = Vec::new();
        let busy = expected.processors().filter(|used| *used >= BUSY * machine.cores as f64);
        if self.facts.on_this_machine {
            cautions.push(format!(
                "The database runs on this machine, so it and the threads take the {} processors from \
                 each other. With the database elsewhere, queries take longer to travel, and the knee \
                 lies further to the right.",
                machine.cores
            ));
        } else if let Some(used) = busy {
            cautions.push(format!(
                "This program used {used:.1} of this machine's {} processors, so it may be what limits \
                 the figures, and not the server.",
                machine.cores
            ));
        }
        cautions.push(
            "Each thread asks the same text again and again, so what it reads is in the server's \
             memory. Queries that read from disk take longer, and want more connections."
                .into(),
        );
        if self.question.think.is_zero() && self.question.threads > 1 {
            cautions.push(
                "The threads are never idle, which is the hardest load. If yours do something else \
                 between two uses, say for how long: --think-ms."
                    .into(),
            );
        }
        let resets = expected.resets_per_op();
        if resets > 0.01 && !self.question.allow_writes && self.database.kind() == Kind::Mysql {
            cautions.push(format!(
                "The query changes the session, or cannot be seen not to, so the pool resets it: {resets:.2} \
                 times for each use. To keep it read-only takes a round trip more each time, which your \
                 program does not pay."
            ));
        }
        cautions.extend(self.facts.remarks.iter().map(|remark| format!("{remark}.")));
        let all = self.curve.iter().chain(&self.around).chain(&self.proof);
        for point in all.filter(|point| !point.is_sound()) {
            let Setup { model, size } = point.setup;
            let failure = point.refused.as_ref().or(point.first_error.as_ref());
            let failure =
                failure.map_or_else(|| "no query was answered".into(), |it| it.to_string());
            cautions.push(format!("{} with {size} left out: {failure}.", model.pool()));
        }
        cautions
    }

    fn basis(&self) -> Basis {
        let shared = &self.proof[0];
        let stages = [&self.curve, &self.around, &self.proof];
        let points: Vec<_> = stages.into_iter().flat_map(|stage| self.rates(stage)).collect();
        Basis {
            threads: self.question.threads,
            idle_s: if self.question.think.is_zero() { 0.0 } else { shared.mean_idle_s() },
            fair_after: FAIR_AFTER_S,
            capacity: Capacity::through(&points),
            demand: Demand::like(shared.holds()),
            room: self.room.map(|room| room.connections),
            seed: self.question.seed,
        }
    }

    /// Busy connections and throughput of a stage's points, as if all had been measured with the
    /// proof: a machine is not as fast at all times. What was measured in both tells how fast it was.
    fn rates(&self, stage: &[Point]) -> Vec<(f64, f64)> {
        let proof = &self.proof[0];
        let same = stage.iter().find(|it| it.setup == proof.setup && it.is_sound());
        let times = same.map_or(1.0, |same| proof.ops_per_s() / same.ops_per_s());
        let sound = stage.iter().filter(|it| it.is_sound() && it.setup.model != Model::Queue);
        sound.map(|point| (busy(point), times * point.ops_per_s())).collect()
    }

    /// Fleets of a few real processes, in turns, beside what was predicted of them. One of the turns
    /// is this process's own, as in the proof: it tells how fast the machine is now.
    fn verify(
        &self,
        study: &Study<'_>,
        basis: &Basis,
        setup: Setup,
        watch: &mut dyn Watch,
    ) -> Result<Option<Verified>, Failure> {
        let (Some(program), Some(instances)) = (&self.question.verify_by, self.question.instances)
        else {
            return Ok(None);
        };
        let room = self.room.map_or(u64::MAX, |room| room.connections);
        let doubled = (0..).map(|power| 1_usize << power).take_while(|it| *it < instances);
        let fits = |it: &usize| *it <= MOST_PROCESSES && (it * setup.size) as u64 <= room;
        let numbers: Vec<_> = doubled.chain([instances]).filter(fits).collect();
        let turns = (numbers.len() + 1) * VERIFYING_ROUNDS;
        let load = study.load(self.question.time.div_f64(turns.max(1) as f64));
        let task = Task {
            db: self.question.db.clone(),
            allow_writes: self.question.allow_writes,
            query: self.question.query.clone(),
            setup,
            load,
        };
        let mut seen: Vec<Vec<Observed>> = vec![Vec::new(); numbers.len()];
        let mut here = Vec::new();
        for round in 0..VERIFYING_ROUNDS {
            let own = turn::build(self.database, setup, &self.question.query)?.run(load)?;
            here.push(own.ops_per_s());
            for step in 0..numbers.len() {
                let which = (round + step) % numbers.len();
                watch.doing(&format!("{} real processes", numbers[which]));
                seen[which].push(processes::observe(program, &task, numbers[which])?);
            }
        }
        let expected = self.of(setup.model).unwrap_or(&self.proof[0]).ops_per_s();
        let drift = median(&here) / expected;
        let now = Basis { capacity: basis.capacity.scaled(drift), ..basis.clone() };
        let compared = numbers.iter().zip(&seen).map(|(&instances, seen)| {
            Comparison::of(now.predict(instances, setup.size), &middle(seen))
        });
        Ok(Some(Verified { drift, comparisons: compared.collect() }))
    }
}

/// The medians of some rounds.
fn middle(rounds: &[Observed]) -> Observed {
    let of = |figure: fn(&Observed) -> f64| median(rounds.iter().map(figure).collect());
    Observed {
        instances: rounds.first().map_or(0, |it| it.instances),
        ops_per_s: of(|it| it.ops_per_s),
        wait_mean_ns: of(|it| it.wait_mean_ns),
        wait_p50_ns: of(|it| it.wait_p50_ns as f64) as u64,
        wait_p99_ns: of(|it| it.wait_p99_ns as f64) as u64,
    }
}

/// Connections that are busy on average, for the simulation: in use, or on their way from one thread
/// to the next. While threads wait all that are open are one or the other.
fn busy(point: &Point) -> f64 {
    let open = point.open() as f64;
    let in_use = point.in_use().min(open);
    in_use + (open - in_use) * point.waiting().min(1.0)
}

impl Room {
    /// What the server takes, less what others have, less a reserve.
    fn of(limits: Limits) -> Self {
        // For administrators and migrations, and what others may open later.
        let reserve = (limits.server / 20).max(2);
        let free = limits.server.saturating_sub(limits.others + reserve);
        let connections = limits.account.map_or(free, |account| free.min(account));
        Self {
            max_connections: limits.server,
            account_limit: limits.account,
            others: limits.others,
            reserve,
            connections,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_what_others_and_a_reserve_leave() {
        let limits = Limits { server: 151, account: None, others: 20 };
        let room = Room::of(limits);
        assert_eq!((room.reserve, room.connections), (7, 124));
        let room = Room::of(Limits { account: Some(30), ..limits });
        assert_eq!(room.connections, 30);
        let room = Room::of(Limits { server: 10, account: None, others: 9 });
        assert_eq!(room.connections, 0);
    }
}
