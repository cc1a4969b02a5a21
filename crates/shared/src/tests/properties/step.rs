//! What can happen to a handoff, one step at a time. A step names its subject by a number, which the
//! runner reduces to one of those that exist. A step without a subject does nothing.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::settings::Limits;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Time passes.
    Advance(Duration),

    /// A thread tries the slot it used last.
    Take(usize),
    /// A thread takes any idle connection, searched from `start` on.
    TakeAny {
        start: usize,
    },
    /// A thread whose `get` began `waited` ago joins the queue, at its front if `front`.
    Join {
        waited: Duration,
        front: bool,
        start: usize,
    },
    /// A waiter wakes, or finds that it was sent nothing.
    Read(usize),
    /// A waiter that was sent to look does so.
    Look {
        waiter: usize,
        start: usize,
    },
    GiveUp(usize),

    /// A borrower returns its connection. Another step may happen before the return takes the lock.
    Put {
        user: usize,
        meanwhile: Option<Box<Step>>,
    },
    /// A borrower discards or detaches its connection.
    Discard(usize),

    /// The pool opens a connection for which no thread waits.
    Grow,
    BeginDial,
    Fill(usize),
    /// A connection that was just opened is added to the pool.
    Add(usize),
    FailDial {
        dialer: usize,
        for_good: bool,
    },

    /// All dials that have begun take too long.
    DialsOverdue,

    MarkStale(usize),
    MarkExpired(usize),
    MarkSuspect(usize),
    /// A borrower's expired connection is not closed now, because it is in a transaction.
    Postpone(usize),
    Suspend,
    Resume,
    Reserve(usize),
    PutReserved(usize),
    CloseReserved(usize),
    /// Closes the slot's connection if it is idle, marks it if it has an owner.
    Retire(usize),
    Evict,
    Resize(usize),
    ClosePool,
}

/// The settings of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) limits: Limits,
    pub(super) fair_after: Duration,
    pub(super) watched: bool,
}

pub(super) fn settings() -> impl Strategy<Value = Settings> {
    let fair_after = prop_oneof![1 => Just(Duration::ZERO), 3 => Just(Duration::from_millis(1))];
    let limits = (1_usize..4, 0_usize..2, option::weighted(0.3, 0_usize..4), 1_usize..4);
    (limits, fair_after, any::<bool>()).prop_map(|(limits, fair_after, watched)| {
        let (max_size, min_idle, max_waiters, connect_concurrency) = limits;
        let limits = Limits { max_size, min_idle, max_waiters, connect_concurrency };
        Settings { limits, fair_after, watched }
    })
}

/// Up to `at_most` steps, after a few that open connections.
pub(super) fn steps(at_most: usize) -> impl Strategy<Value = Vec<Step>> {
    let put = (any_one(), option::weighted(0.3, step().prop_map(Box::new)))
        .prop_map(|(user, meanwhile)| Step::Put { user, meanwhile });
    (0_usize..4, vec(prop_oneof![6 => step(), 1 => put], 1..=at_most)).prop_map(|(open, steps)| {
        let opening = [Step::Grow, Step::BeginDial, Step::Fill(0), Step::Add(0)];
        let first = (0..open).flat_map(|_| opening.clone());
        first.chain(steps).collect()
    })
}

/// Any step but a return, which has another step within.
fn step() -> impl Strategy<Value = Step> {
    // The bounds of `fair_after` more often than others.
    let micros = prop_oneof![Just(0), Just(1000), 0_u64..1500].prop_map(Duration::from_micros);
    let lend = prop_oneof![
        2 => any_one().prop_map(Step::Take),
        2 => any_one().prop_map(|start| Step::TakeAny { start }),
        8 => (micros.clone(), prop::bool::weighted(0.1), any_one())
            .prop_map(|(waited, front, start)| Step::Join { waited, front, start }),
        6 => any_one().prop_map(Step::Read),
        4 => (any_one(), any_one()).prop_map(|(waiter, start)| Step::Look { waiter, start }),
        2 => any_one().prop_map(Step::GiveUp),
        2 => any_one().prop_map(Step::Discard),
    ];
    let dial = prop_oneof![
        2 => Just(Step::Grow),
        4 => Just(Step::BeginDial),
        4 => any_one().prop_map(Step::Fill),
        4 => any_one().prop_map(Step::Add),
        1 => (any_one(), prop::bool::weighted(0.2))
            .prop_map(|(dialer, for_good)| Step::FailDial { dialer, for_good }),
        1 => Just(Step::DialsOverdue),
    ];
    let keep = prop_oneof![
        16 => any_one().prop_map(Step::MarkStale),
        12 => any_one().prop_map(Step::MarkExpired),
        8 => any_one().prop_map(Step::MarkSuspect),
        12 => any_one().prop_map(Step::Postpone),
        2 => Just(Step::Suspend),
        6 => Just(Step::Resume),
        8 => any_one().prop_map(Step::Reserve),
        8 => any_one().prop_map(Step::PutReserved),
        4 => any_one().prop_map(Step::CloseReserved),
        8 => any_one().prop_map(Step::Retire),
        2 => Just(Step::Evict),
        8 => prop_oneof![2 => Just(1), 1 => 2_usize..6].prop_map(Step::Resize),
        1 => Just(Step::ClosePool),
    ];
    prop_oneof![
        2 => micros.prop_map(Step::Advance),
        12 => lend,
        8 => dial,
        5 => keep,
    ]
}

fn any_one() -> impl Strategy<Value = usize> + Clone {
    0_usize..60
}
