//! Tests `waiting_room` as a user starts it: into a pipe, and in a terminal.

mod common;

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use nix::pty::{Winsize, openpty};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

const PROGRAM: &str = env!("CARGO_BIN_EXE_waiting_room");

const LEAVE: &str = "\u{1b}[?1049l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

fn counted(arguments: &[&str]) -> String {
    common::run(PROGRAM, &[&["--plain", "--virtual-time"], arguments].concat())
}

#[test]
fn a_shared_pool_opens_three_and_serves_in_the_order_of_coming() {
    let expected = "\
SharedPool, max_size(3): opened when needed
          0         400       800       1200          ms
thread 1  AAAAAAAAAAAAAAA-------                      served 1st at once
thread 2    BBBBBBBBBBBBBBB--------                   served 2nd at once
thread 3       CCCCCCCCCCCCCCC-------                 served 3rd at once
thread 4         ........AAAAAAAAAAAAAAA-------       served 4th after 300 ms
thread 5            .......BBBBBBBBBBBBBBB--------    served 5th after 300 ms
thread 6              ........CCCCCCCCCCCCCCC-------  served 6th after 300 ms
served in this order: 1 2 3 4 5 6; 3 of 6 waited
3 connections opened, 3 at most at the same time, 0 after the pool's end

";
    assert_eq!(counted(&["--pool", "shared"]), expected);
}

#[test]
fn in_a_persistent_pool_no_thread_waits_and_six_are_open() {
    let expected = "\
PersistentPool: a connection for each thread
          0         400       800       1200          ms
thread 1  AAAAAAAAAAAAAAA-------                      served 1st at once
thread 2    BBBBBBBBBBBBBBB--------                   served 2nd at once
thread 3       CCCCCCCCCCCCCCC-------                 served 3rd at once
thread 4         DDDDDDDDDDDDDDD--------              served 4th at once
thread 5            EEEEEEEEEEEEEEE-------            served 5th at once
thread 6              FFFFFFFFFFFFFFF--------         served 6th at once
served in this order: 1 2 3 4 5 6; 0 of 6 waited
6 connections opened, 6 at most at the same time, 0 after the pool's end

";
    assert_eq!(counted(&["--pool", "persistent"]), expected);
}

#[test]
fn with_max_threads_the_others_wait_until_a_thread_has_ended() {
    let drawn = counted(&["--pool", "persistent-limited"]);
    let facts = "; 3 of 6 waited\n6 connections opened, 3 at most at the same time, 0 after";
    assert!(drawn.contains(facts), "{drawn}");
    // Each lives for 300 ms without using its connection, and a waiter waits for that, too. Which
    // of them is next is not promised; the sum of their waits is the same.
    let waits = drawn.lines().filter_map(|row| row.split_once("after ")?.1.strip_suffix(" ms"));
    let waits: Vec<u32> = waits.map(|wait| wait.parse().expect("a number")).collect();
    assert_eq!((waits.len(), waits.iter().sum::<u32>()), (3, 3 * 600), "{drawn}");
}

#[test]
fn a_queue_serves_all_from_three_connections_in_some_order() {
    let drawn = counted(&["--pool", "queue"]);
    let mut order = order(&drawn);
    order.sort_unstable();
    assert_eq!(order, [1, 2, 3, 4, 5, 6], "{drawn}");
    assert!(drawn.contains("; 3 of 6 waited\n3 connections opened, 3 at most"), "{drawn}");
}

#[test]
fn a_long_line_before_one_connection_is_served_in_order() {
    let drawn = counted(&["--pool", "shared", "--threads", "20", "--connections", "1"]);
    assert_eq!(order(&drawn), (1..=20).collect::<Vec<_>>(), "{drawn}");
    assert!(drawn.contains("; 19 of 20 waited\n1 connections opened, 1 at most"), "{drawn}");
}

#[test]
fn a_holder_that_panics_costs_its_connection_and_no_thread_waits_forever() {
    for pool in ["shared", "queue"] {
        let drawn = counted(&["--pool", pool, "--panics", "2"]);
        assert_eq!(order(&drawn).len(), 6, "{drawn}");
        assert!(
            drawn.contains("BBB!") || drawn.contains("CCC!") || drawn.contains("AAA!"),
            "{drawn}"
        );
        assert!(
            drawn.contains("\n4 connections opened, 3 at most at the same time, 0 "),
            "{drawn}"
        );
    }
}

#[test]
fn in_real_time_on_a_server_no_limit_is_exceeded_and_no_session_is_left() {
    let server = MariaDb::shared();
    let database = server.create_database("room");
    let url = server.url_for(&database);
    let drawn = common::run(PROGRAM, &["--plain", "--hold-ms", "60", "--db", &url]);
    let facts: Vec<_> = drawn.lines().filter(|line| line.contains("connections opened")).collect();
    let [shared, persistent, limited, queue] = &facts[..] else { panic!("{drawn}") };
    for (fact, opened, most) in [(shared, 3, 3), (persistent, 6, 6), (limited, 6, 3), (queue, 3, 3)]
    {
        let numbers: Vec<usize> = fact.split([' ', ',']).filter_map(|w| w.parse().ok()).collect();
        assert!(numbers[0] <= opened && numbers[1] <= most && numbers[2] == 0, "{drawn}");
    }
    assert_eq!(drawn.matches("served in this order").count(), 4, "{drawn}");
    assert!(drawn.lines().all(|line| !line.contains("gave up")), "{drawn}");
    wait::until("the sessions' end", || server.process_count(Some(&database)) == 0);
}

