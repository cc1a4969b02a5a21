//! Runs random statements of a grammar with harmless parts and parts with side effects. Those that
//! the manager takes for harmless must have left nothing.

use std::time::Instant;

use mysql::prelude::Queryable;
use threadwise_core::ManageConnection;
use threadwise_mysql::Connection;
use threadwise_testkit::LEAKY_SCHEMA;
use threadwise_testkit::stress::{Rng, seed_or, time_or};

use crate::recognised::Oracle;

/// How many sequences to run, or more if the environment variable `THREADWISE_STRESS_SECONDS` gives
/// time for more.
const SEQUENCES: u32 = 400;
/// How often random statements may end the server by a fault of its own.
const MOST_CRASHES: u32 = 3;

struct Grammar(Rng);

impl Grammar {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        self.0.one_of(of)
    }

    fn is(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    fn space(&mut self) -> &'static str {
        self.one(&[" ", " ", " ", "\n", "/* x */", " -- it\n", " # it's\n", "/**/", "\t"])
    }

    fn value(&mut self, depth: u32) -> String {
        if depth > 2 {
            return self
                .one(&["1", "id", "'a'", "1.5", "1e3", "1.e5", "1.", ".5", "NULL", "\\N", "t.id"])
                .to_owned();
        }
        let inner = |grammar: &mut Self| grammar.value(depth + 1);
        match self.0.below(16) {
            0 => format!("ABS({})", inner(self)),
            1 => format!("{}({})", self.one(&["COALESCE", "CONCAT", "GREATEST", "if"]), {
                let values: Vec<_> = (0..3).map(|_| inner(self)).collect();
                values.join(",")
            }),
            2 => self
                .one(&["sets()", "d.sets()", "`sets`()", "sets ()", "locks()", "creates()"])
                .to_owned(),
            3 => self.one(&["@a := 1", "(@a := 2)", "@b", "@@sql_mode", "@@hostname"]).to_owned(),
            4 => self
                .one(&[
                    "GET_LOCK('mine', 0)",
                    "LAST_INSERT_ID(5)",
                    "LAST_INSERT_ID()",
                    "CONNECTION_ID()",
                ])
                .to_owned(),
            5 => format!("(SELECT {} FROM {} LIMIT 1)", inner(self), self.table()),
            6 => self
                .one(&[
                    "'it''s'",
                    "'it\\'s'",
                    "'\\\\'",
                    "\"a\"",
                    "''",
                    "'-- '",
                    "'#'",
                    "'/*'",
                    "'@a := 1'",
                    "'\\', sets(), \\''",
                ])
                .to_owned(),
            7 => format!(
                "{} {} {}",
                inner(self),
                self.one(&["+", "-", "=", "<", "AND", "OR", "--", "- -", "LIKE", "DIV"]),
                inner(self)
            ),
            8 => format!("SUM({}) OVER (ORDER BY {})", inner(self), inner(self)),
            9 => format!(
                "CAST({} AS {})",
                inner(self),
                self.one(&["CHAR(10)", "UNSIGNED", "DATETIME(3)"])
            ),
            10 => format!("EXTRACT(YEAR FROM {})", inner(self)),
            11 => format!("JSON_VALUE({}, '$')", inner(self)),
            12 => {
                self.one(&["next", "`value`", "begin", "start", "ROW_NUMBER() OVER ()"]).to_owned()
            }
            _ => self.one(&["1", "id", "'a'", "1.5", "NULL", "t.id", "*"]).to_owned(),
        }
    }

    fn table(&mut self) -> String {
        let table = self.one(&[
            "t",
            "t",
            "t",
            "t AS t",
            "u",
            "d.t",
            "`t`",
            "`d`.`t`",
            "setting",
            "`setting`",
            "d.setting",
            "other.setting_elsewhere",
            "D.v",
            "(SELECT 1 AS id) t",
            "(SELECT * FROM locking) t",
            "triggering",
            "seq_1_to_3",
            "information_schema.tables",
            "`1`",
            "d.1",
            "(VALUES (sets())) t",
        ]);
        match self.0.below(10) {
            2 => format!(
                "{table}, t `where` JOIN u `set` ON {}.id = {}, other.setting_elsewhere e",
                self.one(&["where", "set", "`where`", ".where"]),
                self.value(2)
            ),
            0 => format!(
                "{table} x JOIN {} ON {}",
                self.one(&["t", "setting", "other.setting_elsewhere e"]),
                self.value(2)
            ),
            1 => format!(
                "{table}, {}",
                self.one(&["t t2", "other.setting_elsewhere e", "locking l"])
            ),
            _ => table.to_owned(),
        }
    }

    fn select(&mut self) -> String {
        let mut sql = format!("SELECT{}{}", self.space(), self.value(0));
        if self.is(80) {
            let before = if self.is(10) { "" } else { self.space() };
            sql += &format!("{before}FROM{}{}", self.space(), self.table());
        }
        if self.is(40) {
            sql += &format!("{}WHERE {}", self.space(), self.value(1));
        }
        if self.is(10) {
            sql += self.one(&[" INTO @a", " FOR UPDATE", " LIMIT 1", " ORDER BY 1"]);
        }
        sql
    }

    fn with(&mut self) -> String {
        let queries = match self.0.below(3) {
            0 => format!("c AS ({})", self.select()),
            1 => format!("c (id) AS ({}), b AS ({})", self.select(), self.select()),
            _ => format!("RECURSIVE c AS ({})", self.select()),
        };
        let statement = match self.0.below(4) {
            0 => format!("({}) ORDER BY 1, {}", self.select(), self.value(1)),
            1 => format!("(({})) UNION ({}) LIMIT 2", self.select(), self.select()),
            _ => self.select(),
        };
        format!("WITH {queries} {statement}")
    }

    fn statement(&mut self) -> String {
        match self.0.below(20) {
            0 => format!(
                "INSERT INTO {} VALUES (NULL)",
                self.one(&["u", "u (id)", "triggering", "d.u", "other.t", "other .t", "d . u"])
            ),
            1 => format!(
                "INSERT {}u SELECT NULL FROM {}",
                self.one(&["", "INTO ", "IGNORE ", "IGNORE INTO "]),
                self.table()
            ),
            2 => format!(
                "UPDATE {} SET v = {}",
                self.one(&["t", "t x", "d.t", "setting"]),
                self.value(0)
            ),
            3 => format!(
                "DELETE FROM {} WHERE {}",
                self.one(&[
                    "u",
                    "triggering",
                    "locked_on_delete",
                    "u USING (u, other.setting_elsewhere)",
                ]),
                self.value(0)
            ),
            4 => self.with(),
            5 => format!("({}) UNION ({})", self.select(), self.select()),
            6 => format!("EXPLAIN {}", self.select()),
            7 => self
                .one(&[
                    "BEGIN",
                    "COMMIT",
                    "ROLLBACK",
                    "SAVEPOINT a",
                    "ROLLBACK TO a",
                    "SET autocommit = 0",
                    "SET autocommit = 1",
                    "SHOW TABLES",
                    "SHOW WARNINGS",
                    "DESC setting",
                    "START TRANSACTION",
                ])
                .to_owned(),
            8 => format!("{}; {}", self.select(), self.select()),
            9 => self
                .one(&[
                    "SET @a = 1",
                    "CALL calls()",
                    "DO GET_LOCK('mine', 0)",
                    "SELECT /*! @a := 1 */ 1",
                    "USE other",
                    "HANDLER t OPEN",
                ])
                .to_owned(),
            _ => self.select(),
        }
    }
}

