//! Fleets that are simulated from the figures, and real fleets to compare.

use threadwise_bench::Result;
use threadwise_figures::median;

use crate::advice::{Comparison, Verified};
use crate::explore;
use crate::fleet::capacity::{Capacity, Demand};
use crate::fleet::plan::{Basis, doubled_to};
use crate::fleet::processes::{self, Observed, Task};
use crate::fleet::simulate::{Fleet, Idle};
use crate::point::Point;
use crate::session::Session;
use crate::study::Study;

/// The default of `SharedPool`.
const FAIR_AFTER_S: f64 = 1e-3;
/// At most so many real processes are started.
const MOST_PROCESSES: usize = 8;
/// Many short rounds, because other load on the machine comes and goes.
const VERIFYING_ROUNDS: usize = 9;

impl Session<'_> {
    /// What all fleets of this program have in common.
    pub(crate) fn basis(&self, capacity: &[Point], advised: &Point) -> Option<Basis> {
        let sound = capacity.iter().filter(|point| point.is_sound() && point.in_use() > 0.0);
        let rates: Vec<_> = sound.map(|point| (busy(point), point.ops_per_s())).collect();
        if rates.is_empty() {
            return None;
        }
        let alone = Fleet {
            instances: 1,
            threads: self.question.threads,
            max_size: advised.setup.size,
            idle: if self.question.think.is_zero() { Idle::NEVER } else { advised.idle() },
            fair_after: FAIR_AFTER_S,
            capacity: Capacity::through(&rates),
            demand: Demand::like(&advised.sum.uses.holds),
        };
        let room = self.facts.room.map(|room| room.connections);
        Some(Basis { alone, room, seed: self.question.seed })
    }

    /// Compares real fleets with their predictions, unless the database stops answering.
    pub(crate) fn verify(
        &self,
        study: &mut Study<'_>,
        basis: &Basis,
        points: (&[Point], &Point),
    ) -> Result<Option<Verified>> {
        if study.lost.is_some() {
            return Ok(None);
        }
        let verified = self.run_fleets(study, basis, points);
        if verified.is_err() && study.lost.is_none() {
            study.lost = explore::answers(self.database).err();
        }
        if study.lost.is_some() { Ok(None) } else { verified }
    }

    /// Runs fleets of a few real processes in turns, and compares them with their predictions. One
    /// turn of each round is this process's own, with the setup of the highest throughput: it shows
    /// how fast the server is now.
    fn run_fleets(
        &self,
        study: &mut Study<'_>,
        basis: &Basis,
        (capacity, advised): (&[Point], &Point),
    ) -> Result<Option<Verified>> {
        let (Some(program), Some(instances)) = (&self.question.verify_by, self.question.instances)
        else {
            return Ok(None);
        };
        let setup = advised.setup;
        let room = self.facts.room.map_or(u64::MAX, |room| room.connections);
        let fits = |it: &usize| *it <= MOST_PROCESSES && (it * setup.size) as u64 <= room;
        let numbers: Vec<_> = doubled_to(instances).filter(fits).collect();
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
        let sound = capacity.iter().filter(|point| point.is_sound());
        let best = sound.max_by(|a, b| a.ops_per_s().total_cmp(&b.ops_per_s())).unwrap_or(advised);
        for round in 0..VERIFYING_ROUNDS {
            let own = study.capacity_turn(best.setup.size, advised, load)?;
            here.push(own.ops_per_s());
            for step in 0..numbers.len() {
                let which = (round + step) % numbers.len();
                study.watch.doing(&format!("{} real processes", numbers[which]));
                seen[which].push(processes::observe(program, &task, numbers[which])?);
            }
        }
        let predict = |ops_per_s: f64, instances| {
            let mut now = basis.clone();
            now.alone.capacity = now.alone.capacity.scaled(ops_per_s / best.ops_per_s());
            now.predict(instances, setup.size)
        };
        let known: Vec<_> = here.iter().copied().filter(|now| *now > 0.0).collect();
        let speed = if known.is_empty() { best.ops_per_s() } else { median(&known) };
        // Each round is compared with the prediction for the server's speed in that round.
        let compared = numbers.iter().zip(&seen).map(|(&instances, seen)| {
            // If a busy machine let no query through in a round, its speed is not known.
            let rounds = here.iter().zip(seen).filter(|(now, _)| **now > 0.0);
            let rounds: Vec<_> =
                rounds.map(|(&now, seen)| (predict(now, instances), seen)).collect();
            Comparison::of(predict(speed, instances), &middle(seen), &rounds)
        });
        let drift = speed / best.ops_per_s();
        Ok(Some(Verified { drift, comparisons: compared.collect() }))
    }
}

/// The medians of the rounds.
fn middle(rounds: &[Observed]) -> Observed {
    let of = |figure: fn(&Observed) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
    Observed {
        instances: rounds.first().map_or(0, |it| it.instances),
        ops_per_s: of(|it| it.ops_per_s),
        wait_mean_ns: of(|it| it.wait_mean_ns),
        wait_p50_ns: of(|it| it.wait_p50_ns as f64) as u64,
        wait_p99_ns: of(|it| it.wait_p99_ns as f64) as u64,
    }
}

/// Connections that are busy on average, for the simulation: in use, or in a handoff. While threads
/// wait, every open connection is one or the other.
fn busy(point: &Point) -> f64 {
    let open = point.sum.open as f64;
    let in_use = point.in_use().min(open);
    in_use + (open - in_use) * point.waiting().min(1.0)
}