#[test]
fn ctrl_c_ends_all_waits_and_leaves_no_session() {
    let server = MariaDb::shared();
    let database = server.create_database("room");
    let url = server.url_for(&database);
    let arguments = ["--plain", "--hold-ms", "60000", "--pool", "queue", "--db", &url];
    let mut command = Command::new(PROGRAM);
    let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = EndsWithTest(child.expect("the program"));
    wait::until("three sessions", || server.process_count(Some(&database)) == 3);
    common::signal(child.0.id(), "INT");
    assert!(common::wait(&mut child.0).success());
    let mut drawn = String::new();
    child.0.stdout.take().expect("a pipe").read_to_string(&mut drawn).expect("UTF-8");
    assert!(drawn.contains("interrupted: "), "{drawn}");
    wait::until("the sessions' end", || server.process_count(Some(&database)) == 0);
}

#[test]
fn a_server_that_is_not_there_is_an_error_without_its_password() {
    let output = common::output(PROGRAM, &["--db", "mysql://me:secret@127.0.0.1:1/x"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("127.0.0.1:1"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn in_a_terminal_the_picture_is_redrawn_in_place_and_stays_when_all_is_over() {
    let terminal = Terminal::start(&["--pool", "shared", "--hold-ms", "60"]);
    let (live, after) = terminal.until_the_end();
    assert!(live.starts_with("\u{1b}[?1049h\u{1b}[?25l"), "{live:?}");
    assert!(live.matches("\u{1b}[1;1H").count() > 1, "drawn once: {live:?}");
    assert!(after.contains("served in this order"), "{after:?}");
    assert!(after.contains("\u{1b}[48;5;"), "no colours: {after:?}");
}

#[test]
fn ctrl_c_brings_the_terminal_back() {
    let mut terminal = Terminal::start(&["--hold-ms", "60000"]);
    terminal.until("served 1st");
    common::signal(terminal.child.0.id(), "INT");
    let (_, after) = terminal.until_the_end();
    assert!(after.contains("interrupted: "), "{after:?}");
}

#[test]
fn a_panic_brings_the_terminal_back_before_it_is_told() {
    let terminal = Terminal::start(&["--pool", "shared", "--hold-ms", "60", "--panics", "3"]);
    let (live, after) = terminal.until_the_end();
    assert!(!live.contains("panicked at"), "{live:?}");
    assert!(after.contains("panicked at") && after.contains("served in this order"), "{after:?}");
}

/// The numbers of the threads in the order in which they got connections.
fn order(drawn: &str) -> Vec<usize> {
    let line = drawn.lines().find_map(|line| line.strip_prefix("served in this order: "));
    let numbers = line.and_then(|line| line.split(';').next()).expect(drawn).split(' ');
    numbers.map(|number| number.parse().expect(drawn)).collect()
}

struct EndsWithTest(Child);

impl Drop for EndsWithTest {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it has ended, unless the test failed
        let _ = self.0.wait();
    }
}

/// A terminal of 90 columns in which the program runs.
struct Terminal {
    child: EndsWithTest,
    keyboard_and_screen: File,
    shown: Vec<u8>,
}

impl Terminal {
    fn start(arguments: &[&str]) -> Self {
        let size = Winsize { ws_row: 30, ws_col: 90, ws_xpixel: 0, ws_ypixel: 0 };
        let ends = openpty(&size, None).expect("a terminal");
        // Programs that other threads start inherit these two ends, and a terminal whose end a server has
        // does not end. The clones are not inherited.
        let [screen, plugs] =
            [ends.master, ends.slave].map(|end| end.try_clone().expect("a handle"));
        let plug = || Stdio::from(plugs.try_clone().expect("a handle"));
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_remove("THREADWISE_DB").env_remove("NO_COLOR");
        command.stdin(plug()).stdout(plug()).stderr(plug());
        let child = EndsWithTest(command.spawn().expect("the program"));
        Self { child, keyboard_and_screen: screen.into(), shown: Vec::new() }
    }

    /// Reads until the terminal shows these words.
    fn until(&mut self, words: &str) {
        while !self.text().contains(words) {
            assert!(self.read(), "no {words:?} in {:?}", self.text());
        }
    }

    /// Returns the output before the program left the other screen, and the output after that.
    /// Expects success.
    fn until_the_end(mut self) -> (String, String) {
        while self.read() {} // first: a program whose output is not read cannot go on
        assert!(common::wait(&mut self.child.0).success(), "{}", self.text());
        let text = self.text();
        let (live, after) = text.split_once(LEAVE).unwrap_or_else(|| panic!("not left: {text:?}"));
        assert!(live.ends_with(SHOW_CURSOR), "no cursor: {text:?}");
        assert!(!after.contains(LEAVE), "left twice: {text:?}");
        (live.to_owned(), after.to_owned())
    }

    /// Reads more. Returns `false` at the end, which Linux reports as an error.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let read = self.keyboard_and_screen.read(&mut bytes).unwrap_or(0);
        self.shown.extend(&bytes[..read]);
        read > 0
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}