/// The sequences of a run, on servers of its own.
struct Run {
    grammar: Grammar,
    oracle: Oracle,
    conn: Connection,
    recognised: u32,
    crashes: u32,
}

impl Run {
    fn new(seed: u64) -> Self {
        let (oracle, conn) = start();
        Self { grammar: Grammar(Rng::new(seed)), oracle, conn, recognised: 0, crashes: 0 }
    }

    /// Runs some statements, and asserts that they left nothing if they count as harmless.
    fn run_sequence(&mut self) {
        let Self { grammar, oracle, conn, .. } = self;
        let before = oracle.state(conn);
        let statements: Vec<_> = (0..=grammar.0.below(2)).map(|_| grammar.statement()).collect();
        let error = statements.iter().find_map(|statement| conn.query_drop(statement).err());
        if error.is_some_and(|error| oracle.manager.is_lost(&error)) {
            assert!(oracle.has_crashed(), "{statements:?} lost the connection");
            println!("the server ended with {statements:?}");
            self.crashes += 1;
            assert!(self.crashes <= MOST_CRASHES, "the server ends again and again");
            (self.oracle, self.conn) = start();
        } else if oracle.manager.has_changed(conn) {
            oracle.manager.reset(conn).unwrap();
            oracle.await_answer(conn); // a statement may have changed the schema
        } else {
            self.recognised += 1;
            let left = before.differences(&oracle.state(conn));
            assert_eq!(left, Vec::<String>::new(), "{statements:?}");
        }
    }
}

fn start() -> (Oracle, Connection) {
    let mut setup = LEAKY_SCHEMA.to_vec();
    setup.extend([
        "CREATE DATABASE D",
        "CREATE VIEW D.v AS SELECT id, d.sets() AS v FROM d.t",
        "CREATE VIEW d.`1` AS SELECT id, d.sets() AS v FROM d.t",
        "CREATE TABLE other.t (id INT AUTO_INCREMENT PRIMARY KEY)",
        "CREATE TRIGGER other.fires BEFORE INSERT ON other.t FOR EACH ROW SET @a = 1",
    ]);
    let oracle = Oracle::new(&setup, "d");
    let mut conn = oracle.session();
    conn.query_drop("SET @x = 1").unwrap();
    oracle.manager.reset(&mut conn).unwrap();
    (oracle, conn)
}

#[test]
fn random_statements_that_count_as_harmless_leave_nothing() {
    let mut run = Run::new(seed_or(17));
    let end = Instant::now() + time_or(0);
    let mut sequences = 0;
    while sequences < SEQUENCES || Instant::now() < end {
        run.run_sequence();
        sequences += 1;
    }
    println!("{sequences} sequences, {} were recognised", run.recognised);
    assert!(run.recognised > SEQUENCES / 20, "{}", run.recognised);
}
