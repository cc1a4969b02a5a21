//! User and password that a function of the program supplies at each connect.

mod common;

use std::error::Error as StdError;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::{connect, manager_for};
use mysql::prelude::Queryable;
use threadwise_core::{Guard, ManageConnection, Pool, chain};
use threadwise_mysql::{Credentials, ErrorClass, MysqlManager, classify, mysql};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;

/// An account of the shared server, and the token that the program has for it.
#[derive(Clone)]
struct Account {
    name: String,
    token: Arc<Mutex<Option<String>>>,
}

/// Why the program has no token.
#[derive(Debug)]
struct Sealed;

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the vault is sealed")
    }
}

impl StdError for Sealed {}

impl Account {
    fn new(name: &str, token: &str) -> Self {
        MariaDb::shared().run_all(&[
            &format!("CREATE OR REPLACE USER {name}@'%' IDENTIFIED BY '{token}'"),
            &format!("GRANT ALL ON test.* TO {name}@'%'"),
        ]);
        Self { name: name.to_owned(), token: Arc::new(Mutex::new(Some(token.to_owned()))) }
    }

    /// Changes the password on the server, and not the program's token.
    fn rotate(&self, token: &str) {
        let sql = format!("ALTER USER {}@'%' IDENTIFIED BY '{token}'", self.name);
        MariaDb::shared().run_all(&[&sql]);
    }

    fn set(&self, token: Option<&str>) {
        *self.token.lock().unwrap() = token.map(str::to_owned);
    }

    fn manager(&self) -> MysqlManager {
        let Self { name, token } = self.clone();
        url_without_user().credentials_from(move || {
            let token = token.lock().unwrap().clone().ok_or(Sealed)?;
            Ok(Credentials::new(&*name, token))
        })
    }
}

fn url_without_user() -> MysqlManager {
    manager_for(&format!("mysql://127.0.0.1:{}/test", MariaDb::shared().port()))
}

fn user(conn: &mut impl Queryable) -> String {
    conn.query_first("SELECT CURRENT_USER()").unwrap().unwrap()
}

#[test]
fn the_function_is_asked_at_each_connect() {
    let account = Account::new("token_each", "right");
    let manager = account.manager();
    assert_eq!(user(&mut connect(&manager)), "token_each@%");

    account.set(Some("wrong sesame"));
    let error = manager.connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Permanent, "{error}");
    assert!(!format!("{error:?} {error} {manager:?}").contains("sesame"));

    account.set(None);
    let error = manager.connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Transient, "{error}");
    let mysql::Error::IoError(io) = &error else { panic!("{error:?}") };
    let own = io.source().expect("a cause");
    assert!(own.is::<Sealed>(), "the function's own error is the cause: {own:?}");
    let text = chain(&error).to_string();
    assert!(text.contains("`credentials_from` returned no login: the vault is sealed"), "{text}");

    account.set(Some("right"));
    assert_eq!(user(&mut connect(&manager)), "token_each@%");
}

fn check_rotation<P: Pool<Manager = MysqlManager>>(
    account: &Account,
    open: impl Fn(MysqlManager) -> P,
) {
    account.rotate("first");
    account.set(Some("first"));
    let pool = open(account.manager());
    let mut conn = pool.get().unwrap();
    account.rotate("second");
    account.set(Some("second"));
    assert_eq!(user(&mut *conn), "token_pool@%", "an open connection stays");
    conn.discard();
    let mut conn = pool.get().unwrap();
    assert_eq!(user(&mut *conn), "token_pool@%", "the next one logs in with the new token");
    drop(conn);

    account.set(None);
    pool.get().unwrap().discard();
    let error = pool.get().map(drop).unwrap_err();
    let text = chain(&error).to_string();
    assert!(text.contains("the vault is sealed"), "{text}");
    assert!(!format!("{text} {error:?}").contains("second"));
    account.set(Some("second"));
    assert!(pool.get().is_ok(), "the pool goes on when the function does");
}

#[test]
fn a_running_pool_logs_in_with_the_token_of_the_moment() {
    let account = Account::new("token_pool", "first");
    let limit = Duration::from_millis(300);
    check_rotation(&account, |manager| {
        SharedPool::builder().max_size(1).get_timeout(limit).build(manager).unwrap()
    });
    check_rotation(&account, |manager| {
        QueuePool::builder().size(1).get_timeout(limit).build(manager).unwrap()
    });
    check_rotation(&account, |manager| {
        PersistentPool::builder().get_timeout(limit).build(manager).unwrap()
    });
}

#[test]
fn a_function_that_hangs_ends_with_the_connect_timeout() {
    let (_open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let manager = url_without_user()
        .credentials_from(move || {
            let _ = gate.lock().unwrap().recv(); // returns when the test ends
            Err("too late".into())
        })
        .connect_timeout(Some(Duration::from_millis(20)));
    for error in [
        manager.connect().unwrap_err(),
        manager.connect_within(Duration::from_millis(5)).unwrap_err(),
    ] {
        assert_eq!(classify(&error), ErrorClass::Transient, "{error}");
        let text = error.to_string();
        assert!(text.contains("it did not return within the"), "{text}");
        assert!(text.contains("that the connect timeout leaves"), "{text}");
    }
}

#[test]
fn a_function_that_panics_is_an_error_of_the_connect() {
    let manager = url_without_user().credentials_from(|| resume_unwind(Box::new("as planned")));
    let error = manager.connect().unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Transient, "{error}");
    assert_eq!(error.to_string(), "IoError { `credentials_from` returned no login: it panicked }");
}

#[test]
fn set_credentials_takes_the_place_of_the_function() {
    let account = Account::new("token_fixed", "right");
    let manager = account.manager();
    manager.set_credentials(Some("root"), None);
    account.set(None);
    assert!(user(&mut connect(&manager)).starts_with("root@"));
}

#[test]
fn sessions_are_spared_the_reset_for_the_user_that_the_function_names() {
    let account = Account::new("token_names", "right");
    MariaDb::shared().run_all(&["CREATE OR REPLACE TABLE test.token_names (a INT)"]);
    let pool = QueuePool::builder().size(1).build(account.manager()).unwrap();
    // The first answer about names may belong to no user yet, so the manager asks again.
    threadwise_testkit::wait::until("a return without a reset", || {
        let before = pool.state().counters.resets;
        let mut conn = pool.get().unwrap();
        conn.query_drop("SELECT a FROM token_names").unwrap();
        drop(conn);
        pool.state().counters.resets == before
    });
}
