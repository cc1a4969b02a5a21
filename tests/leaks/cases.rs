//! What a borrower may leave in its session, and how the next one would find it.

use mysql::prelude::Queryable;
use mysql::{Conn, LocalInfileHandler, PooledConn};
use threadwise::mysql::Connection;

/// Runs once, as root.
pub(crate) const SETUP: &[&str] = &[
    "CREATE DATABASE d",
    "CREATE DATABASE other",
    "CREATE TABLE d.t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB",
    "INSERT INTO d.t VALUES (1, 10)",
    "CREATE TABLE d.u (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB",
    "CREATE FUNCTION d.sets() RETURNS INT BEGIN SET @a = 1; RETURN 1; END",
    "CREATE FUNCTION d.locks() RETURNS INT BEGIN DO GET_LOCK('mine', 0); RETURN 1; END",
    "CREATE FUNCTION d.creates() RETURNS INT BEGIN CREATE TEMPORARY TABLE x (i INT); RETURN 1; END",
    "CREATE VIEW d.setting AS SELECT id, d.sets() AS v FROM d.t",
    "CREATE VIEW d.locking AS SELECT id, d.locks() AS v FROM d.t",
    "CREATE VIEW other.setting_elsewhere AS SELECT id, d.sets() AS v FROM d.t",
    "CREATE TABLE d.triggering (id INT AUTO_INCREMENT PRIMARY KEY)",
    "CREATE TRIGGER d.fires BEFORE INSERT ON d.triggering FOR EACH ROW SET @a = 1",
    "CREATE TABLE d.locked_on_delete (id INT)",
    "INSERT INTO d.locked_on_delete VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12)",
    "CREATE TRIGGER d.locks BEFORE DELETE ON d.locked_on_delete FOR EACH ROW DO GET_LOCK('mine', 0)",
    "CREATE VIEW d.setting_id AS SELECT id FROM d.t WHERE d.sets() = 1",
    "CREATE PROCEDURE d.calls() BEGIN SET @a = 1; END",
    "CREATE TABLE d.files (line TEXT)",
    "CREATE ROLE boss",
    "GRANT boss TO root@127.0.0.1",
];

pub(crate) const VARIABLE: &str = "SELECT CAST(@a AS CHAR)";
const TEMPORARY: &str = "SELECT COUNT(*) FROM x";
const LOCK: &str = "SELECT COALESCE(IS_USED_LOCK('mine') = CONNECTION_ID(), 0)";

