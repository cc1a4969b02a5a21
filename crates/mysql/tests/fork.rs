//! The manager in a forked child.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mysql::prelude::Queryable;
use threadwise_core::ManageConnection;
use threadwise_mysql::{Connection, MysqlManager};
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait::AtEnd;

fn manager() -> MysqlManager {
    forked::keep_no_buffers();
    MysqlManager::from_url(&MariaDb::shared().url()).unwrap()
}

/// The sockets of this process, as the system names them.
fn sockets() -> BTreeSet<String> {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let names = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("socket:")).collect()
}

fn answers(conn: &mut Connection) -> bool {
    conn.query_first::<u32, _>("SELECT 27").is_ok_and(|answer| answer == Some(27))
}

#[test]
fn forgetting_a_connection_in_a_child_leaves_the_parents_session_alone() {
    let manager = manager();
    let mut conn = manager.connect().unwrap();
    let fd = conn.as_mut_conn().as_raw_fd();
    let mut in_child = Some(conn);
    forked::run(End::Exit, || {
        let mut conn = in_child.take().unwrap();
        // So that the driver has a statement to close, beside the connection.
        assert_eq!(conn.exec_first::<u32, _, _>("SELECT ?", (1,)).unwrap(), Some(1));
        let socket = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
        let before = sockets();
        manager.forget_in_child(conn);
        let mut left = before.clone();
        assert!(left.remove(&*socket.to_string_lossy()));
        assert_eq!(sockets(), left);
    });
    // The server has got neither the close of the statement nor that of the connection.
    let mut conn = in_child.unwrap();
    assert!(answers(&mut conn));
    let kept = "SELECT variable_value FROM information_schema.session_status \
        WHERE variable_name = 'Com_stmt_close'";
    assert_eq!(conn.query_first::<u32, _>(kept).unwrap(), Some(0));
}

#[test]
fn a_manager_works_in_a_child_while_other_threads_use_it_in_the_parent() {
    let manager = manager();
    let conn = Mutex::new(manager.connect().unwrap());
    let uses: [&(dyn Fn() + Sync); 3] = [
        &|| {
            let mut conn = conn.lock().unwrap();
            assert!(answers(&mut conn) && !manager.has_broken(&mut conn));
            manager.has_changed(&mut conn);
            manager.reset(&mut conn).unwrap();
        },
        &|| assert!(format!("{manager:?}").contains("root")),
        &|| manager.set_credentials(Some("root"), None),
    ];
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for use_it in uses {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    use_it();
                }
            });
        }
        let _end = AtEnd(|| is_over.store(true, Ordering::Relaxed));
        for _ in 0..100 {
            forked::run(End::AtOnce, || {
                manager.set_credentials(Some("root"), None);
                let mut conn = manager.connect().unwrap();
                assert!(answers(&mut conn));
                manager.reset(&mut conn).unwrap();
            });
        }
    });
}
