//! What a borrower may leave in its session, and how the next one would find it.

use threadwise::postgres::postgres::Client;
use threadwise::postgres::postgres::fallible_iterator::FallibleIterator;

/// Runs once in each database, as the superuser. None of it is code that could change a session.
pub(crate) const SETUP: &[&str] = &[
    "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
    "INSERT INTO t VALUES (1, 10)",
    "CREATE TABLE u (id SERIAL PRIMARY KEY)",
    "CREATE SEQUENCE s",
    "CREATE SCHEMA other",
];

/// Runs once for the server.
pub(crate) const ROLES: &[&str] = &["CREATE ROLE boss", "CREATE ROLE other LOGIN"];

pub(crate) const VARIABLE: &str = "SELECT coalesce(current_setting('my.v', true), '')";
const LOCK: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
                    AND pid = pg_backend_pid()";
const TEMPORARY: &str = "SELECT coalesce(to_regclass('pg_temp.x')::text, '')";
/// In a transaction, `now()` is its beginning.
const TRANSACTION: &str = "SELECT now() = statement_timestamp()";
const CURSORS: &str = "SELECT count(*) FROM pg_cursors WHERE name = 'c'";
const PREPARED: &str = "SELECT count(*) FROM pg_prepared_statements WHERE from_sql";
const SEQUENCE: &str = "SELECT currval('s')";

