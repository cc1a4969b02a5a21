//! Threads that all do the same: each makes one operation after another.

use std::sync::Arc;

use super::drive::{Drive, Job};
use super::operate::{operate, pass_gate};
use super::threads::{Runner, Station};
use crate::contender::Queried;
use crate::measure::Sample;
use crate::operation::Operate;
use crate::{Result, Rng};

/// The workload's threads, each of which makes one operation after another.
#[derive(Clone, Copy, Debug)]
pub struct Alike;

impl Drive for Alike {
    fn start<C: Queried, O: Operate>(self, contender: C, job: Job<O>) -> Result<Runner> {
        let contender = Arc::new(contender);
        let (workload, opened) = (job.workload, job.opened.clone());
        Runner::start(&workload, opened, move |station: Station| {
            let mut rng = Rng::with_seed(station.number as u64);
            station.serve(contender.worker(), |worker, turn| {
                let mut sample = Sample::begin();
                if let Some(gate) = turn.gate {
                    pass_gate(worker, &job, &mut rng, gate, &mut sample);
                }
                vec![operate(worker, &job, &mut rng, turn, sample)]
            });
        })
    }
}
