//! Tests `thread_lifetimes` as a user starts it. (The C library decides that a thread gets the
//! handle of a dead one: glibc gives the last handle to the next thread.)

mod common;
#[path = "common/watched.rs"]
mod watched;

use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;
use watched::Watched;

const PROGRAM: &str = env!("CARGO_BIN_EXE_thread_lifetimes");

/// The expected output with a server's list; `@` stands for the head of a list.
const STEPS: &str = "\
threads that are joined                              opened closed open idle  @
main has asked, and given back                            1      0    1    1  main
a, b and c have asked; they live on                       4      0    4    4  a, b, c, main
each has asked ten times more, and is joined              4      3    1    1  main
  main, while it has its connection: this thread already holds its connection: drop the guard before the next `get`, or pass the guard on

threads of a scope                                   opened closed open idle  @
the scope has ended, and d is slow to end                 5      3    2    2  d, main
d has ended, some time later                              5      4    1    1  main
e was joined within its scope                             6      5    1    1  main

threads of rayon                                     opened closed open idle  @
each worker has asked                                     8      5    3    3  main, worker 0, worker 1
a hundred tasks have asked                                8      5    3    3  main, worker 0, worker 1
rayon's pool was dropped, some time ago                   8      7    1    1  main

a thread with a dead one's handle                    opened closed open idle  @
f was joined                                              9      8    1    1  main
g has f's handle, and a connection of its own            10      8    2    2  g, main
g was joined                                             10      9    1    1  main

threads that are left alone, and close()             opened closed open idle  @
h lives on, i is using its connection                    12      9    3    2  h, i, main
pool.close()                                             12     11    1    0  i
  h asks again: the pool is closed; i has its answer: 42
i has given it back                                      12     12    0    0  none
  closed because: thread_ended 9, pool_closed 3

max_threads(2), max_overflow(1)                      opened closed open idle  @
j and k have asked; they live on                          2      0    2    2  j, k
  main, by try_get: no connection is free: 2 open of 3 (0 borrowed, 2 idle), 0 connecting, 0 waiting; call `get` to wait for one
l waits, although both are idle                           2      0    2    2  j, k
j has ended: l has its place                              3      1    2    1  k, l
l holds its connection and asks for another               4      1    3    1  k, l, l again
l was joined                                              4      3    1    1  k
k was not joined                                          4      4    0    0  none
  closed because: thread_ended 3, surplus 1
";

#[test]
fn the_pool_and_the_server_agree_on_which_threads_have_connections() {
    let server = MariaDb::shared();
    let database = server.create_database("lifetimes");
    let printed = common::run(PROGRAM, &["--db", &server.url_for(&database)]);
    let steps = STEPS.replace('@', "on the server's list");
    assert_eq!(printed, format!("MySQL or MariaDB\n\n{steps}"));
    wait::until("the sessions' end", || server.process_count(Some(&database)) == 0);
}

#[cfg(target_os = "linux")]
#[test]
fn the_pool_and_the_open_files_agree_on_how_many_there_are() {
    let printed = common::run(PROGRAM, &[]);
    let count = |line: &str| match line.split_at_checked(78) {
        Some((numbers, who)) if !line.starts_with("  ") => match who {
            "@" => format!("{numbers}handles of the log"),
            "none" => format!("{numbers}0"),
            who => format!("{numbers}{}", who.split(", ").count()),
        },
        _ => line.to_owned(),
    };
    let steps: String = STEPS.lines().map(|line| count(line) + "\n").collect();
    assert_eq!(printed, format!("SQLite (a temporary file)\n\n{steps}"));
}

#[test]
fn ctrl_c_ends_the_program_in_order_and_leaves_no_session() {
    let server = MariaDb::shared();
    let database = server.create_database("lifetimes");
    let url = server.url_for(&database);
    let mut program = Watched::start(PROGRAM, &["--db", &url, "--pause-ms", "600000"]);
    program.until("main has asked");
    program.interrupt();
    let printed = program.finish();
    assert!(printed.ends_with("interrupted: the pool is closed\n"), "{printed}");
    wait::until("the sessions' end", || server.process_count(Some(&database)) == 0);
}

#[test]
fn ctrl_c_while_threads_live_tells_them_to_end() {
    let mut program = Watched::start(PROGRAM, &["--pause-ms", "1000"]);
    program.until("a, b and c have asked");
    program.interrupt();
    let printed = program.finish();
    assert!(printed.ends_with("interrupted: the pool is closed\n"), "{printed}");
}

#[test]
fn a_server_that_is_not_there_is_an_error_without_its_password() {
    let output = common::output(PROGRAM, &["--db", "mysql://me:secret@127.0.0.1:1/x"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("127.0.0.1:1"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}
