//! The manager in a forked child.
#![cfg(target_os = "linux")]

mod common;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::Database;
use threadwise_core::ManageConnection;
use threadwise_postgres::Connection;
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::wait::{self, AtEnd};

fn answers(conn: &mut Connection) -> bool {
    conn.query_one("SELECT 27", &[]).is_ok_and(|row| row.get::<_, i32>(0) == 27)
}

#[test]
fn forgetting_a_connection_in_a_child_leaves_the_parents_session_alone() {
    let (manager, conn) = Database::new(&[]).connect();
    let mut shared = Some(conn);
    for end in [End::Exit, End::AtOnce] {
        forked::run(end, || manager.forget_in_child(shared.take().unwrap()));
        let conn = shared.as_mut().unwrap();
        // An answer needs what the kernel tells the parent's runtime about its socket, too.
        conn.query_one("SELECT 27", &[]).unwrap();
        assert!(!manager.has_broken(conn));
    }
}

#[test]
fn a_child_asks_about_code_itself() {
    let (manager, mut definer) = Database::new(&[]).connect();
    // No answer is valid while this transaction is open; in the child it is not.
    definer.batch_execute("BEGIN; CREATE TABLE t (id INT)").unwrap();
    let mut inherited = Some(definer);
    forked::run(End::AtOnce, || {
        manager.forget_in_child(inherited.take().unwrap());
        let mut conn = manager.connect().unwrap();
        wait::until("the server's answer about code", || {
            manager.begin_session(&mut conn);
            conn.batch_execute("SELECT 1").unwrap();
            !manager.has_changed(&mut conn)
        });
    });
    inherited.unwrap().batch_execute("COMMIT").unwrap();
}

#[test]
fn a_manager_works_in_a_child_while_other_threads_use_it_in_the_parent() {
    let (manager, conn) = Database::new(&[]).connect();
    let conn = Mutex::new(conn);
    let uses: [&(dyn Fn() + Sync); 3] = [
        &|| {
            let mut conn = conn.lock().unwrap();
            conn.query_one("SELECT 27", &[]).unwrap();
            assert!(!manager.has_broken(&mut conn));
            manager.has_changed(&mut conn);
            manager.reset(&mut conn).unwrap();
        },
        &|| assert!(format!("{manager:?}").contains("127.0.0.1")),
        &|| manager.set_credentials(Some("postgres"), None),
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
        for _ in 0..30 {
            forked::run(End::AtOnce, || {
                manager.set_credentials(Some("postgres"), None);
                let mut conn = manager.connect().unwrap();
                assert!(answers(&mut conn));
                manager.reset(&mut conn).unwrap();
            });
        }
    });
}
