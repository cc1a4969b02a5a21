//! A real MariaDB server.

use mysql::prelude::Queryable;
use threadwise_core::ManageConnection;
use threadwise_mysql::MysqlManager;

use super::Backend;
use crate::mariadb::MariaDb;

/// A database on the MariaDB server of this test process.
#[derive(Debug)]
pub struct Maria {
    database: String,
}

impl Maria {
    fn url(&self) -> String {
        MariaDb::shared().url_for(&self.database)
    }
}

impl Backend for Maria {
    type Manager = MysqlManager;

    fn start() -> Self {
        let server = MariaDb::shared();
        let database = server.create_database("conformance");
        let mut admin = server.admin();
        admin
            .query_drop(format!("CREATE TABLE {database}.work (id INT PRIMARY KEY) ENGINE=InnoDB"))
            .expect("a table");
        Self { database }
    }

    fn manager(&self) -> MysqlManager {
        MysqlManager::from_url(&self.url()).expect("the server's own address")
    }

    fn hopeless_manager(&self) -> Option<MysqlManager> {
        let url = self.url().replace("root@", "nobody:sesame@");
        Some(MysqlManager::from_url(&url).expect("a well-formed address"))
    }

    fn echo(conn: &mut threadwise_mysql::Connection, nonce: u64) -> u64 {
        conn.exec_first("SELECT ?", (nonce,)).expect("an answer").expect("a row")
    }

    fn soil(conn: &mut threadwise_mysql::Connection) {
        for statement in [
            "SET @secret = 'alice'",
            "SET SESSION sql_mode = ''",
            "SELECT GET_LOCK(CONCAT(DATABASE(), '.soil'), 10)",
            "CREATE TEMPORARY TABLE scratch (id INT)",
            "START TRANSACTION",
            "INSERT INTO work VALUES (1)",
        ] {
            conn.query_drop(statement).expect(statement);
        }
    }

    fn is_fresh(conn: &mut threadwise_mysql::Connection) -> bool {
        type Seen = (u64, Option<String>, bool, bool, bool);
        let seen: Seen = conn
            .query_first(
                "SELECT (SELECT COUNT(*) FROM work), @secret, @@sql_mode = '', @@in_transaction, \
                 IS_USED_LOCK(CONCAT(DATABASE(), '.soil')) <=> CONNECTION_ID()",
            )
            .expect("an answer")
            .expect("a row");
        // Only this session's lock counts: the server ends the session of a closed connection a
        // moment after the client hangs up, and only then releases the locks of that session. The
        // temporary table is last, because its failure is the expected answer.
        let scratch = conn.query_drop("SELECT * FROM scratch");
        seen == (0, None, false, false, false) && scratch.is_err()
    }

    fn cut(&self, conn: &mut threadwise_mysql::Connection) -> bool {
        MariaDb::shared().kill_connection(conn.connection_id().into());
        // The server hangs up a moment after it has answered.
        let manager = self.manager();
        crate::wait::until("the server to hang up", || manager.has_broken(conn));
        true
    }
}
