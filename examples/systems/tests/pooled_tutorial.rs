//! Tests `pooled_tutorial` as a user starts it.

mod common;
#[path = "common/watched.rs"]
mod watched;

use threadwise_testkit::mariadb::MariaDb;
use watched::Watched;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pooled_tutorial");

const STEPS: &str = "\
the tutorial's pool                                 open  idle  borrowed  waiting  opened  closed
built: mincached=2                                     2     2         0        0       2       0
conn = pool.get()                                      3     2         1        0       3       0
conn.query(\"SELECT name …\"): Alex, Eric, Wupeiqi       3     2         1        0       3       0
drop(conn): it is idle, not closed                     3     3         0        0       3       0
1 of 6 taken                                           3     2         1        0       3       0
2 of 6 taken                                           4     2         2        0       4       0
3 of 6 taken                                           5     2         3        0       5       0
4 of 6 taken                                           6     2         4        0       6       0
5 of 6 taken                                           6     1         5        0       6       0
6 of 6 taken                                           6     0         6        0       6       0
  blocking=False is try_get: no connection is free
a seventh thread calls get()                           6     0         6        1       6       0
one is given back: the seventh was served              6     1         5        0       6       0
all are given back: maxcached=5                        5     5         0        0       6       1
pool.close()                                           0     0         0        0       6       6
  a get from now on: the pool is closed

maxshared=3, on connections behind a Mutex          open  idle  borrowed  waiting  opened  closed
four are opened and given back                         4     4         0        0       4       0
share(), holder 1                                      4     3         1        0       4       0
share(), holder 2                                      4     2         2        0       4       0
share(), holder 3                                      4     1         3        0       4       0
share(), holder 4                                      4     1         3        0       4       0
share(), holder 5                                      4     1         3        0       4       0
share(), holder 6                                      4     1         3        0       4       0
share(), holder 7                                      4     1         3        0       4       0
get(): one more, for itself                            4     0         4        0       4       0
  holder 7 asks through the lock: 42
all are given back                                     4     4         0        0       4       0
";

#[test]
fn the_steps_on_sqlite_are_these() {
    let printed = common::run(PROGRAM, &[]);
    assert!(printed.starts_with("SQLite"), "{printed}");
    assert!(printed.ends_with(STEPS), "{printed}");
}

#[test]
fn the_steps_on_mariadb_are_the_same_and_nothing_is_left_there() {
    let server = MariaDb::shared();
    let database = server.create_database("tutorial");
    let printed = common::run(PROGRAM, &["--db", &server.url_for(&database)]);
    assert!(printed.ends_with(STEPS), "{printed}");
    assert_eq!(tables(server, &database), 0);
}

#[test]
fn every_parameter_of_the_tutorial_has_a_row() {
    let printed = common::run(PROGRAM, &[]);
    let python = [
        "creator=",
        "maxconnections=6",
        "mincached=2",
        "maxcached=5",
        "maxshared=3",
        "blocking=True",
        "maxusage=None",
        "setsession=[]",
        "ping=0",
        "host=",
        "port=",
        "user=",
        "password=",
        "database=",
        "charset=",
    ];
    for parameter in python {
        assert!(printed.contains(parameter), "{parameter}: {printed}");
    }
}

#[test]
fn ctrl_c_ends_the_walk_in_order() {
    let server = MariaDb::shared();
    let database = server.create_database("tutorial");
    let arguments = ["--db", &server.url_for(&database), "--pause-ms", "600000"];
    let mut program = Watched::start(PROGRAM, &arguments);
    program.until("built:");
    program.interrupt();
    let printed = program.finish();
    assert!(printed.ends_with("interrupted: the pool is closed\n"), "{printed}");
    assert_eq!(tables(server, &database), 0);
}

#[test]
fn a_server_that_is_not_there_is_an_error_without_its_password() {
    let output = common::output(PROGRAM, &["--db", "mysql://me:secret@127.0.0.1:1/x"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("127.0.0.1:1"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

fn tables(server: &MariaDb, database: &str) -> u64 {
    use mysql::prelude::Queryable;
    let count = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ?";
    server.admin().exec_first(count, (database,)).expect("an answer").expect("a row")
}
