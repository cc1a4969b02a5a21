//! Puts a workload, a backend, a contender and threads together. No other file knows all four.

use threadwise_figures::{Backend, ContenderKind as Kind};
use threadwise_r2d2::FromR2d2;

use crate::backend::Environment;
use crate::backend::mysql::MysqlEnvironment;
use crate::backend::simulated::SimulatedServer;
use crate::backend::source::Source;
use crate::backend::synthetic::SyntheticManager;
use crate::contender::Queried;
use crate::contenders::{
    BuildYourOwn, Channel, Compat, ConnectPerUse, Dedicated, Fifo, Floor, MutexPool, MysqlPool,
    PerThread, R2d2, persistent, queue, shared,
};
use crate::opened::{Counted, Opened};
use crate::operation::{Held, Insert, Nothing, Operate, Select};
use crate::runner::{Alike, Arrivals, Drive, Job, Nested, ParIter, PerTask, Runner};
use crate::workload::Workload;
use crate::workloads::beside::BESIDE_A_WRITER;
use crate::workloads::churn::CHURN;
use crate::workloads::crowd::{ASLEEP_10, ASLEEP_2000, CROWD_10, CROWD_2000};
use crate::workloads::free::{AS_MANY, STARVED, UNCONTENDED};
use crate::workloads::holds::{LONG_HOLDS, SHORT_HOLDS};
use crate::workloads::long_tail::{LONG_TAIL, NowAndThenSlow};
use crate::workloads::nested::NESTED;
use crate::workloads::open_load::{GAP, OPEN_LOAD};
use crate::workloads::par_iter::RAYON_PAR_ITER;
use crate::workloads::per_task::THREAD_PER_TASK;
use crate::workloads::reset::{ChangeSession, RESET};
use crate::workloads::statements::{CONNECT, INSERT, POINT_SELECT, TRANSACTION, Transact};
use crate::workloads::think::THINK_TIME;
use crate::{Failure, Result};

/// Returns all workloads, in the order in which they run: each with what a thread does with a
/// connection, and how the threads come to do it.
pub fn all() -> Vec<Case> {
    vec![
        Case::alike(UNCONTENDED, Select),
        Case::alike(AS_MANY, Select),
        Case::held(STARVED),
        Case::held(LONG_HOLDS),
        Case::held(SHORT_HOLDS),
        Case::alike(LONG_TAIL, NowAndThenSlow),
        Case::new(OPEN_LOAD, Held(OPEN_LOAD.hold), Arrivals { gap: GAP }),
        Case::held(THINK_TIME),
        Case::held(CHURN),
        Case::new(THREAD_PER_TASK, Select, PerTask),
        Case::new(RAYON_PAR_ITER, Select, ParIter),
        Case::new(NESTED, Select, Nested),
        Case::alike(CROWD_10, Select),
        Case::alike(CROWD_2000, Select),
        Case::alike(ASLEEP_10, Select),
        Case::alike(ASLEEP_2000, Select),
        Case::alike(CONNECT, Nothing),
        Case::alike(POINT_SELECT, Select),
        Case::alike(INSERT, Insert),
        Case::alike(TRANSACTION, Transact),
        Case::alike(RESET, ChangeSession),
        Case::alike(BESIDE_A_WRITER, Select),
    ]
}

/// A workload that can be started on any contender.
pub struct Case {
    /// The numbers.
    pub workload: Workload,
    start: Box<Start>,
}

type Start = dyn Fn(&Environment, Kind) -> Result<Runner> + Send + Sync;

impl Case {
    /// A workload whose threads make this operation, and come to it in this way.
    pub fn new<O: Operate, D: Drive>(workload: Workload, operation: O, drive: D) -> Self {
        let start = move |environment: &Environment, pool| {
            let job = Job { workload, operation: operation.clone(), opened: Opened::default() };
            Assembly { job, drive }.on(environment, pool)
        };
        Self { workload, start: Box::new(start) }
    }

    /// A workload whose threads make one operation after another.
    pub fn alike<O: Operate>(workload: Workload, operation: O) -> Self {
        Self::new(workload, operation, Alike)
    }

