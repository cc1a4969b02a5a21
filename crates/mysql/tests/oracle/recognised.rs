//! Which statements the manager recognises as harmless, and whether they are: each runs on a real
//! server, and the session is compared before and after by means that do not use texts.

use mysql::Conn;
use mysql::prelude::Queryable;
use threadwise_core::ManageConnection;
use threadwise_mysql::{Connection, MysqlManager};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::{SessionState, wait};

use crate::statements::{SCHEMA, STATEMENTS};

/// A server that shows what a session has, and the sessions to compare.
pub(crate) struct Oracle {
    _server: MariaDb,
    admin: Conn,
    pub(crate) manager: MysqlManager,
}

/// What a statement left in its session, and what the manager says of it.
pub(crate) struct Outcome {
    pub(crate) is_recognised: bool,
    pub(crate) left: Vec<String>,
    pub(crate) error: Option<mysql::Error>,
}

impl Oracle {
    pub(crate) fn new(setup: &[&str], database: &str) -> Self {
        let mut builder = MariaDb::builder();
        for argument in SessionState::SERVER {
            builder = builder.arg(argument);
        }
        let server = builder.start().expect("a private MariaDB");
        server.run_all(setup);
        let admin = server.admin();
        let manager = MysqlManager::from_url(&server.url_for(database)).expect("a good URL");
        Self { _server: server, admin, manager }
    }

    /// A session that the manager takes for unchanged.
    pub(crate) fn session(&self) -> Connection {
        let mut conn = self.manager.connect().unwrap();
        self.await_answer(&mut conn);
        conn
    }

    /// Waits until the manager knows what the names mean. Nothing may have changed the session.
    pub(crate) fn await_answer(&self, conn: &mut Connection) {
        wait::until("the server's answer about names", || {
            conn.query_drop("SELECT 1").unwrap();
            let has_changed = self.manager.has_changed(conn);
            if has_changed {
                self.manager.reset(conn).unwrap();
            }
            !has_changed
        });
    }

    /// The state of the session. The questions are such that the manager takes them for harmless.
    pub(crate) fn state(&mut self, conn: &mut Connection) -> SessionState {
        SessionState::of(conn, &mut self.admin).unwrap()
    }

    /// Whether the server has ended.
    pub(crate) fn has_crashed(&mut self) -> bool {
        self.admin.query_drop("SELECT 1").is_err()
    }

    pub(crate) fn run(&mut self, statements: &[&str]) -> Outcome {
        let mut conn = self.session();
        let before = self.state(&mut conn);
        assert!(!self.manager.has_changed(&mut conn), "the questions leave nothing");
        let error = statements.iter().find_map(|statement| conn.query_drop(statement).err());
        let is_recognised = !self.manager.has_changed(&mut conn);
        let after = self.state(&mut conn);
        Outcome { is_recognised, left: before.differences(&after), error }
    }
}

#[test]
fn at_least_eighty_of_ninety_typical_statements_are_recognised_and_these_leave_nothing() {
    assert_eq!(STATEMENTS.len(), 90);
    let mut oracle = Oracle::new(SCHEMA, "app");
    let mut recognised = 0;
    for (by, statements) in STATEMENTS {
        let Outcome { is_recognised, left, error } = oracle.run(statements);
        assert!(error.is_none(), "{statements:?}: {error:?}");
        recognised += usize::from(is_recognised);
        if is_recognised {
            assert_eq!(left, Vec::<String>::new(), "{statements:?}");
        } else {
            println!("{by}: not recognised (leaves {left:?}): {statements:?}");
        }
    }
    println!("recognised: {recognised} of {}", STATEMENTS.len());
    assert!(recognised >= 80, "{recognised}");
}