/// The statements that a borrower runs, and the question that shows the next one what is left.
pub(crate) const LEAKS: &[(&[&str], &str)] = &[
    (&["BEGIN", "DELETE FROM t"], "SELECT CONCAT(@@in_transaction, (SELECT COUNT(*) FROM t))"),
    (&["BEGIN", "SELECT v FROM t"], "SELECT @@in_transaction"),
    (&["SET autocommit = 0", "DELETE FROM t"], "SELECT CONCAT(@@autocommit, @@in_transaction)"),
    (&["SET autocommit = 0"], "SELECT @@autocommit"),
    (&["COMMIT AND CHAIN"], "SELECT @@in_transaction"),
    (&["SET @a = 1"], VARIABLE),
    (&["SELECT @a := 1"], VARIABLE),
    (&["SELECT v INTO @a FROM t"], VARIABLE),
    (&["SELECT sets()"], VARIABLE),
    (&["SELECT d.sets ()"], VARIABLE),
    (&["SELECT `sets`()"], VARIABLE),
    (&["SELECT v FROM setting"], VARIABLE),
    (&["SELECT v FROM `setting`", "SELECT s.v FROM d.setting AS s"], VARIABLE),
    (&["SELECT v FROM other.setting_elsewhere"], VARIABLE),
    (&["INSERT INTO triggering VALUES (NULL)"], VARIABLE),
    (&["INSERT INTO triggering (id) VALUES (NULL)"], VARIABLE),
    (&["REPLACE INTO triggering VALUES (7)"], VARIABLE),
    (&["DELETE FROM locked_on_delete LIMIT 1"], LOCK),
    (&["INSERT INTO u SELECT NULLIF(v, v) FROM setting"], VARIABLE),
    (&["INSERT INTO u VALUES (sets() - 1)"], VARIABLE),
    (&["UPDATE setting_id SET id = 1"], VARIABLE),
    (&["BEGIN", "INSERT INTO u VALUES (NULL)"], "SELECT @@in_transaction"),
    (&["CALL calls()"], VARIABLE),
    (&["EXECUTE IMMEDIATE 'SET @a = 1'"], VARIABLE),
    (&["SELECT v FROM t; SET @a = 1"], VARIABLE),
    (&["SELECT v FROM t /*! WHERE (@a := 1) */"], VARIABLE),
    (&["CREATE TEMPORARY TABLE x (i INT)"], TEMPORARY),
    (&["SELECT creates()"], TEMPORARY),
    (&["DO GET_LOCK('mine', 0)"], LOCK),
    (&["SELECT GET_LOCK('mine', 0)"], LOCK),
    (&["SELECT locks()"], LOCK),
    (&["SELECT v FROM locking"], LOCK),
    (&["LOCK TABLES t READ"], "SELECT COUNT(*) FROM u"),
    (&["FLUSH TABLES WITH READ LOCK"], "INSERT INTO u VALUES (NULL)"),
    (&["SET sql_mode = 'ANSI_QUOTES'"], "SELECT @@sql_mode"),
    (&["SET time_zone = '+05:00'"], "SELECT @@time_zone"),
    (&["SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"], "SELECT @@tx_isolation"),
    (&["SET TRANSACTION READ ONLY"], "INSERT INTO u VALUES (NULL)"),
    (&["USE other"], "SELECT DATABASE()"),
    (&["SET NAMES latin1"], "SELECT @@character_set_client"),
    (&["SET collation_connection = 'utf8mb4_bin'"], "SELECT @@collation_connection"),
    (&["PREPARE s FROM 'SELECT 1'"], "EXECUTE s"),
    (&["HANDLER t OPEN"], "HANDLER t READ FIRST"),
    (&["SET ROLE boss"], "SELECT CURRENT_ROLE()"),
    (&["XA START 'x'"], "SELECT @@in_transaction"),
    (&["XA START 'y'", "XA END 'y'"], "SELECT @@in_transaction"),
    (&["SET foreign_key_checks = 0"], "SELECT @@foreign_key_checks"),
    (&["SET wait_timeout = 77"], "SELECT @@wait_timeout"),
    (&["SET max_statement_time = 77"], "SELECT @@max_statement_time"),
];

/// What a borrower may leave in addition to the effects of statements.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leftover {
    /// Rows that the borrower neither read nor dropped.
    RowsForgotten,
    /// A handler of local files, which may contain the borrower's secrets.
    FileHandler,
}

/// A connection of the driver or of threadwise.
pub(crate) trait Session: Queryable {
    fn set_file_handler(&mut self, handler: LocalInfileHandler);
}

impl Session for Conn {
    fn set_file_handler(&mut self, handler: LocalInfileHandler) {
        self.set_local_infile_handler(Some(handler));
    }
}

impl Session for PooledConn {
    fn set_file_handler(&mut self, handler: LocalInfileHandler) {
        self.as_mut().set_local_infile_handler(Some(handler));
    }
}

impl Session for Connection {
    fn set_file_handler(&mut self, handler: LocalInfileHandler) {
        self.set_local_infile_handler(Some(handler));
    }
}

impl Leftover {
    pub(crate) const ALL: [Self; 2] = [Self::RowsForgotten, Self::FileHandler];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RowsForgotten => "rows forgotten half-read",
            Self::FileHandler => "a handler for `LOAD DATA LOCAL INFILE`",
        }
    }

    pub(crate) fn leave(self, conn: &mut impl Session) {
        match self {
            Self::RowsForgotten => std::mem::forget(conn.query_iter("SELECT 1 UNION SELECT 2")),
            Self::FileHandler => conn.set_file_handler(LocalInfileHandler::new(|_, file| {
                std::io::Write::write_all(file, b"of the one before\n")
            })),
        }
    }

    pub(crate) fn is_found(self, conn: &mut impl Session) -> bool {
        match self {
            Self::RowsForgotten => !matches!(conn.query_first("SELECT 3"), Ok(Some(3))),
            Self::FileHandler => {
                // Without a handler the driver sends an empty file.
                conn.query_drop("LOAD DATA LOCAL INFILE 'x' INTO TABLE files").unwrap();
                let lines: Option<u32> = conn.query_first("SELECT COUNT(*) FROM files").unwrap();
                conn.query_drop("DELETE FROM files").unwrap();
                lines != Some(0)
            }
        }
    }
}
