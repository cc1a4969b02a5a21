//! A real MariaDB server.

use std::net::SocketAddr;

use mysql::Error;
use mysql::prelude::Queryable;
use threadwise_conformance::{ManagerUnderTest, Proxy};
use threadwise_mysql::MysqlManager;

use crate::mariadb::MariaDb;
use crate::wait;

/// A database on the MariaDB server of this test process, behind a proxy.
#[derive(Debug)]
pub struct Maria {
    database: String,
    proxy: Proxy,
}

impl Maria {
    fn url(&self) -> String {
        let port = |port: u16| format!("127.0.0.1:{port}");
        let direct = MariaDb::shared().url_for(&self.database);
        direct.replace(&port(MariaDb::shared().port()), &port(self.proxy.address().port()))
    }
}

impl ManagerUnderTest for Maria {
    type Manager = MysqlManager;

    const PASSWORD: Option<&'static str> = Some("sesame");

    fn start() -> Self {
        #[cfg(unix)]
        crate::forked::keep_no_buffers();
        let server = MariaDb::shared();
        let database = server.create_database("conformance");
        let mut admin = server.admin();
        admin
            .query_drop(format!("CREATE TABLE {database}.work (id INT PRIMARY KEY) ENGINE=InnoDB"))
            .expect("a table");
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        Self { database, proxy: Proxy::before(address).expect("a port for the proxy") }
    }

    fn manager(&self) -> MysqlManager {
        MysqlManager::from_url(&self.url()).expect("the server's own address")
    }

    fn echo(&self, conn: &mut threadwise_mysql::Connection, nonce: u64) -> Result<u64, Error> {
        conn.exec_first("SELECT ?", (nonce,)).map(|row| row.expect("a row"))
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }

    fn cut(&self, conn: &mut threadwise_mysql::Connection) {
        let id = u64::from(conn.connection_id());
        MariaDb::shared().kill_connection(id);
        wait::until("the server to end the session", || {
            !MariaDb::shared().connection_ids(Some(&self.database)).contains(&id)
        });
    }

    fn soil(&self, conn: &mut threadwise_mysql::Connection) {
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

    fn is_fresh(&self, conn: &mut threadwise_mysql::Connection) -> bool {
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

    fn begin(&self, conn: &mut threadwise_mysql::Connection) {
        conn.query_drop("START TRANSACTION").expect("a transaction");
    }

    fn fail(&self, conn: &mut threadwise_mysql::Connection) -> Error {
        conn.query_drop("SELECT nonsense").expect_err("there is no such column")
    }

    fn refused_manager(&self) -> MysqlManager {
        let url = self.url().replace("root@", "nobody:sesame@");
        MysqlManager::from_url(&url).expect("a well-formed address")
    }
}
