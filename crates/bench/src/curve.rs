//! The curve: the same work by more and more threads on the same few connections, so that it is seen
//! what each additional thread costs.
//!
//! It is no workload but a row of them, too many for a table each. So it has a list of its own in the
//! report, one table for each backend, and two plots.

use std::time::Duration;

use crate::backend::{Backend, Environment};
use crate::compare::{Plan, Watch, contend};
use crate::hold::Hold;
use crate::pool_kind::PoolKind;
use crate::report::Measurement;
use crate::workload::Workload;
use crate::{Failure, Queries, Rng, queries::ROWS};

/// The name in reports and on the command line.
pub const NAME: &str = "curve";
/// What question it asks, in one line.
pub const ABOUT: &str =
    "what becomes of throughput and waits as 1, 2, 4 … 256 threads share 8 connections?";
/// How many threads.
pub const THREADS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// How many connections.
pub const SIZE: usize = 8;
/// Turns are shorter than those of workloads, since there are so many.
const SHORTER: u32 = 5;

/// So many threads on [`SIZE`] connections.
#[derive(Clone, Copy, Debug)]
struct Point {
    threads: usize,
}

impl Point {
    /// With a synthetic connection: about a fast query on a network.
    const HOLD: Hold = Hold::Asleep(Duration::from_micros(100));
}

impl Workload for Point {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        ABOUT
    }

    fn runs_on(&self, _: Backend) -> bool {
        true
    }

    /// Who has a connection for each thread takes part while there are as many.
    fn admits(&self, pool: PoolKind) -> bool {
        match pool {
            PoolKind::Shared
            | PoolKind::Queue
            | PoolKind::R2d2
            | PoolKind::MysqlPool
            | PoolKind::R2d2Mysql
            | PoolKind::Mutex
            | PoolKind::Fifo => true,
            PoolKind::Persistent | PoolKind::Dedicated => self.threads <= SIZE,
            _ => false,
        }
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn size(&self) -> usize {
        SIZE
    }

    fn hold(&self, backend: Backend) -> Hold {
        if backend == Backend::Synthetic { Self::HOLD } else { Hold::None }
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        if !C::REAL {
            Self::HOLD.spend();
        }
        conn.point_select(1 + rng.below(ROWS))
    }
}

/// Measures the curve on each backend of the plan, if the plan wants it.
///
/// # Errors
///
/// When a backend that the plan names cannot be had.
pub fn draw(plan: &Plan, watch: &mut dyn Watch) -> Result<Vec<Measurement>, Failure> {
    let points = THREADS.map(|threads| Point { threads });
    let mut all = Vec::new();
    for backend in Backend::ALL {
        let contests: Vec<_> = points.iter().filter_map(|it| plan.contest(backend, it)).collect();
        if !plan.has_curve() || contests.is_empty() {
            continue;
        }
        let environment = match Environment::open(backend, plan.mysql_url.as_deref()) {
            Ok(environment) => environment,
            Err(why) if plan.backends.is_empty() && plan.mysql_url.is_none() => {
                if plan.has_no_workloads() {
                    watch.left_out(backend, &why); // else `compare` has said so
                }
                continue;
            }
            Err(why) => return Err(why),
        };
        let plan = shorter(plan);
        plan.announce(contests.iter(), watch);
        let mut rows = Vec::new();
        for contest in &contests {
            watch.point(contest);
            let outcomes = contend(contest, &environment, &plan, watch);
            rows.extend(outcomes.into_iter().map(|outcome| point(outcome.measurement)));
        }
        watch.curve(backend, &rows);
        all.extend(rows);
    }
    Ok(all)
}

/// Without what no plot of the curve shows: there are hundreds of points.
fn point(measurement: Measurement) -> Measurement {
    Measurement { wait_distribution: Vec::new(), ..measurement }
}

fn shorter(plan: &Plan) -> Plan {
    Plan { rounds: plan.rounds.div_ceil(2), window: plan.window / SHORTER, ..plan.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_a_connection_for_each_thread_takes_part_while_there_are_as_many() {
        let takes_part = |threads, pool| Point { threads }.admits(pool);
        assert!(takes_part(8, PoolKind::Persistent) && !takes_part(16, PoolKind::Persistent));
        assert!(takes_part(256, PoolKind::Shared) && !takes_part(1, PoolKind::ConnectPerUse));
    }
}