    /// The same, with selects for which threads hold synthetic connections.
    pub fn held(workload: Workload) -> Self {
        Self::alike(workload, Held(workload.hold))
    }

    /// Builds a contender, and threads that are ready to run the workload on it.
    ///
    /// # Errors
    ///
    /// If the contender cannot be built, or does not run on this backend.
    pub fn start(&self, environment: &Environment, pool: Kind) -> Result<Runner> {
        (self.start)(environment, pool)
    }
}

/// What is put together with a contender.
struct Assembly<O, D> {
    job: Job<O>,
    drive: D,
}

impl<O: Operate, D: Drive> Assembly<O, D> {
    fn on(self, environment: &Environment, pool: Kind) -> Result<Runner> {
        let workload = self.job.workload;
        match environment {
            Environment::Synthetic => match workload.mortal {
                Some(mortal) => self.on_any(pool, &SimulatedServer::mortal(mortal)),
                None => self.on_synthetic(pool),
            },
            Environment::Sqlite(file) => {
                let runner = self.on_any(pool, file)?;
                if !workload.has_writer {
                    return Ok(runner);
                }
                Ok(runner.beside(file.writer(workload.threads as u64)?))
            }
            Environment::Mysql(server) => self.on_mysql(pool, server),
            Environment::Postgres(server) => self.on_any(pool, &**server),
        }
    }

    /// The contenders that run on every kind of connection.
    fn on_any<S: Source>(self, pool: Kind, source: &S) -> Result<Runner> {
        let (workload, opened) = (self.job.workload, self.job.opened.clone());
        let size = workload.size;
        let manager = || Counted::new(source.manager(), &opened);
        let adapted = || FromR2d2::new(Counted::new(source.r2d2(), &opened));
        let plain = || Counted::new(source.plain(), &opened);
        match pool {
            Kind::Shared => self.start(shared(manager(), &workload)?),
            Kind::Persistent => self.start(persistent(manager(), &workload)?),
            Kind::Queue => self.start(queue(manager(), &workload)?),
            Kind::R2d2 | Kind::R2d2Tuned | Kind::R2d2Mysql | Kind::R2d2MysqlTuned => {
                self.start(R2d2::new(source.r2d2(), size, !pool.is_tuned(), &opened)?)
            }
            Kind::SharedR2d2 => self.start(shared(adapted(), &workload)?),
            Kind::PersistentR2d2 => self.start(persistent(adapted(), &workload)?),
            Kind::QueueR2d2 => self.start(queue(adapted(), &workload)?),
            Kind::Compat => self.start(Compat::new(source.r2d2(), size, &opened)?),
            Kind::Mutex => self.start(MutexPool::new(&plain(), size)?),
            Kind::ConnectPerUse => self.start(ConnectPerUse(plain())),
            Kind::Dedicated => self.start(Dedicated(plain())),
            Kind::MysqlPool
            | Kind::MysqlPoolTuned
            | Kind::ManagerPerUse
            | Kind::Floor
            | Kind::Channel
            | Kind::ThreadLocal
            | Kind::Fifo
            | Kind::BuildYourOwn => Err(does_not_run_there(pool)),
        }
    }

    /// Those, and the contenders for connections that do nothing.
    fn on_synthetic(self, pool: Kind) -> Result<Runner> {
        let Workload { threads, size, .. } = self.job.workload;
        let counted = Counted::new(SyntheticManager, &self.job.opened);
        match pool {
            Kind::Floor => self.start(Floor::new(threads)),
            Kind::Channel => self.start(Channel::new(size)),
            Kind::ThreadLocal => self.start(PerThread::default()),
            Kind::Fifo => self.start(Fifo::new(size)),
            Kind::BuildYourOwn => self.start(BuildYourOwn::new(counted, size)),
            pool => self.on_any(pool, &SyntheticManager),
        }
    }

