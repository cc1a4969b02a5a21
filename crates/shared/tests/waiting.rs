//! The line: its order and its limit.

use threadwise_core::GetError;
use threadwise_shared::SharedPool;
use threadwise_testkit::{FakeManager, Scripted, wait};

type Manager = Scripted<FakeManager>;

fn manager() -> Manager {
    Scripted::new(FakeManager)
}

#[test]
fn a_line_that_is_full_is_said_to_be() {
    let pool = SharedPool::builder().max_size(1).max_waiters(1).build(manager()).unwrap();
    let conn = pool.get().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(pool.get().unwrap()));
        wait::until("the line to be full", || pool.state().waiting == 1);
        let Err(error) = pool.get() else { panic!("there was none to have") };
        assert!(matches!(error, GetError::QueueFull { max_waiters: 1 }), "{error}");
        drop(conn);
        waiter.join().unwrap();
    });
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let pool = SharedPool::builder().max_size(1).build(manager()).unwrap();
    let order = std::sync::Mutex::new(Vec::new());
    let conn = pool.get().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (pool, order) = (&pool, &order);
            scope.spawn(move || {
                let _conn = pool.get().unwrap();
                order.lock().unwrap().push(number);
            });
            wait::until("the next in the line", || pool.state().waiting == number + 1);
        }
        drop(conn);
    });
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
}
