//! Random statements, by a grammar with harmless parts and parts with side effects: those that the
//! manager takes for harmless have left nothing.

use std::time::Instant;

use mysql::prelude::Queryable;
use threadwise_core::ManageConnection;
use threadwise_mysql::Connection;
use threadwise_testkit::stress::{Rng, first_seed};
use threadwise_testkit::{LEAKY_SCHEMA, SessionState, wait};

use crate::recognised::Oracle;

/// How many statements to run, unless the environment variable `THREADWISE_FUZZ` says otherwise.
const STATEMENTS: u32 = 400;
/// How many of them must be recognised, or the test shows nothing.
const ENOUGH: u32 = 10;

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
            return self.one(&["1", "id", "'a'", "1.5", "1e3", "NULL", "t.id"]).to_owned();
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
        ]);
        match self.0.below(8) {
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
            sql += &format!("{}FROM{}{}", self.space(), self.space(), self.table());
        }
        if self.is(40) {
            sql += &format!("{}WHERE {}", self.space(), self.value(1));
        }
        if self.is(10) {
            sql += self.one(&[" INTO @a", " FOR UPDATE", " LIMIT 1", " ORDER BY 1"]);
        }
        sql
    }

    fn statement(&mut self) -> String {
        match self.0.below(20) {
            0 => format!(
                "INSERT INTO {} VALUES (NULL)",
                self.one(&["u", "u (id)", "triggering", "d.u", "other.x"])
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
                self.one(&["u", "triggering", "locked_on_delete"]),
                self.value(0)
            ),
            4 => format!("WITH c AS ({}) {}", self.select(), self.select()),
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

/// A session that was reset once, and its state.
fn new_session(oracle: &mut Oracle) -> (Connection, SessionState) {
    let mut conn = oracle.session();
    conn.query_drop("SET @x = 1").unwrap();
    oracle.manager.reset(&mut conn).unwrap();
    let state = oracle.state(&mut conn);
    (conn, state)
}

#[test]
fn random_statements_that_count_as_harmless_leave_nothing() {
    let seed = first_seed();
    let count = std::env::var("THREADWISE_FUZZ").ok().and_then(|count| count.parse().ok());
    let mut setup = LEAKY_SCHEMA.to_vec();
    setup.extend(["CREATE DATABASE D", "CREATE VIEW D.v AS SELECT id, d.sets() AS v FROM d.t"]);
    let mut oracle = Oracle::new(&setup, "d");
    let mut grammar = Grammar(Rng::new(seed));
    let (mut recognised, mut succeeded) = (0, 0);
    let (mut conn, mut before) = new_session(&mut oracle);
    let count = count.unwrap_or(STATEMENTS);
    let patience = Instant::now() + wait::PATIENCE;
    let mut run = 0;
    // After a statement that may have changed the schema nothing is recognised for a second. A fast
    // machine runs hundreds of statements in that time.
    while run < count || (recognised <= ENOUGH && Instant::now() < patience) {
        run += 1;
        let statements: Vec<_> = (0..=grammar.0.below(2)).map(|_| grammar.statement()).collect();
        let error = statements.iter().find_map(|statement| conn.query_drop(statement).err());
        if error.as_ref().is_some_and(|error| oracle.manager.is_lost(error)) {
            // Random statements also find faults of the server.
            assert!(oracle.has_crashed(), "seed {seed}: {statements:?} lost the connection");
            println!("the server ended with {statements:?}");
            oracle = Oracle::new(&setup, "d");
            (conn, before) = new_session(&mut oracle);
            continue;
        }
        succeeded += u32::from(error.is_none());
        if oracle.manager.has_changed(&mut conn) {
            oracle.manager.reset(&mut conn).unwrap();
            before = oracle.state(&mut conn);
            continue;
        }
        recognised += 1;
        let left = before.differences(&oracle.state(&mut conn));
        assert_eq!(left, Vec::<String>::new(), "seed {seed}: {statements:?}");
    }
    println!("{succeeded} sequences succeeded, {recognised} were recognised");
    assert!(recognised > ENOUGH, "{recognised}");
}
