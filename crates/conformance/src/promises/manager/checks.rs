//! The checks accept a connection that works, and find one that the server has closed.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use std::time::Instant;

use threadwise_core::{ManageConnection, Moment, Reset};

use super::open;
use crate::rig::{assert_answers, await_notice};
use crate::subject::ManagerUnderTest;
use crate::wait;

const MOMENTS: [Moment; 5] = [
    Moment::Opened,
    Moment::Checkout,
    Moment::Idle,
    Moment::Return { reset: Reset::WhenChanged },
    Moment::Return { reset: Reset::Never },
];

pub fn validation_accepts_a_connection_that_works<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    for _ in 0..2 {
        let answers = [
            ("is_valid", manager.is_valid(&mut conn)),
            ("is_valid_within", manager.is_valid_within(&mut conn, wait::patience())),
        ];
        for (method, answer) in answers {
            if let Err(error) = answer {
                panic!("`{method}` rejects a connection that works: {error:?}");
            }
        }
        assert_answers(&subject, &mut conn);
        let answer = manager.is_valid_patient(&mut conn, wait::patience(), wait::patience());
        match answer {
            Some(Ok(())) => assert_answers(&subject, &mut conn),
            Some(Err(error)) => {
                panic!("`is_valid_patient` rejects a connection that works: {error:?}")
            }
            None => panic!(
                "`is_valid_patient` says that the answer has not come, after {:?}",
                wait::patience()
            ),
        }
    }
}

pub fn the_free_check_accepts_a_connection_that_works<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    for uses in 0..2 {
        for moment in MOMENTS {
            assert!(
                !manager.has_broken_at(&mut conn, moment),
                "the free check counts a connection that works as broken ({moment:?}, after {uses} \
                 uses): then a pool closes each connection, and every use costs a connect. Return true \
                 only after an error, or if the server has hung up"
            );
        }
        if let Err(error) = manager.quick_check(&mut conn) {
            panic!("the quick check rejects a connection that works: {error:?}");
        }
        assert_answers(&subject, &mut conn);
    }
}

/// The quick check belongs to the free check here: some drivers expose no socket.
pub fn the_free_check_finds_a_connection_that_the_server_closed<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    assert_answers(&subject, &mut conn);
    subject.cut(&mut conn);
    assert!(
        await_notice(&manager, &mut conn),
        "the server has closed the connection, and `has_broken` does not see it: then the next use \
         fails. Look at the socket without waiting, for example with a peek that does not block. If the \
         driver exposes no socket, implement `quick_check` and `quick_check_after`, or take the part \
         `notice` out of the macro call: then only a validation finds it"
    );
}

pub fn the_quick_check_finds_a_connection_that_the_server_closed<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    assert!(
        manager.quick_check_after().is_some(),
        "`quick_check_after` is `None`, so no pool calls `quick_check`: return the idle time after \
         which a pool makes the check, or take the part `quick_check` out of the macro call"
    );
    let mut conn = open::<B>(&manager);
    assert_answers(&subject, &mut conn);
    subject.cut(&mut conn);
    assert!(
        wait::has_come(|| manager.quick_check(&mut conn).is_err()),
        "the server has closed the connection, and `quick_check` returns `Ok`: let it find a hang-up \
         that the free check does not see"
    );
}

pub fn validation_finds_a_connection_that_the_server_closed<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    assert_answers(&subject, &mut conn);
    subject.cut(&mut conn);
    assert!(
        manager.is_valid(&mut conn).is_err(),
        "`is_valid` accepts a connection that the server has closed: it must ask the server and wait \
         for the answer; a flag or the address of the peer proves nothing"
    );
    let mut conn = open::<B>(&manager);
    assert_answers(&subject, &mut conn);
    subject.cut(&mut conn);
    assert!(
        manager.is_valid_within(&mut conn, wait::patience()).is_err(),
        "`is_valid_within` accepts a connection that the server has closed: it must ask the server, \
         as `is_valid` does"
    );
}

pub fn a_validation_moves_the_time_of_the_last_answer<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    for _ in 0..2 {
        let before = Instant::now();
        manager.is_valid_within(&mut conn, wait::patience()).expect("a connection that works");
        let Some(last_answer) = manager.last_answer(&conn) else {
            panic!(
                "`last_answer` is `None` after a validation: note the time of each answer, or take \
                 the part `last_answer` out of the macro call"
            )
        };
        assert!(
            before <= last_answer && last_answer <= Instant::now(),
            "the server has just answered a validation, and `last_answer` is another moment: note \
             the time when an answer has arrived"
        );
    }
}