/// The statements that a borrower runs, and the question that shows the next one what is left.
pub(crate) const LEAKS: &[(&[&str], &str)] = &[
    (&["BEGIN", "DELETE FROM t"], "SELECT count(*) FROM t"),
    (&["BEGIN", "SELECT v FROM t"], TRANSACTION),
    (&["BEGIN", "SELECT 1 / 0"], "SELECT 1"),
    (&["BEGIN", "COMMIT AND CHAIN"], TRANSACTION),
    (&["BEGIN", "SET TRANSACTION READ ONLY"], "SHOW transaction_read_only"),
    (&["SET my.v = '1'"], VARIABLE),
    (&["SELECT set_config('my.v', '1', false)"], VARIABLE),
    (&["SELECT \"set_config\"('my.v', '1', false)"], VARIABLE),
    (&["SELECT pg_catalog . set_config /* x */ ('my.v', '1', false)"], VARIABLE),
    (&["WITH x AS (SELECT set_config('my.v', '1', false)) SELECT * FROM x"], VARIABLE),
    (&["SELECT v FROM t WHERE set_config('my.v', v::text, false) = '10'"], VARIABLE),
    (&["SELECT DISTINCT ON (id) set_config('my.v', '1', false) FROM t"], VARIABLE),
    (&["SELECT v FROM t; SET my.v = '1'"], VARIABLE),
    (&["EXPLAIN ANALYZE SELECT set_config('my.v', '1', false)"], VARIABLE),
    (&["DO $$ BEGIN PERFORM set_config('my.v', '1', false); END $$"], VARIABLE),
    (&["BEGIN", "SELECT set_config('my.v', '1', false)", "COMMIT"], VARIABLE),
    (&["SET search_path = other"], "SHOW search_path"),
    (&["SET TIME ZONE 'Asia/Tokyo'"], "SHOW timezone"),
    (&["SET datestyle = 'German'"], "SHOW datestyle"),
    (&["SET intervalstyle = 'iso_8601'"], "SHOW intervalstyle"),
    (&["SET NAMES 'LATIN1'"], "SHOW client_encoding"),
    (&["SET standard_conforming_strings = off"], "SHOW standard_conforming_strings"),
    (&["SET bytea_output = 'escape'"], "SHOW bytea_output"),
    (&["SET statement_timeout = '77s'"], "SHOW statement_timeout"),
    (&["SET lock_timeout = '77s'"], "SHOW lock_timeout"),
    (
        &["SET idle_in_transaction_session_timeout = '77s'"],
        "SHOW idle_in_transaction_session_timeout",
    ),
    (
        &["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"],
        "SHOW default_transaction_read_only",
    ),
    (
        &["SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
        "SHOW transaction_isolation",
    ),
    (&["SET work_mem = '77MB'"], "SHOW work_mem"),
    (&["SET row_security = off"], "SHOW row_security"),
    (&["SET synchronous_commit = off"], "SHOW synchronous_commit"),
    (&["SET session_replication_role = replica"], "SHOW session_replication_role"),
    (&["SET application_name = 'mine'"], "SHOW application_name"),
    (
        &["LOAD 'plpgsql'", "SET plpgsql.extra_warnings = 'all'"],
        "SELECT coalesce(current_setting('plpgsql.extra_warnings', true), 'none')",
    ),
    (&["SET ROLE boss"], "SELECT current_user"),
    (&["SET SESSION AUTHORIZATION other"], "SELECT session_user"),
    (&["CREATE TEMP TABLE x (i INT)"], TEMPORARY),
    (&["SELECT 1 AS i INTO TEMP x"], TEMPORARY),
    (&["CREATE TEMP TABLE x AS SELECT v FROM t"], TEMPORARY),
    (&["DO $$ BEGIN CREATE TEMP TABLE x (i INT); END $$"], TEMPORARY),
    (&["CREATE TEMP TABLE t (i INT)"], "SELECT count(*) FROM t"),
    (&["CREATE TEMP VIEW x AS SELECT 1"], TEMPORARY),
    (&["CREATE TEMP SEQUENCE x"], TEMPORARY),
    (
        &["CREATE FUNCTION pg_temp.f() RETURNS int AS 'SELECT 1' LANGUAGE sql"],
        "SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema() AND proname = 'f'",
    ),
    (&["SELECT pg_advisory_lock(7)"], LOCK),
    (&["SELECT pg_try_advisory_lock_shared(7)"], LOCK),
    (&["BEGIN", "SELECT pg_advisory_lock(7)", "ROLLBACK"], LOCK),
    (&["LISTEN news"], "SELECT count(*) FROM pg_listening_channels()"),
    (&["PREPARE p AS SELECT 1"], PREPARED),
    (&["PREPARE \"a \"\" b\" AS SELECT 1"], PREPARED),
    (&["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT v FROM t", "COMMIT"], CURSORS),
    (&["SELECT nextval('s')"], SEQUENCE),
    (&["SELECT setval('s', 42)"], SEQUENCE),
    (&["SELECT nextval('s')"], "SELECT lastval()"),
];

const SETS: &str = "CREATE FUNCTION sets() RETURNS int AS \
                    'BEGIN PERFORM set_config(''my.v'', ''1'', false); RETURN 1; END' \
                    LANGUAGE plpgsql";
const SETS_IN_TRIGGER: &str = "CREATE FUNCTION fires() RETURNS trigger AS \
                               'BEGIN SET my.v = ''1''; RETURN COALESCE(NEW, OLD); END' \
                               LANGUAGE plpgsql";

/// Code of users that changes a session, alone in its database; the statements that reach it; the
/// question.
pub(crate) const CODE_LEAKS: &[(&[&str], &[&str], &str)] = &[
    (&[SETS], &["SELECT sets()"], VARIABLE),
    (&[SETS], &["SELECT \"sets\"()"], VARIABLE),
    (&[SETS], &["SELECT * FROM sets() AS x (a)"], VARIABLE),
    (
        &[SETS, "CREATE VIEW setting AS SELECT id, sets() AS v FROM t"],
        &["SELECT v FROM setting"],
        VARIABLE,
    ),
    (
        &["CREATE VIEW sneaky AS SELECT set_config('my.v', '1', false) AS v"],
        &["SELECT v FROM sneaky"],
        VARIABLE,
    ),
    (
        &[
            "CREATE FUNCTION set_config(int) RETURNS int AS 'SELECT 1' LANGUAGE sql",
            "CREATE VIEW sneaky AS SELECT set_config('my.v', '1', false) AS v",
        ],
        &["SELECT v FROM sneaky"],
        VARIABLE,
    ),
    (
        &["CREATE VIEW locking AS SELECT pg_advisory_lock(7)::text AS v"],
        &["SELECT v FROM locking"],
        LOCK,
    ),
    (
        &[
            SETS_IN_TRIGGER,
            "CREATE TRIGGER x BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION fires()",
        ],
        &["INSERT INTO u DEFAULT VALUES"],
        VARIABLE,
    ),
    (
        &[
            SETS_IN_TRIGGER,
            "CREATE TABLE child (t INT REFERENCES t ON DELETE CASCADE)",
            "CREATE TRIGGER x BEFORE DELETE ON child FOR EACH ROW EXECUTE FUNCTION fires()",
        ],
        &["INSERT INTO t VALUES (5, 50)", "INSERT INTO child VALUES (5)", "DELETE FROM t"],
        VARIABLE,
    ),
    (
        &[SETS_IN_TRIGGER, "CREATE TRIGGER x AFTER TRUNCATE ON u EXECUTE FUNCTION fires()"],
        &["TRUNCATE u"],
        VARIABLE,
    ),
    (
        &["CREATE TABLE defaulted (v text DEFAULT set_config('my.v', '1', false), i INT)"],
        &["INSERT INTO defaulted (i) VALUES (1)"],
        VARIABLE,
    ),
    (
        &["CREATE TABLE checked (i INT CHECK (set_config('my.v', '1', false) = '1'))"],
        &["INSERT INTO checked VALUES (1)"],
        VARIABLE,
    ),
    (
        &["CREATE DOMAIN odd AS int CHECK (set_config('my.v', '1', false) = '1')"],
        &["SELECT 1::odd"],
        VARIABLE,
    ),
    (
        &["CREATE RULE x AS ON INSERT TO u DO ALSO SELECT set_config('my.v', '1', false)"],
        &["INSERT INTO u DEFAULT VALUES"],
        VARIABLE,
    ),
    (
        &[
            "CREATE FUNCTION same(int, int) RETURNS bool AS \
             'BEGIN SET my.v = ''1''; RETURN true; END' LANGUAGE plpgsql",
            "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = same)",
        ],
        &["SELECT v FROM t WHERE v === 1"],
        VARIABLE,
    ),
    (
        &["CREATE FUNCTION lower(t) RETURNS text AS \
           'SELECT set_config(''my.v'', ''1'', false)' LANGUAGE sql"],
        &["SELECT lower(t) FROM t"],
        VARIABLE,
    ),
    (
        &["CREATE FUNCTION extra(t) RETURNS text AS \
           'SELECT set_config(''my.v'', ''1'', false)' LANGUAGE sql"],
        &["SELECT t.extra FROM t"],
        VARIABLE,
    ),
    (
        &[
            "CREATE FUNCTION odd(int) RETURNS int AS \
             'BEGIN PERFORM set_config(''my.v'', ''1'', false); RETURN $1; END' \
             LANGUAGE plpgsql IMMUTABLE",
            "CREATE INDEX ON t (odd(v))",
        ],
        &["UPDATE t SET v = v + 1"],
        VARIABLE,
    ),
    (
        &["CREATE FUNCTION hidden(text, text, bool) RETURNS text AS 'set_config_by_name' \
           LANGUAGE internal"],
        &["SELECT hidden('my.v', '1', false)"],
        VARIABLE,
    ),
    (
        &["CREATE FUNCTION builds() RETURNS int AS \
           'BEGIN EXECUTE ''SET my.v'' || '' = 1''; RETURN 1; END' LANGUAGE plpgsql"],
        &["SELECT builds()"],
        VARIABLE,
    ),
    (
        &["CREATE FUNCTION modern() RETURNS text LANGUAGE sql \
           RETURN set_config('my.v', '1', false)"],
        &["SELECT modern()"],
        VARIABLE,
    ),
    (
        &["CREATE PROCEDURE calls() AS 'BEGIN SET my.v = ''1''; END' LANGUAGE plpgsql"],
        &["CALL calls()"],
        VARIABLE,
    ),
    (
        &["CREATE FUNCTION creates() RETURNS int AS \
           'BEGIN CREATE TEMP TABLE x (i INT); RETURN 1; END' LANGUAGE plpgsql"],
        &["SELECT creates()"],
        TEMPORARY,
    ),
];

/// What no statement's text leaves.
#[derive(Clone, Copy)]
pub(crate) enum Leftover {
    Notification,
    HalfReadRows,
    Seed,
}

impl Leftover {
    pub(crate) const ALL: [Self; 3] = [Self::Notification, Self::HalfReadRows, Self::Seed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Notification => "a notification that was received and not read",
            Self::HalfReadRows => "rows dropped half-read",
            Self::Seed => "`` SELECT setseed(0.5) ``",
        }
    }

    pub(crate) fn leave(self, client: &mut Client) {
        match self {
            Self::Notification => {
                client.batch_execute("LISTEN news").unwrap();
                client.batch_execute("NOTIFY news, 'secret'").unwrap();
            }
            Self::HalfReadRows => {
                let mut rows = client
                    .query_raw("SELECT generate_series(1, 20000)", std::iter::empty::<i32>())
                    .unwrap();
                rows.next().unwrap();
            }
            Self::Seed => client.batch_execute("SELECT setseed(0.5)").unwrap(),
        }
    }

    pub(crate) fn is_found(self, client: &mut Client) -> bool {
        match self {
            Self::Notification => {
                client.batch_execute("SELECT 1").unwrap();
                !client.notifications().is_empty()
            }
            Self::HalfReadRows => client.query_one("SELECT 3", &[]).unwrap().get::<_, i32>(0) != 3,
            Self::Seed => {
                let random = |client: &mut Client| -> f64 {
                    client.query_one("SELECT random()", &[]).unwrap().get(0)
                };
                let now = random(client);
                client.batch_execute("SELECT setseed(0.5)").unwrap();
                now.to_bits() == random(client).to_bits()
            }
        }
    }
}
