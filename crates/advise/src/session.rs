//! A whole run of `advise`: the figures, and the advice that follows from them.

use std::thread;
use std::time::Duration;

use threadwise::PoolKind;
use threadwise_bench::{Failure, Result, stamp};
use threadwise_figures::Stamp;

use crate::address::Database;
use crate::advice::Advice;
use crate::choice::{Choice, Evidence, choose};
use crate::code::{self, Settings};
use crate::explore::{Facts, explore};
use crate::fleet::plan;
use crate::knee::{Knee, Tolerance};
use crate::point::Point;
use crate::question::Question;
use crate::study::{self, ROUNDS, Study};
use crate::trust::{self, Others};
use crate::turn::Setup;
use crate::watch::Watch;

/// The server is measured with this many times the fleet's connections, to see where it saturates.
const FARTHER: usize = 4;
const DOUBTFUL: &str = "This plan rests on unreliable figures; the reasons are above.";
const NO_ORDER: &str = "The waits are those of a SharedPool. QueuePool's waiters have no order, so \
                        its p99 may be much longer.";

/// Measures, then advises.
///
/// # Errors
///
/// If the database cannot be reached, if the query fails, if it may write and writes are not
/// allowed, or if nothing could be measured. If the database stops answering in the middle, the advice
/// rests on what was measured before, and says so.
pub fn advise(question: &Question, watch: &mut dyn Watch) -> Result<Advice> {
    watch.doing("examining the database");
    let database = Database::parse(&question.db, question.allow_writes)?;
    let facts = explore(&database, &question.query)?;
    let room = facts.room;
    if let Some(room) = room.filter(|room| room.connections == 0) {
        return Err(Failure::new(format_args!("--db: no connection is left to measure: {room}")));
    }
    let alone = facts.alone;
    let mut study = Study { question, database: &database, alone, watch, lost: None };
    let cores = thread::available_parallelism().map_or(1, Into::into);
    let mut others = Others::default();
    others.look();
    let most = room.map(|room| room.connections as usize);
    let sweep = study.sweep(most.unwrap_or(usize::MAX).min(question.threads));
    others.look();
    let coarse = study::knee(&sweep, &[]).ok_or_else(|| nothing_measured(&study, &sweep))?;
    let around = study.around(&sweep, &coarse);
    let knee = study::knee(&sweep, &around).ok_or_else(|| nothing_measured(&study, &around))?;
    others.look();
    let mut size_doubts = trust::doubts(sweep.iter().chain(&around), others, cores);
    size_doubts.extend(trust::noise(knee.tolerance, "sizes"));
    if question.threads == 1 {
        size_doubts.clear(); // one thread uses one connection, so the figures do not matter
    }
    let knee_or_default = if size_doubts.is_empty() { knee.size } else { trust::DEFAULT_SIZE };
    // The room of one process, if there is a fleet.
    let most = most.map(|most| (most / question.instances.unwrap_or(1)).max(1));
    let size = knee_or_default.min(question.threads).min(most.unwrap_or(usize::MAX));
    let mut proof = study.proof(proof_setups(question, size, most));
    if study.lost.is_some() && !proof.first().is_some_and(Point::is_shared) {
        let measured = sweep.iter().chain(&around).filter(|point| point.is_sound());
        proof = nearest(measured, size).into_iter().cloned().collect();
    }
    let size = proof.first().map_or(size, |shared| shared.setup.size);
    others.look();
    let mut doubts = size_doubts.clone();
    doubts.extend(study.lost.as_ref().map(ended_early));
    let of_pools = trust::doubts(proof.iter(), others, cores).into_iter();
    let of_pools = of_pools.chain(trust::noise(Tolerance::of(&proof), "pools"));
    doubts.extend(of_pools.filter(|doubt| !size_doubts.contains(doubt)).collect::<Vec<_>>());

    let session = Session {
        question,
        database: &database,
        facts,
        most,
        knee,
        sweep,
        around,
        proof,
        others,
        size_doubts,
        doubts,
        lost: study.lost.clone(),
    };
    session.conclude(&mut study, size)
}

/// The measured size that is nearest below this one, or the smallest.
fn nearest<'p>(measured: impl Iterator<Item = &'p Point>, size: usize) -> Option<&'p Point> {
    measured.min_by_key(|point| {
        let its = point.setup.size;
        if its <= size { size - its } else { its }
    })
}

fn ended_early(why: &Failure) -> String {
    format!("The database stopped answering, so the figures are from before that ({why}).")
}

fn nothing_measured(study: &Study<'_>, points: &[Point]) -> Failure {
    let failures =
        points.iter().filter_map(|it| it.refused.as_ref().or(it.sum.first_error.as_ref()));
    let first = study.lost.iter().chain(failures).map(ToString::to_string).next();
    let first = first.unwrap_or_else(|| "no query was answered: give more --seconds".into());
    Failure::new(format_args!("nothing could be measured: {first}"))
}

