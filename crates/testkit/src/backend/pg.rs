//! A real PostgreSQL server.

use threadwise_core::ManageConnection;
use threadwise_postgres::{Connection, PostgresManager};

use super::Backend;
use crate::postgres::Postgres;

/// A database on the PostgreSQL server of this test process.
#[derive(Debug)]
pub struct Pg {
    database: String,
}

impl Pg {
    fn url(&self) -> String {
        Postgres::shared().url_for(&self.database)
    }
}

impl Backend for Pg {
    type Manager = PostgresManager;

    fn start() -> Self {
        let server = Postgres::shared();
        let database = server.create_database("conformance");
        server.run_all(&database, &["CREATE TABLE work (id INT PRIMARY KEY)"]);
        Self { database }
    }

    fn manager(&self) -> PostgresManager {
        PostgresManager::from_url(&self.url()).expect("the server's own address")
    }

    fn hopeless_manager(&self) -> Option<PostgresManager> {
        let url = self.url().replace("postgres@", "nobody:sesame@");
        Some(PostgresManager::from_url(&url).expect("a well-formed address"))
    }

    fn echo(conn: &mut Connection, nonce: u64) -> u64 {
        let nonce = nonce.cast_signed();
        let row = conn.query_one("SELECT $1::bigint", &[&nonce]).expect("an answer");
        row.get::<_, i64>(0).cast_unsigned()
    }

    fn soil(conn: &mut Connection) {
        conn.batch_execute("SET my.secret = 'alice'; SET search_path = pg_temp").expect("settings");
        conn.batch_execute("SELECT pg_advisory_lock(7); LISTEN news").expect("a lock");
        conn.batch_execute("CREATE TEMP TABLE scratch (id INT)").expect("a temporary table");
        conn.batch_execute("PREPARE mine AS SELECT 1").expect("a prepared statement");
        conn.batch_execute("BEGIN").expect("a transaction");
        conn.batch_execute("INSERT INTO public.work VALUES (1)").expect("a row");
    }

    fn is_fresh(conn: &mut Connection) -> bool {
        let row = conn
            .query_one(
                "SELECT (SELECT count(*) FROM public.work) = 0 \
                 AND coalesce(current_setting('my.secret', true), '') = '' \
                 AND current_setting('search_path') = '\"$user\", public' \
                 AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' \
                                 AND pid = pg_backend_pid()) \
                 AND NOT EXISTS (SELECT FROM pg_listening_channels()) \
                 AND to_regclass('pg_temp.scratch') IS NULL \
                 AND NOT EXISTS (SELECT FROM pg_prepared_statements WHERE from_sql)",
                &[],
            )
            .expect("an answer");
        row.get(0)
    }

    fn cut(&self, conn: &mut Connection) -> bool {
        Postgres::shared().kill_session(conn.process_id());
        // The server's farewell may still be on its way.
        let manager = self.manager();
        crate::wait::until("the server to hang up", || manager.has_broken(conn));
        true
    }
}
