//! Which statements the manager takes for harmless, and whether they are: each runs on a real server,
//! and the session is compared before and after by means that do not use texts.

mod common;

use common::Database;
use threadwise_core::ManageConnection;
use threadwise_postgres::{Connection, PostgresManager};
use threadwise_testkit::PgSessionState;
use threadwise_testkit::postgres::Postgres;

const SCHEMA: &[&str] = &[
    "CREATE TABLE customer (id SERIAL PRIMARY KEY, name TEXT NOT NULL, tags TEXT[], data JSONB)",
    "CREATE TABLE item (id INT PRIMARY KEY, name TEXT, price NUMERIC(10, 2), \
     changed TIMESTAMPTZ DEFAULT now())",
    "CREATE TABLE orders (id INT GENERATED ALWAYS AS IDENTITY, customer INT REFERENCES customer, \
     item INT REFERENCES item ON DELETE CASCADE, amount INT CHECK (amount > 0))",
    "CREATE INDEX ON customer (lower(name))",
    "CREATE VIEW turnover AS SELECT customer, sum(amount * price) AS total \
     FROM orders JOIN item ON item.id = orders.item GROUP BY customer",
    "CREATE FUNCTION touch() RETURNS trigger AS \
     'BEGIN NEW.changed := now(); RETURN NEW; END' LANGUAGE plpgsql",
    "CREATE TRIGGER touch BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION touch()",
    "INSERT INTO customer (name) VALUES ('Ada'), ('Bob')",
    "INSERT INTO item VALUES (1, 'tea', 2.5), (2, 'cake', 4)",
    "INSERT INTO orders (customer, item, amount) VALUES (1, 1, 3), (1, 2, 1), (2, 1, 1)",
];

/// Statements as applications have them. Their session needs no reset.
const TYPICAL: &[&str] = &[
    "SELECT 1",
    "SELECT id, name FROM customer WHERE id = 1",
    "SELECT count(*) FROM orders",
    "SELECT c.name, sum(o.amount) FROM customer c JOIN orders o ON o.customer = c.id GROUP BY c.name",
    "SELECT * FROM item WHERE name ILIKE '%ea%' ORDER BY price DESC NULLS LAST LIMIT 10 OFFSET 0",
    "SELECT * FROM customer WHERE id = ANY (ARRAY[1, 2, 3])",
    "SELECT id FROM item WHERE price BETWEEN 1 AND 3 AND id IN (1, 2)",
    "SELECT coalesce(max(id), 0) + 1 FROM item",
    "SELECT EXISTS (SELECT 1 FROM orders WHERE customer = 1)",
    "SELECT date_trunc('day', changed), count(*) FROM item GROUP BY 1",
    "SELECT name, rank() OVER (PARTITION BY name ORDER BY price) FROM item",
    "SELECT data ->> 'a', data #> '{b}', jsonb_array_length('[1]'::jsonb) FROM customer",
    "SELECT jsonb_build_object('id', id, 'name', name) FROM customer",
    "SELECT json_agg(row_to_json(c)) FROM customer AS c",
    "SELECT array_agg(name ORDER BY name) FILTER (WHERE price > 1) FROM item",
    "SELECT g.d::date FROM generate_series(now(), now() + interval '3 days', '1 day') AS g(d)",
    "SELECT * FROM customer c CROSS JOIN LATERAL (SELECT count(*) FROM orders WHERE customer = c.id) n",
    "WITH big AS (SELECT * FROM orders WHERE amount > 1) SELECT count(*) FROM big",
    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
    "SELECT total FROM turnover WHERE customer = 1",
    "SELECT * FROM item FOR UPDATE SKIP LOCKED",
    "SELECT extract(epoch FROM now()), current_date, CURRENT_TIMESTAMP, to_char(now(), 'YYYY')",
    "SELECT CASE WHEN price > 3 THEN 'dear' ELSE 'cheap' END FROM item",
    "SELECT string_agg(name, ', ') FROM customer GROUP BY GROUPING SETS ((), (id))",
    "SELECT substring(name FROM 1 FOR 2), trim(both ' ' FROM name), position('a' IN name) FROM customer",
    "SELECT md5(name), encode(sha256(name::bytea), 'hex'), gen_random_uuid() FROM customer",
    "SELECT relname FROM pg_catalog.pg_class WHERE oid = 'item'::regclass",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
    "SELECT pg_try_advisory_xact_lock(7)",
    "INSERT INTO item (id, name, price) VALUES (3, 'jam', 1) RETURNING id",
    "INSERT INTO item VALUES (3, 'jam', 1) ON CONFLICT (id) DO UPDATE SET price = EXCLUDED.price",
    "INSERT INTO item SELECT id + 10, name FROM customer",
    "UPDATE item SET price = round(price * 1.1, 2), name = upper(name) WHERE id = 1",
    "UPDATE orders o SET amount = 2 FROM item i WHERE o.item = i.id AND i.name = 'CAKE'",
    "UPDATE customer SET tags = array_append(tags, 'x'), data = jsonb_set('{}', '{a}', '1')",
    "DELETE FROM orders WHERE amount > 100",
    "DELETE FROM item USING orders WHERE orders.item = item.id AND orders.amount > 100",
    "WITH gone AS (DELETE FROM item WHERE id > 100 RETURNING *) SELECT count(*) FROM gone",
    "MERGE INTO item USING (VALUES (1)) AS v(id) ON item.id = v.id WHEN MATCHED THEN UPDATE SET price = 3",
    "EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM item WHERE id = 1",
    "SHOW server_version",
    "BEGIN",
    "SAVEPOINT a",
    "SET LOCAL statement_timeout = '5s'",
    "LOCK TABLE item IN SHARE MODE",
    "DECLARE c CURSOR FOR SELECT * FROM item",
    "FETCH 10 FROM c",
    "CLOSE c",
    "ROLLBACK TO a",
    "COMMIT",
    "NOTIFY news, 'x'",
    "TRUNCATE orders",
    "TABLE item",
    "VALUES (1, 'a'), (2, 'b')",
];

