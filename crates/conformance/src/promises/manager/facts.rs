//! What a manager tells about its connections: group, labels, how many are open, which should leave.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use threadwise_core::ManageConnection;

use super::open;
use crate::rig::assert_answers;
use crate::subject::ManagerUnderTest;
use crate::wait;

pub fn connections_to_one_server_are_in_one_group<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let (mut first, second) = (open::<B>(&manager), open::<B>(&manager));
    let group = manager.group(&first);
    assert_eq!(
        manager.group(&second),
        group,
        "two connections to the same server have different groups: if that server dies, a pool \
         suspects only one of them. `group` must number the hosts, not the connections"
    );
    assert_answers(&subject, &mut first);
    assert_eq!(
        manager.group(&first),
        group,
        "the group of a connection has changed: a pool asks for it once, so it must stay the same"
    );
}

pub fn a_new_connection_is_in_no_transaction_and_may_stay<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    assert!(
        !manager.in_transaction(&mut conn) && !manager.in_transaction_shared(&conn),
        "`in_transaction` is true for a new connection: `steady` would repeat nothing, and no \
         connection would ever be too old. Return true only while a transaction is open"
    );
    assert!(
        !manager.should_retire(&mut conn),
        "`should_retire` is true for a new connection: a pool closes it on its first return, and every \
         use costs a connect. Return true only if its host is about to stop"
    );
}

pub fn labels_tell_connections_apart<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let (mut first, second) = (open::<B>(&manager), open::<B>(&manager));
    let id = manager.info(&first).id;
    assert!(
        id.is_some(),
        "`info` has no number: add it with `with_id`, or take the part `labels` out of the macro call"
    );
    assert_ne!(
        id,
        manager.info(&second).id,
        "two connections have the same number in `info`: use the session's number at the server, or \
         count the connections"
    );
    assert_answers(&subject, &mut first);
    assert_eq!(
        manager.info(&first).id,
        id,
        "the number of a connection in `info` has changed: it must stay the same"
    );
}

pub fn a_connect_opens_one_connection_and_a_close_ends_it<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    // Once the second one answers, the server has seen all that the first connect opened.
    let mut conns = [open::<B>(&manager), open::<B>(&manager)];
    conns.iter_mut().for_each(|conn| assert_answers(&subject, conn));
    assert!(
        wait::has_come(|| subject.open_connections() == 2),
        "after two connects, {} connections are open at the server: a pool's limit counts two. Close \
         what `connect` opens beside the connection that it returns",
        subject.open_connections()
    );
    conns.into_iter().for_each(|conn| manager.close(conn));
    assert!(
        wait::has_come(|| subject.open_connections() == 0),
        "after `close`, {} connections are open at the server: `close` must end the connection, and \
         the manager must keep no copy of its socket",
        subject.open_connections()
    );
}
