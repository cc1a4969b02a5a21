//! All figures of a run of `advise`, and the advice that follows from them.

use std::time::Duration;

use threadwise::PoolKind;
use threadwise_figures::Stamp;

use super::advice::{Advice, Room};
use super::choose::{Choice, Evidence, choose};
use super::code::{self, Settings};
use super::database::{Database, Facts};
use super::knee::{Knee, Tolerance};
use super::point::Point;
use super::study::{ROUNDS, Study};
use super::trust::{Others, impossible};
use super::{Question, Watch, nothing_measured};
use crate::fleet::plan;
use crate::{Failure, stamp};

/// The server is measured with this many times the fleet's connections, to see where it saturates.
const FARTHER: usize = 4;
const DOUBTFUL: &str = "This plan rests on unreliable figures; the reasons are above.";
const NO_ORDER: &str = "The waits are those of a SharedPool. QueuePool's waiters have no order, so \
                        its p99 may be much longer.";

/// All figures of a run.
pub(super) struct Session<'s> {
    pub(super) question: &'s Question,
    pub(super) database: &'s Database,
    pub(super) facts: Facts,
    pub(super) room: Option<Room>,
    /// How many connections one process may have.
    pub(super) most: Option<usize>,
    pub(super) knee: Knee,
    pub(super) curve: Vec<Point>,
    pub(super) around: Vec<Point>,
    pub(super) proof: Vec<Point>,
    /// What other programs used of the processors.
    pub(super) others: Others,
    /// Why the figures of the sizes are unreliable; empty if they are reliable.
    pub(super) size_doubts: Vec<String>,
    /// The same, and why the figures of the pools are unreliable.
    pub(super) doubts: Vec<String>,
}

impl Session<'_> {
    /// Assembles the advice. Simulates the fleet if the question has one.
    pub(super) fn conclude(
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
        let Stamp { machine, commit, date, .. } = stamp::this_run();
        let p99 = Duration::from_nanos(expected.sum().waits.at(0.99).unwrap_or(0));
        let get_timeout = code::get_timeout(p99);
        let kind = self.database.kind();
        let wal = self.facts.is_wal;
        let code = code::render(&Settings { setup: expected.setup, kind, wal, get_timeout });
        let mut cautions = self.cautions(&machine, expected);
        let mut doubts = self.doubts.clone();
        if self.question.threads == 1 {
            cautions.append(&mut doubts); // there is no other pool and no other size to choose
        }
        let capacity = self.capacity(study, expected, watch);
        let basis = self.basis(&capacity, expected);
        let fleet = basis.as_ref().zip(self.question.instances).map(|(basis, instances)| {
            watch.doing("simulating the fleet");
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
            Some(basis) => self.verify(study, basis, (&capacity, expected), watch)?,
            None => None,
        };
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
            capacity: figures(&capacity),
            tolerance: self.knee.tolerance.part,
            noise: self.knee.tolerance.noise,
            knee: self.knee.size,
            others_processors: self.others.processors(),
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
    fn capacity(&self, study: &Study<'_>, advised: &Point, watch: &mut dyn Watch) -> Vec<Point> {
        let Some(instances) = self.question.instances else { return Vec::new() };
        let room = self.room.map_or(usize::MAX, |room| room.connections as usize);
        study.capacity(advised, (FARTHER * instances * advised.setup.size).min(room), watch)
    }

    /// The proof's figures of a pool; `None` if it failed or was not measured.
    pub(super) fn of(&self, model: PoolKind) -> Option<&Point> {
        self.proof.iter().find(|point| point.setup.kind == model && point.is_sound())
    }

    fn choose(&self) -> Choice {
        choose(&Evidence {
            threads: self.question.threads,
            come_and_go: self.question.come_and_go,
            most: self.most,
            shared: &self.proof[0],
            queue: self.of(PoolKind::Queue).filter(|point| impossible(point).is_none()),
            persistent: self.of(PoolKind::Persistent).filter(|point| impossible(point).is_none()),
            tolerance: Tolerance::of_all(&self.proof),
            is_doubtful: !self.doubts.is_empty(),
        })
    }
}
