//! What the pool and the manager do together when the server closes connections, goes away and comes
//! back, and after a fork.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use threadwise_core::{CloseReason, GetError, Guard as _, ManageConnection, Pool, Validation};

use crate::pools::{PoolUnderTest, Settings};
use crate::rig::{Rig, await_notice};
use crate::{ManagerUnderTest, wait};

pub fn a_connection_that_broke_in_use_is_not_lent_again<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let mut conn = rig.get();
    let id = conn.id();
    rig.subject.cut(&mut conn);
    let Err(error) = rig.subject.echo(&mut conn, 1) else {
        panic!("a use of a connection that the server has closed succeeds");
    };
    let _ = conn.outcome(&crate::ScriptedError::Behind(error));
    drop(conn);
    let mut conn = rig.pool.get().unwrap_or_else(|error| panic!("no connection: {error:?}"));
    assert_ne!(
        conn.id(),
        id,
        "a connection whose use has failed is lent again: `has_broken` must be true after an error that \
         ends the connection. Set a flag where the driver returns the error, or in `on_error`"
    );
    rig.assert_works(&mut conn);
}

pub fn a_validation_keeps_a_closed_connection_from_being_lent<
    K: PoolUnderTest,
    B: ManagerUnderTest,
>() {
    let rig =
        Rig::<K, B>::new(Settings { validation: Validation::OnCheckout, ..Settings::size(1) });
    let user = rig.on_thread(|| {
        let mut conn = rig.get();
        rig.subject.cut(&mut conn);
        drop(conn);
        drop(rig.get()); // which asserts that it works
    });
    user.expect("a user of two connections");
    rig.assert_whole(1);
}

pub fn a_connection_that_the_server_closed_is_replaced_before_its_use<
    K: PoolUnderTest,
    B: ManagerUnderTest,
>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let mut conn = rig.get();
    let id = conn.id();
    rig.subject.cut(&mut conn);
    let manager = rig.pool.manager();
    assert!(await_notice(manager, &mut conn), "the manager does not see that the server hung up");
    let idle_for = manager.quick_check_after().unwrap_or_default();
    drop(conn);
    std::thread::sleep(idle_for); // a pool makes no quick check earlier
    assert_ne!(rig.get().id(), id, "a connection that the server has closed is lent again");
}

pub fn steady_goes_on_after_the_server_closed_the_connection<
    K: PoolUnderTest,
    B: ManagerUnderTest,
>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let mut conn = rig.get();
    let id = conn.id();
    rig.subject.cut(&mut conn);
    let mut runs = 0;
    let answer = conn.steady(|conn| {
        runs += 1;
        rig.subject.echo(conn, 42).map_err(crate::ScriptedError::Behind)
    });
    match answer {
        Ok(answer) => assert_eq!((answer, runs), (42, 2)),
        Err(error) => panic!(
            "the server closed the connection, and `steady` does not repeat the work on a new one: \
             `on_error` must return `Lost` for this error (by default it asks `is_lost`): {error:?}"
        ),
    }
    assert_ne!(conn.id(), id, "the work ran on a new connection");
}

pub fn a_pool_comes_back_after_an_outage<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let user = rig.on_thread(|| {
        let mut conn = rig.get();
        rig.subject.stop_server();
        assert!(
            rig.subject.echo(&mut conn, 1).is_err(),
            "the server is away, and the use succeeds"
        );
        conn.discard();
        let short = std::time::Duration::from_millis(50);
        match rig.pool.get_timeout(short) {
            Err(GetError::TimedOut(_) | GetError::ConnectFailed(_)) => {}
            Err(error) => panic!("the server is away, and `get` returns another error: {error:?}"),
            Ok(_) => panic!("the server is away, and `get` returns a connection"),
        }
        rig.subject.start_server();
        wait::until("the pool to come back after the outage", || rig.pool.get().is_ok());
    });
    user.expect("a user during an outage");
    rig.assert_whole(1);
}

pub fn the_next_borrower_is_in_no_transaction<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let mut conn = rig.get();
    let id = conn.id();
    rig.subject.begin(&mut conn);
    drop(conn);
    let mut conn = rig.get();
    assert!(
        !rig.pool.manager().in_transaction(&mut conn),
        "the next borrower is in the transaction of the last one: `reset_within` must roll it back"
    );
    assert_eq!(
        conn.id(),
        id,
        "a connection that came back in a transaction was closed, although a reset rolls it back"
    );
}

pub fn a_connection_that_should_retire_is_closed_on_return<
    K: PoolUnderTest,
    B: ManagerUnderTest,
>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let mut conn = rig.get();
    let id = conn.id();
    rig.subject.retire(&mut conn);
    rig.assert_works(&mut conn);
    drop(conn);
    assert!(
        wait::has_come(|| rig.pool.state().counters.closed(CloseReason::Retired) == 1),
        "the connection should leave, and `should_retire` is false: it stays until it breaks"
    );
    assert_ne!(rig.get().id(), id);
}

pub fn a_closed_pool_ends_the_threads_of_its_manager<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    drop(rig.get());
    assert!(
        rig.subject.threads() > 0,
        "the manager runs no thread: take the part `threads` out of the macro call"
    );
    rig.pool.close();
    assert!(
        wait::has_come(|| rig.subject.threads() == 0),
        "the pool is closed, and {} threads of its manager still run: end them in `pool_closed`",
        rig.subject.threads()
    );
}

#[cfg(unix)]
pub fn a_forked_child_opens_its_own_connection<K: PoolUnderTest, B: ManagerUnderTest>() {
    use crate::forked::{self, End};

    forked::alone(|| {
        let rig = Rig::<K, B>::new(Settings::size(1));
        let mut held = Some(rig.get());
        let id = held.as_ref().map(|conn| conn.id());
        forked::run(End::AtOnce, || {
            drop(held.take()); // in the child alone: the parent still holds it
            assert_ne!(Some(rig.get().id()), id, "the child uses a connection of its parent");
        });
        let mut conn = held.expect("the parent's connection");
        if let Err(error) = rig.subject.echo(&mut conn, 1) {
            panic!(
                "a forked child has ended its parent's connection: `forget_in_child` must send nothing \
                 and close nothing that the parent uses. The error: {error:?}"
            );
        }
        rig.assert_works(&mut conn);
        drop(conn);
        assert_eq!(Some(rig.get().id()), id, "the parent has lost its connection");
    });
}

#[cfg(not(unix))]
pub fn a_forked_child_opens_its_own_connection<K: PoolUnderTest, B: ManagerUnderTest>() {
    panic!("not tried: this system cannot fork. Take the part `fork` out of the macro call");
}
