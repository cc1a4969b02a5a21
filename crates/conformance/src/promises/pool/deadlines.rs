//! A `get` ends at its deadline. These tests show that it ends at all: the gates in its way stay
//! closed until it has returned.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{CloseReason, GetError, Guard as _, Pool, Reset, Validation};

use crate::pools::{PoolUnderTest, Settings};
use crate::rig::Rig;
use crate::{Call, Gate, ManagerUnderTest, wait};

const SHORT: Duration = Duration::from_millis(50);

/// Runs `meanwhile` on this thread while another thread holds the only connection of the pool.
fn while_all_are_in_use<K: PoolUnderTest, B: ManagerUnderTest>(
    rig: &Rig<K, B>,
    meanwhile: impl FnOnce(),
) {
    let (has_it, may_go) = (Barrier::new(2), Arc::new(Gate::default()));
    thread::scope(|scope| {
        let _open_at_end = may_go.open_at_end();
        scope.spawn(|| {
            let _conn = rig.get_patiently();
            has_it.wait();
            may_go.pass(None);
        });
        has_it.wait();
        meanwhile();
    });
}

pub fn get_ends_at_its_deadline_when_all_are_in_use<K: PoolUnderTest, B: ManagerUnderTest>() {
    let settings = Settings { get_timeout: Some(SHORT), ..Settings::size(1) };
    let rig = Rig::<K, B>::in_short_time(settings);
    while_all_are_in_use(&rig, || {
        for with_argument in [false, true] {
            let start = Instant::now();
            let got = if with_argument { rig.pool.get_timeout(SHORT) } else { rig.pool.get() };
            let Err(GetError::TimedOut(timed_out)) = got else { panic!("no timeout") };
            assert!(start.elapsed() >= SHORT, "gave up early");
            assert!(timed_out.waited >= SHORT);
            assert_eq!(timed_out.state.borrowed, 1);
            assert!(timed_out.cause.is_none());
        }
    });
    assert_eq!(rig.pool.state().counters.timeouts, 2);
    assert_eq!(rig.pool.state().waiting, 0);
    rig.assert_whole(1);
}

pub fn get_ends_at_its_deadline_when_connect_hangs<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    rig.get().discard();
    let gate = rig.script.hang_next(Call::Connect);
    let open_at_end = gate.open_at_end();
    let Err(error) = rig.pool.get_timeout(SHORT) else {
        panic!("the connect hangs, so there is no connection")
    };
    assert!(matches!(error, GetError::TimedOut(_)), "{error}");
    drop(open_at_end);
    rig.assert_whole(1);
}

pub fn get_ends_at_its_deadline_when_validation_hangs<K: PoolUnderTest, B: ManagerUnderTest>() {
    let validation = Validation::OnCheckout;
    let rig = Rig::<K, B>::new(Settings { validation, ..Settings::size(1) });
    let hurried = rig.on_thread(|| {
        drop(rig.get());
        let gate = rig.script.hang_next(Call::IsValid);
        let _open_at_end = gate.open_at_end();
        let Err(error) = rig.pool.get_timeout(SHORT) else { panic!("the server did not answer") };
        assert!(matches!(error, GetError::TimedOut(_)), "{error}");
    });
    hurried.expect("a get that times out");
    let counters = rig.pool.state().counters;
    assert_eq!(
        counters.closed(CloseReason::Invalid),
        0,
        "a short deadline is not the connection's fault"
    );
    rig.assert_whole(1);
}

pub fn a_return_whose_reset_hangs_ends_at_the_validation_timeout<
    K: PoolUnderTest,
    B: ManagerUnderTest,
>() {
    let validation_timeout = Some(SHORT);
    let rig = Rig::<K, B>::new(Settings {
        validation_timeout,
        reset: Reset::Always,
        ..Settings::size(1)
    });
    let gate = rig.script.hang_next(Call::Reset); // closed until the drop has ended
    drop(rig.get());
    wait::until("the connection to be closed", || {
        rig.pool.state().counters.closed(CloseReason::ResetFailed) == 1
    });
    drop(gate);
    rig.assert_whole(1);
}

pub fn a_timeout_of_zero_does_not_wait<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings { get_timeout: Some(Duration::ZERO), ..Settings::size(1) });
    while_all_are_in_use(&rig, || {
        assert!(matches!(rig.pool.get(), Err(GetError::Exhausted(_))));
        assert!(matches!(rig.pool.get_timeout(Duration::ZERO), Err(GetError::Exhausted(_))));
    });
    assert_eq!(rig.pool.state().counters.waits, 0);
}

pub fn try_get_does_not_wait<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings { get_timeout: None, ..Settings::size(1) });
    while_all_are_in_use(&rig, || {
        let Err(GetError::Exhausted(found)) = rig.pool.try_get() else { panic!("not exhausted") };
        assert_eq!(found.state.borrowed, 1);
    });
    wait::until("the connection to come back", || rig.pool.try_get().is_ok());
}
