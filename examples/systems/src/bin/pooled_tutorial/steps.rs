//! Get, cursor, select, close; and where the limits are.

use std::error::Error;
use std::thread;
use std::time::Duration;

use threadwise::shared::SharedPool;
use threadwise::{GetError, State};
use threadwise_systems::{Database, Shutdown, Source};

use crate::parameters::{self, MAX_SIZE, MIN_IDLE};
use crate::report::Report;

const TABLE: &str = "threadwise_tutorial";

/// Runs all steps on one pool.
pub(crate) fn walk(
    source: &Source,
    shutdown: &Shutdown,
    pause: Duration,
) -> Result<(), Box<dyn Error>> {
    let pool = parameters::pool(source.manager())?;
    let report = Report { state: || pool.state(), min_idle: MIN_IDLE, shutdown, pause };
    report.head("the tutorial's pool");
    report.step("built: mincached=2", 0, 0)?;
    fill(&pool)?;

    let walked = select(&pool, &report).and_then(|()| reach_the_limit(&pool, &report));
    pool.get()?.run(&format!("DROP TABLE {TABLE}"))?; // also after Ctrl-C
    walked?;

    pool.close();
    report.step("pool.close()", 0, 0)?;
    let refused = pool.get().err().ok_or("a closed pool lent a connection")?;
    println!("  a get from now on: {refused}\n");
    Ok(())
}

fn fill(pool: &SharedPool<Database>) -> Result<(), Box<dyn Error>> {
    let mut conn = pool.get()?;
    conn.create_table(TABLE, "id {id}, name VARCHAR(40)")?;
    conn.run(&format!("DELETE FROM {TABLE}"))?; // of a walk that was killed
    let insert = format!("INSERT INTO {TABLE} (name) VALUES (?)");
    Ok(conn.transaction(|conn| {
        ["Alex", "Eric", "Wupeiqi"]
            .iter()
            .try_for_each(|name| conn.execute(&insert, &[(*name).into()]).map(drop))
    })?)
}

// ANCHOR: select
/// Runs the tutorial's query. There is no cursor to open and close: the connection runs the
/// statement, and its result holds nothing on the server.
fn select(
    pool: &SharedPool<Database>,
    report: &Report<'_, impl Fn() -> State>,
) -> Result<(), Box<dyn Error>> {
    let mut conn = pool.get()?; // conn = POOL.connection()
    report.step("conn = pool.get()", 1, 0)?;

    // cursor = conn.cursor(); cursor.execute(…); cursor.fetchall(); cursor.close()
    let rows = conn.query(&format!("SELECT name FROM {TABLE} ORDER BY id"), &[])?;
    let names: Result<Vec<_>, _> = rows.iter().map(|row| row.text(0)).collect();
    report.step(&format!("conn.query(\"SELECT name …\"): {}", names?.join(", ")), 1, 0)?;

    drop(conn); // conn.close(), which any end of its scope does as well
    report.step("drop(conn): it is idle, not closed", 0, 0)
}
// ANCHOR_END: select

/// Borrows all six connections, and lets a seventh thread wait.
fn reach_the_limit(
    pool: &SharedPool<Database>,
    report: &Report<'_, impl Fn() -> State + Sync>,
) -> Result<(), Box<dyn Error>> {
    let mut conns = Vec::new();
    for taken in 1..=MAX_SIZE {
        conns.push(pool.get()?);
        report.step(&format!("{taken} of {MAX_SIZE} taken"), taken, 0)?;
    }
    match pool.try_get() {
        Err(GetError::Exhausted(_)) => {
            println!("  blocking=False is try_get: no connection is free");
        }
        other => return Err(format!("a seventh: {:?}", other.err()).into()),
    }

    // ANCHOR: seventh
    // blocking=True: in the tutorial a thread waits forever, and in no order. Here threads wait in
    // the order of arrival, for at most `get_timeout`.
    thread::scope(|threads| -> Result<(), Box<dyn Error>> {
        let seventh = threads.spawn(|| pool.get().map(drop));
        let waits = report.step("a seventh thread calls get()", MAX_SIZE, 1);
        conns.pop(); // before any error, since the scope waits for the thread
        seventh.join().expect("it does not panic")?;
        waits
    })?;
    report.step("one is given back: the seventh was served", MAX_SIZE - 1, 0)?;
    // ANCHOR_END: seventh
    drop(conns);
    report.step("all are given back: maxcached=5", 0, 0)
}
