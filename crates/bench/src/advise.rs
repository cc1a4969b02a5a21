//! Advice on a pool, from measurements on the user's own database with the user's own query.
//!
//! | file | holds |
//! |---|---|
//! | [`database`] | its address, its limits, connections that can only read |
//! | `reads` | checks that a query's text only reads |
//! | [`turn`] | one pool in use for a while |
//! | `study` | which setups are measured, in which order, and for how long |
//! | [`point`] | the figures of one setup |
//! | `knee` | the smallest size that does as well as the best |
//! | `trust` | whether the figures are reliable, and if not, why |
//! | `choose` | the choice of the pool, with reasons |
//! | `session` | all figures of a run, and the advice that follows from them |
//! | `reasons` | the reasons for the size, and what may make the advice wrong |
//! | `fleets` | fleets, simulated from the figures and real |
//! | [`code`] | the advice as Rust code |
//! | [`advice`] | the whole advice, as the file has it |
//! | [`text`] | the same as text for people |
//!
//! `docs/advise.md` shows an output and says how `advise` gets each number.

pub mod advice;
pub mod code;
pub mod database;
pub mod point;
pub mod text;
pub mod turn;

mod choose;
mod fleets;
mod knee;
mod reads;
mod reasons;
mod session;
mod study;
mod trust;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use threadwise::PoolKind;

use self::advice::{Advice, Room};
use self::database::{Database, Limits};
use self::knee::Tolerance;
use self::point::Point;
use self::session::Session;
use self::study::Study;
use self::trust::Others;
use self::turn::Setup;
use crate::Failure;

/// What the user asks.
#[derive(Clone)]
pub struct Question {
    /// As on the command line: a MySQL URL or a SQLite path. May hold a password.
    pub db: String,
    /// The query that the threads run.
    pub query: String,
    /// How many threads.
    pub threads: usize,
    /// How long each is idle between two uses.
    pub think: Duration,
    /// How long to measure.
    pub time: Duration,
    /// Whether threads end and new ones start.
    pub come_and_go: bool,
    /// Whether the query may write.
    pub allow_writes: bool,
    /// How many processes like this one the fleet has; `None` for no fleet.
    pub instances: Option<usize>,
    /// The program to start for the comparison with real processes; `None` for no comparison.
    pub verify_by: Option<PathBuf>,
    /// The seed of the simulation.
    pub seed: u64,
}

/// Receives the progress of a run.
pub trait Watch {
    /// A stage with this many turns begins; it takes about as long as the estimate.
    fn begin(&mut self, turns: usize, estimate: Duration);
    /// The turn of this setup begins.
    fn turn(&mut self, setup: Setup);
    /// Another step begins that takes a while.
    fn doing(&mut self, what: &str);
}

/// Measures, then advises.
///
/// # Errors
///
/// If the database cannot be reached, if the query fails, if it may write and writes are not
/// allowed, or if nothing could be measured.
pub fn advise(question: &Question, watch: &mut dyn Watch) -> Result<Advice, Failure> {
    watch.doing("examining the database");
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
    let cores = thread::available_parallelism().map_or(1, Into::into);
    let mut others = Others::default();
    others.look();
    let most = room.map(|room| room.connections as usize);
    let sweep = study.sweep(most.unwrap_or(usize::MAX).min(question.threads), watch);
    others.look();
    let coarse = study::knee(&sweep, &[]).ok_or_else(|| nothing_measured(&sweep))?;
    let around = study.around(&sweep, &coarse, watch);
    let knee = study::knee(&sweep, &around).ok_or_else(|| nothing_measured(&around))?;
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
    let proof = study.proof(proof_setups(question, size, most), watch);
    others.look();
    let mut doubts = size_doubts.clone();
    let of_pools = trust::doubts(proof.iter(), others, cores).into_iter();
    let of_pools = of_pools.chain(trust::noise(Tolerance::of_all(&proof), "pools"));
    doubts.extend(of_pools.filter(|doubt| !size_doubts.contains(doubt)).collect::<Vec<_>>());

    let session = Session {
        question,
        database: &database,
        facts,
        room,
        most,
        knee,
        sweep,
        around,
        proof,
        others,
        size_doubts,
        doubts,
    };
    session.conclude(&study, size, watch)
}

fn nothing_measured(points: &[Point]) -> Failure {
    let failures =
        points.iter().filter_map(|it| it.refused.as_ref().or(it.sum().first_error.as_ref()));
    let first = failures.map(ToString::to_string).next();
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

impl Room {
    /// The server's limit, less the connections of other clients, less a reserve.
    fn of(limits: Limits) -> Self {
        // For administrators, migrations, and connections that other clients open later.
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
    fn the_room_is_the_limit_less_other_clients_and_a_reserve() {
        let limits = Limits { server: 151, account: None, others: 20 };
        let room = Room::of(limits);
        assert_eq!((room.reserve, room.connections), (7, 124));
        let room = Room::of(Limits { account: Some(30), ..limits });
        assert_eq!(room.connections, 30);
        let room = Room::of(Limits { server: 10, account: None, others: 9 });
        assert_eq!(room.connections, 0);
    }
}
