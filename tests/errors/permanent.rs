//! Permanent errors: `get` fails at once with the server's error. Open connections go on, unless
//! the server closes them.

use mysql::prelude::Queryable;
use mysql::{Opts, OptsBuilder};
use threadwise::mysql::{ErrorClass, MysqlManager, classify};
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;

use crate::kinds::{
    AnyPool, answers, as_root, assert_refused, code, empty, fails_at_once, heals, on_each_pool,
    serves, start,
};

/// A user with a database of the same name, which an administrator changes.
struct Account<'s> {
    server: &'s MariaDb,
    name: String,
    /// The address from which the user may connect, and does.
    host: &'static str,
}

impl<'s> Account<'s> {
    fn new(server: &'s MariaDb, name: &str, host: &'static str) -> Self {
        let account = Self { server, name: server.create_database(name), host };
        account
            .change(&["CREATE USER {user} IDENTIFIED BY 'old'", "GRANT ALL ON {db}.* TO {user}"]);
        account
    }

    fn change(&self, statements: &[&str]) {
        let Self { server, name, host } = self;
        for sql in statements {
            let sql = sql.replace("{user}", &format!("{name}@'{host}'")).replace("{db}", name);
            as_root(server, &[&sql]);
        }
    }

    fn opts(&self, password: &str) -> OptsBuilder {
        let Self { server, name, host } = self;
        let url = format!("mysql://{name}:{password}@127.0.0.1:{}/{name}", server.port());
        let opts = OptsBuilder::from_opts(Opts::from_url(&url).unwrap());
        opts.bind_address(Some(std::net::SocketAddr::new(host.parse().unwrap(), 0)))
    }

    fn manager(&self) -> MysqlManager {
        MysqlManager::new(self.opts("old"))
    }
}

/// An administrator's change, how to undo it, and the error of new connections meanwhile.
struct Change<'c> {
    made: &'c [&'c str],
    undone: &'c [&'c str],
    answer: u16,
}

fn check(name: &str, host: &'static str, change: &Change<'_>) {
    let account = Account::new(MariaDb::shared(), name, host);
    on_each_pool!(shut_out, account.manager(), &account, change);
}

fn shut_out(pool: &impl AnyPool, account: &Account<'_>, change: &Change<'_>) {
    let mut held = pool.get().unwrap();
    let id = held.connection_id();
    account.change(change.made);
    answers(&mut held);
    drop(held);
    assert_eq!(serves(pool), id, "open connections go on");

    empty(pool);
    fails_at_once(pool, change.answer);
    fails_at_once(pool, change.answer);
    account.change(change.undone);
    heals(pool);
}

#[test]
fn building_a_pool_fails_if_the_server_refuses_permanently() {
    let account = Account::new(MariaDb::shared(), "build", "127.0.0.1");
    let wrong_password = || MysqlManager::new(account.opts("wrong"));
    let no_database = || MysqlManager::new(account.opts("old").db_name(Some("no_such_database")));
    let managers: [(&dyn Fn() -> MysqlManager, u16); 2] =
        [(&wrong_password, 1045), (&no_database, 1044)]; // 1044 does not say whether it exists
    for (manager, number) in managers {
        for error in [
            SharedPool::new(manager()).map(drop).unwrap_err(),
            QueuePool::new(manager(), 2).map(drop).unwrap_err(),
            PersistentPool::new(manager()).map(drop).unwrap_err(),
        ] {
            assert_refused(&error, number);
        }
    }
}

#[test]
fn a_changed_password_fails_new_connections_only() {
    let change = Change {
        made: &["ALTER USER {user} IDENTIFIED BY 'new'"],
        undone: &["ALTER USER {user} IDENTIFIED BY 'old'"],
        answer: 1045,
    };
    check("password", "127.0.0.1", &change);
}

#[test]
fn a_locked_account_fails_new_connections_only() {
    let change = Change {
        made: &["ALTER USER {user} ACCOUNT LOCK"],
        undone: &["ALTER USER {user} ACCOUNT UNLOCK"],
        answer: 4151,
    };
    check("locked", "127.0.0.1", &change);
}

#[test]
fn an_expired_password_fails_new_connections_only() {
    // The connection opens, but may only change the password.
    let change = Change {
        made: &["ALTER USER {user} PASSWORD EXPIRE"],
        undone: &["ALTER USER {user} IDENTIFIED BY 'old' PASSWORD EXPIRE NEVER"],
        answer: 1820,
    };
    let account = Account::new(MariaDb::shared(), "expired", "127.0.0.1");
    on_each_pool!(shut_out_after_one, account.manager(), &account, &change);
}

/// The server reports this error for the first statement only, which may be a borrower's.
fn shut_out_after_one(pool: &impl AnyPool, account: &Account<'_>, change: &Change<'_>) {
    serves(pool);
    account.change(change.made);
    serves(pool);
    empty(pool);
    if let Ok(mut conn) = pool.get() {
        let error = conn.query_drop("DO 1").unwrap_err();
        assert_eq!((code(&error), classify(&error)), (Some(change.answer), ErrorClass::Permanent));
    }
    fails_at_once(pool, change.answer);
    account.change(change.undone);
    heals(pool);
}

#[test]
fn a_dropped_user_fails_new_connections_only() {
    let change = Change {
        made: &["DROP USER {user}"],
        undone: &["CREATE USER {user} IDENTIFIED BY 'old'", "GRANT ALL ON {db}.* TO {user}"],
        answer: 1045,
    };
    check("dropped_user", "127.0.0.1", &change);
}

#[test]
fn revoked_rights_fail_new_connections_only() {
    let change = Change {
        made: &["REVOKE ALL ON {db}.* FROM {user}"],
        undone: &["GRANT ALL ON {db}.* TO {user}"],
        answer: 1044,
    };
    check("revoked", "127.0.0.1", &change);
}

#[test]
fn a_dropped_database_fails_new_connections_only() {
    let change =
        Change { made: &["DROP DATABASE {db}"], undone: &["CREATE DATABASE {db}"], answer: 1049 };
    check("dropped_db", "127.0.0.1", &change);
}

#[test]
#[cfg(target_os = "linux")] // there all of 127.0.0.0/8 is this machine
fn a_host_without_an_account_fails_new_connections_only() {
    let (here, elsewhere) = ("{user}", "elsewhere@'127.0.0.3'");
    let change = Change {
        made: &[&format!("RENAME USER {here} TO {elsewhere}")],
        undone: &[&format!("RENAME USER {elsewhere} TO {here}")],
        answer: 1130,
    };
    check("host", "127.0.0.2", &change);
}

#[test]
fn a_strict_server_refuses_connections_until_an_administrator_helps() {
    let server = start(
        MariaDb::builder().arg("--max-password-errors=1").arg("--disconnect-on-expired-password=1"),
    );
    let account = Account::new(&server, "strict", "127.0.0.1");
    let change = Change {
        made: &["ALTER USER {user} PASSWORD EXPIRE"],
        undone: &["ALTER USER {user} IDENTIFIED BY 'old' PASSWORD EXPIRE NEVER"],
        answer: 1862,
    };
    on_each_pool!(shut_out, account.manager(), &account, &change);
    on_each_pool!(block, account.manager(), &account);
}

fn block(pool: &impl AnyPool, account: &Account<'_>) {
    serves(pool);
    for _ in 0..2 {
        let _ = mysql::Conn::new(account.opts("wrong")).expect_err("a wrong password");
    }
    empty(pool);
    fails_at_once(pool, 4150);
    account.change(&["FLUSH PRIVILEGES"]);
    heals(pool);
}
