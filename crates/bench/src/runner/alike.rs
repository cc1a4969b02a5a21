//! Threads that all do the same: each makes one operation after another.

use std::sync::Arc;

use super::drive::{Drive, Job};
use super::operate::{operate, pass_gate};
use super::threads::{Runner, Station};
use crate::contender::Contender;
use crate::measure::Sample;
use crate::opened::Opened;
use crate::operation::Operate;
use crate::{Failure, Queries, Rng};

/// The workload's threads, each of which makes one operation after another.
#[derive(Clone, Copy, Debug)]
pub struct Alike;

impl Drive for Alike {
    fn start<C, O>(self, contender: C, job: Job<O>, opened: Opened) -> Result<Runner, Failure>
    where
        C: Contender<Connection: Queries>,
        O: Operate,
    {
        let contender = Arc::new(contender);
        let (threads, order) = (job.workload.threads, job.workload.order);
        Runner::start(threads, order, opened, move |station: Station| {
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
