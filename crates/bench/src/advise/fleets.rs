//! From what was measured to fleets: simulated ones, and real ones to compare.

use super::Watch;
use super::advice::{Comparison, Verified};
use super::point::Point;
use super::session::Session;
use super::study::Study;
use super::turn::{self, Model, Setup};
use crate::Failure;
use crate::fleet::capacity::{Capacity, Demand};
use crate::fleet::plan::Basis;
use crate::fleet::processes::{self, Observed, Task};
use crate::measure::median;

/// `SharedPool`'s own setting.
const FAIR_AFTER_S: f64 = 1e-3;
/// No more real processes are started than this.
const MOST_PROCESSES: usize = 8;
const VERIFYING_ROUNDS: usize = 3;

impl Session<'_> {
    /// What all fleets of this program have in common.
    pub(super) fn basis(&self) -> Basis {
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
    pub(super) fn verify(
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
        let drift = median(here) / expected;
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