/// `SharedPool` of this size, and the other pools if they make sense.
fn proof_setups(question: &Question, size: usize, most: Option<usize>) -> Vec<Setup> {
    let threads = question.threads;
    let mut setups = vec![Setup { kind: PoolKind::Shared, size }];
    if threads > 1 {
        setups.push(Setup { kind: PoolKind::Queue, size });
    }
    if threads > 1 && !question.come_and_go && most.is_none_or(|most| threads <= most) {
        setups.push(Setup { kind: PoolKind::Persistent, size: threads });
    }
    setups
}

/// All figures of a run.
pub(crate) struct Session<'s> {
    pub(crate) question: &'s Question,
    pub(crate) database: &'s Database,
    pub(crate) facts: Facts,
    /// How many connections one process may have.
    pub(crate) most: Option<usize>,
    pub(crate) knee: Knee,
    pub(crate) sweep: Vec<Point>,
    pub(crate) around: Vec<Point>,
    pub(crate) proof: Vec<Point>,
    /// How much processor time other programs used.
    pub(crate) others: Others,
    /// Why the figures of the sizes are unreliable; empty if they are reliable.
    pub(crate) size_doubts: Vec<String>,
    /// The same, and why the figures of the pools are unreliable.
    pub(crate) doubts: Vec<String>,
    /// Why the database stopped answering before the end of the proof.
    pub(crate) lost: Option<Failure>,
}

impl Session<'_> {
    /// Assembles the advice. Simulates the fleet if the question has one.
    fn conclude(&self, study: &mut Study<'_>, size: usize) -> Result<Advice> {
        let shared = self.proof.first().filter(|point| point.is_sound());
        let Some(shared) = shared else { return Err(nothing_measured(study, &self.proof)) };
        let Choice { model, reasons } = self.choose();
        let expected = self.of(model).unwrap_or(shared);
        let Stamp { machine, commit, date, .. } = stamp::this_run();
        let p99 = Duration::from_nanos(expected.sum.waits.at(0.99).unwrap_or(0));
        let get_timeout = code::get_timeout(p99);
        let kind = self.database.kind();
        let wal = self.facts.is_wal;
        let code = code::render(&Settings { setup: expected.setup, kind, wal, get_timeout });
        let mut cautions = self.cautions(&machine, expected);
        let mut doubts = self.doubts.clone();
        if self.question.threads == 1 {
            cautions.append(&mut doubts); // there is no other pool and no other size to choose
        }
        let capacity = self.capacity(study, expected);
        let basis = self.basis(&capacity, expected);
        let fleet = basis.as_ref().zip(self.question.instances).map(|(basis, instances)| {
            study.watch.doing("simulating the fleet");
            let mut plan = plan::plan(basis, instances, expected.setup.size);
            if !doubts.is_empty() {
                plan.advice.insert(0, DOUBTFUL.into());
            }
            if model == PoolKind::Queue {
                plan.advice.push(NO_ORDER.into());
            }
            plan
        });
        let verified = match &basis {
            Some(basis) => self.verify(study, basis, (&capacity, expected))?,
            None => None,
        };
        if let (None, Some(why)) = (&self.lost, &study.lost) {
            cautions.push(ended_early(why)); // during the measurements for the fleet
        }
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
            room: self.facts.room,
            rounds: ROUNDS,
            sweep: figures(&self.sweep),
            around: figures(&self.around),
            proof: figures(&self.proof),
            capacity: figures(&capacity),
            tolerance: self.knee.tolerance.part,
            noise: self.knee.tolerance.noise,
            knee: self.knee.size,
            others_processors: self.others.most,
            database_lost: study.lost.as_ref().map(ToString::to_string),
            doubts,
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

    /// Measures the server with up to [`FARTHER`] times the connections of the fleet, or as many as
    /// it has room for.
    fn capacity(&self, study: &mut Study<'_>, advised: &Point) -> Vec<Point> {
        let Some(instances) = self.question.instances else { return Vec::new() };
        let room = self.facts.room.map_or(usize::MAX, |room| room.connections as usize);
        study.capacity(advised, (FARTHER * instances * advised.setup.size).min(room))
    }

    /// The proof's figures of a pool; `None` if it failed or was not measured.
    pub(crate) fn of(&self, model: PoolKind) -> Option<&Point> {
        self.proof.iter().find(|point| point.setup.kind == model && point.is_sound())
    }

    fn choose(&self) -> Choice {
        choose(&Evidence {
            threads: self.question.threads,
            come_and_go: self.question.come_and_go,
            most: self.most,
            shared: &self.proof[0],
            queue: self.of(PoolKind::Queue).filter(|point| point.impossible().is_none()),
            persistent: self.of(PoolKind::Persistent).filter(|point| point.impossible().is_none()),
            tolerance: Tolerance::of(&self.proof),
            is_doubtful: !self.doubts.is_empty(),
        })
    }
}
