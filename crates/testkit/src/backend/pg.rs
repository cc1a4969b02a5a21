//! A real PostgreSQL server.

use std::net::SocketAddr;

use postgres::Error;
use threadwise_conformance::{ManagerUnderTest, Proxy};
use threadwise_postgres::{Connection, PostgresManager};

use crate::postgres::Postgres;

/// A database on the PostgreSQL server of this test process, behind a proxy.
#[derive(Debug)]
pub struct Pg {
    database: String,
    proxy: Proxy,
}

impl Pg {
    fn url(&self) -> String {
        let port = |port: u16| format!("127.0.0.1:{port}");
        let direct = Postgres::shared().url_for(&self.database);
        direct.replace(&port(Postgres::shared().port()), &port(self.proxy.address().port()))
    }
}

impl ManagerUnderTest for Pg {
    type Manager = PostgresManager;

    const PASSWORD: Option<&'static str> = Some("sesame");

    fn start() -> Self {
        let server = Postgres::shared();
        let database = server.create_database("conformance");
        server.run_all(&database, &["CREATE TABLE work (id INT PRIMARY KEY)"]);
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        Self { database, proxy: Proxy::before(address).expect("a port for the proxy") }
    }

    fn manager(&self) -> PostgresManager {
        PostgresManager::from_url(&self.url()).expect("the server's own address")
    }

    fn echo(&self, conn: &mut Connection, nonce: u64) -> Result<u64, Error> {
        let row = conn.query_one("SELECT $1::bigint", &[&nonce.cast_signed()])?;
        Ok(row.get::<_, i64>(0).cast_unsigned())
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }

    fn cut(&self, conn: &mut Connection) {
        Postgres::shared().kill_session(conn.process_id());
    }

    fn soil(&self, conn: &mut Connection) {
        conn.batch_execute("SET my.secret = 'alice'; SET search_path = pg_temp").expect("settings");
        conn.batch_execute("SELECT pg_advisory_lock(7); LISTEN news").expect("a lock");
        conn.batch_execute("CREATE TEMP TABLE scratch (id INT)").expect("a temporary table");
        conn.batch_execute("PREPARE mine AS SELECT 1").expect("a prepared statement");
        conn.batch_execute("BEGIN").expect("a transaction");
        conn.batch_execute("INSERT INTO public.work VALUES (1)").expect("a row");
    }

    fn is_fresh(&self, conn: &mut Connection) -> bool {
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

    fn begin(&self, conn: &mut Connection) {
        conn.batch_execute("BEGIN").expect("a transaction");
    }

    fn fail(&self, conn: &mut Connection) -> Error {
        conn.batch_execute("SELECT nonsense").expect_err("there is no such column")
    }

    fn refused_manager(&self) -> PostgresManager {
        let url = self.url().replace("postgres@", "nobody:sesame@");
        PostgresManager::from_url(&url).expect("a well-formed address")
    }
}
