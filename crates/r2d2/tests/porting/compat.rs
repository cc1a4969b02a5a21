use std::error::Error;
use std::thread;
use std::time::Duration;

use r2d2_mysql::MySqlConnectionManager;
use r2d2_mysql::mysql::prelude::Queryable;
use r2d2_mysql::mysql::{Opts, OptsBuilder};
use threadwise_r2d2::compat as r2d2;

type Pool = r2d2::Pool<MySqlConnectionManager>;

fn open(url: &str) -> Result<Pool, Box<dyn Error>> {
    let opts = OptsBuilder::from_opts(Opts::from_url(url)?);
    let pool = r2d2::Pool::builder()
        .max_size(4)
        .connection_timeout(Duration::from_secs(5))
        .build(MySqlConnectionManager::new(opts))?;
    pool.get()?.query_drop("CREATE TABLE IF NOT EXISTS visit (page VARCHAR(9))")?;
    Ok(pool)
}

fn visit(pool: &Pool, page: &str) -> Result<(), Box<dyn Error>> {
    let mut conn = pool.get()?;
    conn.exec_drop("INSERT INTO visit VALUES (?)", (page,))?;
    Ok(())
}

pub(crate) fn run(url: &str) -> Result<Option<u64>, Box<dyn Error>> {
    let pool = open(url)?;
    thread::scope(|threads| {
        for page in ["home", "shop", "cart", "help"] {
            let pool = &pool;
            threads.spawn(move || visit(pool, page).expect("a visit is stored"));
        }
    });
    Ok(pool.get()?.query_first("SELECT count(*) FROM visit")?)
}