    /// Those, and the contenders for MySQL.
    fn on_mysql(self, pool: Kind, server: &MysqlEnvironment) -> Result<Runner> {
        let (size, opened) = (self.job.workload.size, self.job.opened.clone());
        match pool {
            Kind::MysqlPool | Kind::MysqlPoolTuned => {
                self.start(MysqlPool::new(server.plain(), size, !pool.is_tuned(), &opened)?)
            }
            Kind::ManagerPerUse => {
                self.start(ConnectPerUse(Counted::new(server.manager(), &opened)))
            }
            pool => self.on_any(pool, server),
        }
    }

    fn start<C: Queried>(self, contender: C) -> Result<Runner> {
        self.drive.start(contender, self.job)
    }
}

/// The error of a contender on a backend on which it does not run.
fn does_not_run_there(pool: Kind) -> Failure {
    let backends = Backend::ALL.into_iter().filter(|backend| pool.runs_on(*backend));
    let backends = backends.map(Backend::name).collect::<Vec<_>>().join(" and ");
    Failure::new(format_args!("{pool} runs on {backends} only"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn admitted(pool: Kind) -> Vec<&'static str> {
        let all = all().into_iter().map(|case| case.workload);
        all.filter(|it| (it.admits)(it, pool)).map(|it| it.name).collect()
    }

    #[test]
    fn the_ideal_wait_is_one_turn_of_all_threads() {
        let ideal = |workload: Workload| workload.ideal_wait(Backend::Synthetic);
        assert_eq!(ideal(LONG_HOLDS), Some(Duration::from_millis(4)));
        assert_eq!(ideal(STARVED), Some(Duration::from_micros(800)));
        assert_eq!(ideal(SHORT_HOLDS), None, "there are fewer processors than connections");
        assert_eq!(ideal(AS_MANY), None, "no thread waits");
        assert_eq!(ideal(OPEN_LOAD), None, "not all threads want a connection");
        assert_eq!(ideal(THINK_TIME), None, "threads rarely have to wait");
    }

    #[test]
    fn tuned_peers_take_part_where_users_look_first() {
        let told = ["uncontended", "as-many", "starved", "point-select", "insert"];
        assert_eq!(admitted(Kind::R2d2Tuned), told);
    }

    #[test]
    fn r2d2_s_managers_take_part_where_a_checkout_and_a_query_are_measured() {
        for pool in [Kind::SharedR2d2, Kind::PersistentR2d2, Kind::QueueR2d2, Kind::Compat] {
            assert_eq!(admitted(pool), ["uncontended", "point-select"], "{pool}");
        }
    }

    #[test]
    fn fifo_takes_part_where_threads_wait_in_order() {
        // (In `asleep-…` there is no order to keep.)
        let told = [
            "starved",
            "long-holds",
            "short-holds",
            "long-tail",
            "open-load",
            "crowd-10",
            "crowd-2000",
        ];
        assert_eq!(admitted(Kind::Fifo), told);
    }

    #[test]
    fn every_pool_replaces_dead_connections_and_no_user_sees_an_error() {
        let churn = Case::held(CHURN);
        let pools: Vec<_> = CHURN.pools(Backend::Synthetic).collect();
        assert_eq!(pools, [Kind::Shared, Kind::Persistent, Kind::Queue, Kind::R2d2]);
        for pool in pools {
            let mut runner = churn.start(&Environment::Synthetic, pool).unwrap();
            assert!(runner.operations(2 * 199).is_ok(), "{pool}");
            assert!(runner.opened() > 2 * CHURN.size as u64, "{pool}: {}", runner.opened());
        }
    }

    #[test]
    fn every_contender_of_nested_lends_a_thread_two() {
        let nested = Case::new(NESTED, Select, Nested);
        for pool in NESTED.pools(Backend::Synthetic) {
            let mut runner = nested.start(&Environment::Synthetic, pool).unwrap();
            assert!(runner.operations(100).is_ok(), "{pool}");
        }
    }

    #[test]
    fn a_contender_is_refused_on_a_backend_that_it_does_not_run_on() {
        let case = Case::alike(UNCONTENDED, Select);
        let refused = case.start(&Environment::Synthetic, Kind::MysqlPool);
        let refused = refused.expect_err("it needs a server");
        assert_eq!(refused.to_string(), "mysql-pool runs on mysql only");
    }
}