/// Statements that are seldom, or that leave something. Their session may be reset.
const OTHER: &[&str] = &[
    "SET work_mem = '1MB'",
    "SELECT set_config('my.v', '1', false)",
    "SELECT set_config('my.v', '1', true)",
    "CREATE TEMP TABLE x (i INT)",
    "PREPARE p AS SELECT 1",
    "DEALLOCATE ALL",
    "LISTEN news",
    "SELECT pg_advisory_lock(7)",
    "SELECT nextval('customer_id_seq')",
    "DO $$ BEGIN NULL; END $$",
    "ANALYZE item",
    "VACUUM item",
    "SELECT U&'\\0041'",
    "SELECT 1; SELECT 2",
    "REINDEX TABLE item",
    "COMMENT ON TABLE item IS 'x'",
    "ALTER TABLE item ADD COLUMN x INT",
    "CREATE TABLE y (i INT)",
    "DROP TABLE y",
    "DISCARD TEMP",
    "RESET ALL",
];

fn state(conn: &mut Connection, database: &Database) -> PgSessionState {
    let mut admin = Postgres::shared().admin_of(&database.name);
    PgSessionState::of(conn, &mut admin).expect("an answer")
}

/// Whether the manager takes the session for changed by `sql`, and what is different afterwards.
fn judge(
    manager: &PostgresManager,
    conn: &mut Connection,
    database: &Database,
    sql: &str,
) -> (bool, Vec<String>) {
    let before = state(conn, database);
    manager.begin_session(conn);
    conn.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let has_changed = manager.has_changed(conn);
    let after = state(conn, database);
    // A column's default may take a number from a sequence: a known limit.
    let left = before.differences(&after);
    (has_changed, left.into_iter().filter(|text| !text.starts_with("last number")).collect())
}

#[test]
fn typical_statements_are_recognised_and_leave_nothing() {
    let database = Database::new(SCHEMA);
    let (manager, mut conn) = database.connect();
    let mut unrecognised = Vec::new();
    let mut in_transaction = false;
    for sql in TYPICAL {
        // Between BEGIN and COMMIT the session differs, by its transaction.
        if *sql == "BEGIN" {
            in_transaction = true;
            manager.begin_session(&mut conn);
        }
        if in_transaction {
            conn.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            if *sql == "COMMIT" {
                in_transaction = false;
                if manager.has_changed(&mut conn) {
                    unrecognised.push("the transaction");
                }
            }
            continue;
        }
        let (has_changed, left) = judge(&manager, &mut conn, &database, sql);
        assert_eq!(left, Vec::<String>::new(), "{sql}");
        if has_changed {
            unrecognised.push(sql);
        }
    }
    eprintln!("{} of {} recognised", TYPICAL.len() - unrecognised.len(), TYPICAL.len());
    assert_eq!(unrecognised, Vec::<&str>::new());
}

#[test]
fn no_statement_that_leaves_something_is_taken_for_harmless() {
    let database = Database::new(SCHEMA);
    for sql in OTHER {
        let (manager, mut conn) = database.connect();
        let (has_changed, left) = judge(&manager, &mut conn, &database, sql);
        eprintln!("{} {sql}: {left:?}", if has_changed { "reset   " } else { "harmless" });
        assert!(has_changed || left.is_empty(), "{sql} left {left:?}");
    }
}
