//! `advise` as its users run it, on a private MariaDB and on a SQLite file.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;
use tempfile::TempDir;
use threadwise::PoolKind;
use threadwise_advise::address::Kind;
use threadwise_advise::advice::Advice;
use threadwise_advise::code::{Settings, render};
use threadwise_advise::turn::Setup;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::{ClosedPort, Proxy, wait};

/// The code that `advise` prints, compiled here. `rustfmt` must not change it, because the test
/// compares it word for word.
#[rustfmt::skip]
#[allow(unreachable_pub)]
mod advised {
    pub(crate) mod persistent_mysql;
    pub(crate) mod persistent_sqlite;
    pub(crate) mod persistent_sqlite_as_it_is;
    pub(crate) mod queue_mysql;
    pub(crate) mod queue_sqlite;
    pub(crate) mod queue_sqlite_as_it_is;
    pub(crate) mod shared_mysql;
    pub(crate) mod shared_sqlite;
    pub(crate) mod shared_sqlite_as_it_is;
}

const MODELS: [PoolKind; 3] = [PoolKind::Shared, PoolKind::Persistent, PoolKind::Queue];

#[test]
fn the_printed_code_is_the_compiled_code() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("advised");
    for model in MODELS {
        for (kind, wal, driver) in [
            (Kind::Mysql, false, "mysql"),
            (Kind::Sqlite, true, "sqlite"),
            (Kind::Sqlite, false, "sqlite_as_it_is"),
        ] {
            let get_timeout = Duration::from_secs(2);
            let setup = Setup { kind: model, size: 3 };
            let code = render(&Settings { setup, kind, wal, get_timeout });
            assert!(!code.contains("://"), "it contains an address: {code}");
            let kept = directory.join(format!("{}_{driver}.rs", model.name()));
            let expected = fs::read_to_string(&kept).unwrap_or_default();
            assert!(code == expected, "{} must be:\n{code}", kept.display());
        }
    }
}

#[test]
fn the_printed_code_opens_pools() {
    let url = MariaDb::shared().url();
    assert_eq!(advised::shared_mysql::pool(&url).unwrap().state().max_size, Some(3));
    assert_eq!(advised::persistent_mysql::pool(&url).unwrap().state().max_size, Some(3));
    assert_eq!(advised::queue_mysql::pool(&url).unwrap().state().max_size, Some(3));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let journal = |path: &Path| -> String {
        let conn = rusqlite::Connection::open(path).unwrap();
        conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap()
    };
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE item (id)").unwrap();
    assert_eq!(advised::shared_sqlite_as_it_is::pool(&path).unwrap().state().max_size, Some(3));
    assert_eq!(advised::persistent_sqlite_as_it_is::pool(&path).unwrap().state().max_size, Some(3));
    assert_eq!(advised::queue_sqlite_as_it_is::pool(&path).unwrap().state().max_size, Some(3));
    assert_eq!(journal(&path), "delete");
    assert_eq!(advised::shared_sqlite::pool(&path).unwrap().state().max_size, Some(3));
    assert_eq!(journal(&path), "wal");
    assert_eq!(advised::persistent_sqlite::pool(&path).unwrap().state().max_size, Some(3));
    assert_eq!(advised::queue_sqlite::pool(&path).unwrap().state().max_size, Some(3));
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadwise-advise"));
    command.env_remove("THREADWISE_DB").env_remove("COLUMNS");
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs `advise` for as short a time as possible, and returns its output and its file.
fn advised(arguments: &[&str]) -> (String, Advice) {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("advice.json");
    let output =
        program().args(["--seconds", "1"]).args(arguments).arg("--out").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let written = fs::read_to_string(&out).unwrap();
    for said in [text(&output.stdout), text(&output.stderr), &written] {
        assert!(!said.contains(PASSWORD), "{said}");
    }
    let printed = text(&output.stdout).to_owned();
    assert!(printed.ends_with(&format!("{}\n", out.display())), "{printed}");
    (printed, serde_json::from_str(&written).unwrap())
}

/// Runs `advise` with arguments that it must refuse, and returns its error line.
fn refused(arguments: &[&str]) -> String {
    let output = program().args(["--seconds", "1"]).args(arguments).output().unwrap();
    one_line(arguments, &output)
}

fn one_line(arguments: &[&str], output: &Output) -> String {
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}{}", text(&output.stdout));
    // The lines before it are the steps of the run.
    let error = errors.lines().last().unwrap_or_default();
    assert!(error.starts_with("error: "), "{arguments:?}: {errors}");
    assert_eq!(errors.matches("error: ").count(), 1, "{arguments:?}: {errors}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed something");
    assert!(!errors.contains(PASSWORD), "{errors}");
    error.to_owned()
}

const PASSWORD: &str = "tell-nobody";

/// A database with a table, and an account with a password and all rights there.
struct Shop {
    database: String,
    url: String,
}

impl Shop {
    fn open(server: &MariaDb) -> Self {
        let database = server.create_database("advise");
        let mut admin = server.admin();
        let account = format!("{database}_user");
        for statement in [
            format!("USE {database}"),
            "CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(32))".into(),
            "INSERT INTO item SELECT seq, CONCAT('item ', seq) FROM seq_1_to_100".into(),
            "CREATE TABLE trace (what VARCHAR(32))".into(),
            "CREATE FUNCTION note() RETURNS INT MODIFIES SQL DATA \
             BEGIN INSERT INTO trace VALUES ('noted'); RETURN 1; END"
                .into(),
            "CREATE VIEW sly AS SELECT note() AS noted".into(),
            format!("CREATE USER {account}@'%' IDENTIFIED BY '{PASSWORD}'"),
            format!("GRANT ALL ON {database}.* TO {account}@'%'"),
        ] {
            admin.query_drop(statement).unwrap();
        }
        let port = server.port();
        let url = format!("mysql://{account}:{PASSWORD}@127.0.0.1:{port}/{database}");
        Self { database, url }
    }

    fn traces(&self, server: &MariaDb) -> u64 {
        let count = format!("SELECT COUNT(*) FROM {}.trace", self.database);
        server.admin().query_first(count).unwrap().unwrap()
    }
}

const QUERY: &str = "SELECT name FROM item WHERE id = 7";

#[test]
fn on_mariadb_it_advises_a_pool_plans_a_fleet_and_compares_it_with_real_processes() {
    let server = MariaDb::shared();
    let shop = Shop::open(server);
    let (printed, advice) = advised(&[
        "--threads",
        "8",
        "--db",
        &shop.url,
        "--query",
        QUERY,
        "--instances",
        "2",
        "--verify",
    ]);
    assert!(advice.read_only && advice.on_this_machine && advice.rows == 1);
    assert!(advice.database.starts_with("MariaDB ") && advice.database.ends_with(&shop.database));
    let sizes: Vec<_> = advice.sweep.iter().map(|it| it.size).collect();
    assert_eq!(sizes, [1, 2, 4, 8]);
    assert_sound(&advice, &printed);
    let room = advice.room.expect("a server has a limit");
    assert_eq!((room.max_connections, room.reserve), (151, 7));
    assert_eq!(room.connections, 151 - 7 - room.others);
    let sizes: Vec<_> = advice.capacity.iter().map(|it| it.size).collect();
    assert_eq!(sizes.last(), Some(&(4 * 2 * advice.size)), "four times what both have: {sizes:?}");
    let plan = advice.fleet.expect("a fleet was asked for");
    assert!(plan.predictions.iter().any(|it| it.instances == 2), "{plan:?}");
    assert!(printed.contains("A fleet, simulated") && printed.contains("within 15 %"), "{printed}");
    let verified = advice.verified.expect("it was asked for");
    let instances: Vec<_> = verified.comparisons.iter().map(|it| it.observed.instances).collect();
    assert_eq!(instances, [1, 2]);
    for compared in &verified.comparisons {
        // How close they are depends on the machine, so the test only checks that both exist.
        assert!(compared.observed.ops_per_s > 0.0 && compared.ops_ratio > 0.0, "{compared:?}");
    }
    assert_eq!(shop.traces(server), 0);
}

/// Checks what must hold on every machine and database.
fn assert_sound(advice: &Advice, printed: &str) {
    let pools: Vec<_> = advice.proof.iter().map(|it| &*it.pool).collect();
    assert_eq!(pools, ["shared", "queue", "persistent"]);
    for figures in advice.sweep.iter().chain(&advice.around).chain(&advice.proof) {
        assert_eq!((figures.errors, &figures.first_error), (0, &None), "{figures:?}");
        assert!(figures.ops_per_s > 0.0 && figures.rounds_ops_per_s.len() == 5, "{figures:?}");
        assert!((1..=figures.size).contains(&figures.opened), "{figures:?}");
        assert!(figures.wait_p50_ns <= figures.wait_p99_ns, "{figures:?}");
        assert!(figures.wait_p99_ns <= figures.wait_max_ns, "{figures:?}");
    }
    assert!((1..=advice.threads).contains(&advice.size));
    let expected = (&*advice.expected.pool, advice.expected.size);
    assert_eq!(expected, (&*advice.pool, advice.size), "the advised setup was measured");
    assert!(advice.proof.contains(&advice.expected));
    let code: Vec<_> = advice.code.lines().filter(|line| !line.is_empty()).collect();
    for line in code {
        assert!(printed.contains(&format!("    {line}\n")), "{line} in {printed}");
    }
    let limit = format!("({})", advice.size);
    assert!(advice.code.contains(&limit), "{}", advice.code);
    assert!(printed.contains(&format!(" {}.\n", advice.size)), "{printed}");
    assert!(printed.contains("runs on this machine"), "{printed}");
    assert_eq!(printed.contains("\nTake "), advice.doubts.is_empty(), "{printed}");
    assert_eq!(printed.contains("\nUntil then take SharedPool "), !advice.doubts.is_empty());
}

/// A file with a table, in a directory that is removed when dropped.
fn file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO item WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100)
         SELECT i, 'item ' || i FROM n;",
    )
    .unwrap();
    (directory, path)
}

#[test]
fn on_sqlite_it_advises_a_pool_and_does_not_change_the_file() {
    let (directory, path) = file();
    let before = fs::read(&path).unwrap();
    let db = format!("sqlite://{}", path.display());
    let (printed, advice) = advised(&["--threads", "3", "--db", &db, "--query", QUERY]);
    assert!(advice.database.starts_with("SQLite ") && advice.room.is_none());
    let sizes: Vec<_> = advice.sweep.iter().map(|it| it.size).collect();
    assert_eq!(sizes, [1, 2, 3]);
    assert_sound(&advice, &printed);
    assert!(printed.contains("journal mode `delete`"), "{printed}");
    assert!(advice.code.contains("::file(path).wal(false)"), "as it was measured: {printed}");
    assert!(fs::read(&path).unwrap() == before, "the file was changed");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a file was left beside it");
}

#[test]
fn think_time_and_threads_that_come_and_go_are_taken_into_account() {
    let (_directory, path) = file();
    let db = format!("sqlite:{}", path.display());
    let (printed, advice) = advised(&[
        "--threads",
        "2",
        "--db",
        &db,
        "--query",
        QUERY,
        "--think-ms",
        "2.5",
        "--threads-come-and-go",
    ]);
    assert_eq!((advice.think_ns, advice.threads_come_and_go), (2.5e6, true));
    assert!(advice.proof.iter().all(|it| it.pool != "persistent"));
    // Two threads that are idle for 2.5 ms after each use. The first use of each may have begun before
    // the window of 30 ms.
    let most = 2.0 / 2.5e-3 + 2.0 / 30e-3;
    assert!(advice.expected.ops_per_s <= most, "{:?}", advice.expected);
    assert!(printed.contains("idle for 2.50 ms") && printed.contains("come and go"), "{printed}");
}

#[test]
fn for_one_thread_it_says_that_no_pool_is_needed() {
    let (_directory, path) = file();
    let db = format!("sqlite:{}", path.display());
    let (printed, advice) = advised(&["--threads", "1", "--db", &db, "--query", QUERY]);
    assert_eq!((advice.size, advice.proof.len()), (1, 1));
    assert!(printed.contains("no pool is needed"), "{printed}");
}

#[test]
fn a_server_with_little_room_limits_the_measured_and_the_advised_sizes() {
    let server = MariaDb::builder().max_connections(10).start().unwrap();
    let shop = Shop::open(&server);
    let (printed, advice) =
        advised(&["--threads", "16", "--db", &shop.url, "--query", QUERY, "--instances", "4"]);
    let room = advice.room.expect("a server has a limit");
    assert_eq!((room.max_connections, room.reserve), (10, 2));
    assert!(room.connections <= 8);
    let largest = advice.sweep.iter().map(|it| it.size).max();
    assert_eq!(largest, Some(room.connections as usize));
    assert!(advice.size as u64 <= room.connections / 4, "{advice:?}");
    assert!(printed.contains("16 threads need a connection each"), "{printed}");
}

/// Starts `advise` on this database, does something to it as soon as a stage with this number begins,
/// and returns what the program left. The run is so long that the stage has not ended by then.
fn disturbed(
    db: &str,
    stage: usize,
    disturb: impl FnOnce(),
    out: &Path,
) -> (Option<i32>, String, String) {
    let mut child = program()
        .args(["--seconds", "6", "--threads", "4", "--db", db, "--query", QUERY, "--out"])
        .arg(out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let (mut said, mut begun) = (String::new(), 0);
    while begun < stage {
        assert!(errors.read_line(&mut said).unwrap() > 0, "it ended early: {said}");
        begun = said.matches(" turns, about ").count();
    }
    disturb();
    errors.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!said.contains(PASSWORD), "{said}");
    (output.status.code(), text(&output.stdout).to_owned(), said)
}

#[test]
fn a_database_that_goes_away_in_the_middle_leaves_the_figures_so_far() {
    let mut server = MariaDb::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("advice.json");
    let shop = Shop::open(&server);
    let (code, printed, errors) = disturbed(&shop.url, 2, || server.kill9(), &out);
    assert_eq!(code, Some(1), "{printed}{errors}");
    assert!(errors.contains("error: the database stopped answering"), "{errors}");
    let advice: Advice = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    let sizes: Vec<_> = advice.sweep.iter().map(|it| it.size).collect();
    assert_eq!(sizes, [1, 2, 4], "the whole curve was measured before");
    assert!(advice.sweep.iter().all(|it| it.errors == 0 && it.ops_per_s > 0.0), "{advice:?}");
    assert_eq!((&*advice.pool, &*advice.expected.pool), ("shared", "shared"));
    assert_eq!(advice.expected.size, advice.size, "the advised size was measured");
    assert!(advice.database_lost.is_some() && advice.fleet.is_none());
    for words in ["The database stopped answering", "Until then take SharedPool", "The settings"] {
        assert!(printed.contains(words), "{words} in {printed}");
    }
    assert!(printed.ends_with(&format!("{}\n", out.display())), "{printed}");
}

#[test]
fn a_database_that_goes_away_before_there_is_a_figure_is_an_error() {
    let mut server = MariaDb::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("advice.json");
    let shop = Shop::open(&server);
    let (code, printed, errors) = disturbed(&shop.url, 1, || server.kill9(), &out);
    // The first turn may have ended before.
    if code == Some(2) {
        assert!(errors.contains("error: nothing could be measured: --db: "), "{errors}");
        assert!(printed.is_empty() && !out.exists(), "{printed}");
    } else {
        assert_eq!(code, Some(1), "{errors}");
        assert!(out.exists());
    }
}

#[test]
fn a_database_that_comes_back_at_once_is_measured_to_the_end() {
    let server = MariaDb::shared();
    let shop = Shop::open(server);
    // A restart may take longer than `advise` waits, on a busy machine. So the database stays, and its
    // connections end.
    let proxy = Proxy::before(([127, 0, 0, 1], server.port()).into()).unwrap();
    let (own, proxys) = (format!(":{}/", server.port()), format!(":{}/", proxy.address().port()));
    let cut = || {
        proxy.refuse();
        wait::until("the connections to be cut", || proxy.open() == 0);
        proxy.serve();
    };
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("advice.json");
    let (code, printed, errors) = disturbed(&shop.url.replace(&own, &proxys), 1, cut, &out);
    assert_eq!(code, Some(0), "{printed}{errors}");
    let advice: Advice = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!((advice.database_lost, advice.proof.len()), (None, 3), "{printed}");
}

#[test]
fn a_query_that_may_write_is_refused_on_mariadb_and_nothing_is_written() {
    let server = MariaDb::shared();
    let shop = Shop::open(server);
    let (directory, out) = (tempfile::tempdir().unwrap(), "stolen.txt");
    let outfile = format!("SELECT 1 INTO OUTFILE '{}'", directory.path().join(out).display());
    for (query, reason) in [
        ("DELETE FROM item", "must begin with"),
        ("SELECT 1; DELETE FROM item", "several statements"),
        (&*outfile, "INTO"),
        ("SELECT name FROM item WHERE id = 7 FOR UPDATE", "locks rows"),
        ("SELECT GET_LOCK('x', 1)", "GET_LOCK"),
        ("SELECT note()", "`note`"),
        ("SELECT /*!50000 note() */ 1", "executes"),
        // The text does not show the write: here the server itself refuses.
        ("SELECT * FROM sly", "READ ONLY transaction"),
    ] {
        let error = refused(&["--threads", "2", "--db", &shop.url, "--query", query]);
        assert!(error.contains("--query: ") && error.contains(reason), "{query}: {error}");
    }
    assert_eq!(shop.traces(server), 0);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn the_session_stays_read_only_after_resets_and_with_the_user_s_own_init() {
    let server = MariaDb::shared();
    let shop = Shop::open(server);
    // User variables make the pool reset the session. If the session were writable after that, or
    // the variable missing, the subquery would return more than one row, which is an error.
    let db = format!("{}?init=SET+%40mine%3D41", shop.url);
    let query =
        "SELECT IF(@mine + 1 = 42 AND @@tx_read_only, (@mine := 41), (SELECT id FROM item))";
    let (printed, advice) = advised(&["--threads", "2", "--db", &db, "--query", query]);
    assert!(advice.sweep.iter().all(|it| it.errors == 0), "{advice:?}");
    assert!(printed.contains("the pool resets it"), "{printed}");
    assert_eq!(shop.traces(server), 0);
}

#[test]
fn a_query_that_writes_runs_with_allow_writes() {
    let server = MariaDb::shared();
    let shop = Shop::open(server);
    let insert = "INSERT INTO trace VALUES ('seen')";
    let arguments = ["--threads", "2", "--db", &shop.url, "--query", insert, "--allow-writes"];
    let (printed, advice) = advised(&arguments);
    assert!(!advice.read_only && printed.contains("may write"), "{printed}");
    assert!(shop.traces(server) > 0);

    let (_directory, path) = file();
    let db = format!("sqlite:{}", path.display());
    let update = "UPDATE item SET name = 'new' WHERE id = 7";
    let error = refused(&["--threads", "2", "--db", &db, "--query", update]);
    assert!(error.contains("must begin with"), "{error}");
    let arguments = ["--threads", "2", "--db", &db, "--query", update, "--allow-writes"];
    let (_, advice) = advised(&arguments);
    assert!(advice.code.contains("::file(path);"), "it was measured with the write-ahead log");
    let conn = rusqlite::Connection::open(&path).unwrap();
    let name: String = conn.query_row(QUERY, (), |row| row.get(0)).unwrap();
    assert_eq!(name, "new");
    let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal", "as the printed code finds it");
}

#[test]
fn a_file_in_write_ahead_log_mode_is_measured_in_it() {
    let (_directory, path) = file();
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    let db = format!("sqlite:{}", path.display());
    let (printed, advice) = advised(&["--threads", "2", "--db", &db, "--query", QUERY]);
    assert!(advice.code.contains("::file(path);"), "{printed}");
    assert!(!printed.contains("journal mode"), "{printed}");
}

/// Programs that keep the processors busy, two for each. Its drop ends them, and so does the end of this
/// program.
struct Burners(Vec<Child>);

impl Burners {
    fn start() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let burn =
            || Command::new("sh").args(["-c", "while kill -0 $PPID 2>&-; do :; done"]).spawn();
        Self((0..2 * processors).map(|_| burn().expect("there is a shell")).collect())
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for burner in &mut self.0 {
            let _ = burner.kill();
            let _ = burner.wait();
        }
    }
}

#[test]
fn on_a_busy_machine_it_says_that_it_cannot_tell_and_advises_the_default() {
    let (_directory, path) = file();
    let db = format!("sqlite:{}", path.display());
    let _burners = Burners::start();
    let (printed, advice) = advised(&["--threads", "8", "--db", &db, "--query", QUERY]);
    assert_eq!(
        (&*advice.pool, advice.size),
        ("shared", 8),
        "its default, for 8 threads: {printed}"
    );
    assert!(advice.others_processors.is_none_or(|used| used > 0.3), "{advice:?}");
    assert!(printed.contains("\nadvise cannot tell which pool and which size do best here:\n"));
    assert!(printed.contains("Other programs use "), "{printed}");
    assert!(!printed.contains("knee: "), "{printed}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let (_directory, path) = file();
    let db = format!("sqlite:{}", path.display());
    for columns in [60, 80, 120] {
        let output = program()
            .args(["--seconds", "1", "--threads", "2", "--instances", "2"])
            .args(["--db", &db, "--query", QUERY])
            .env("COLUMNS", columns.to_string())
            .output()
            .unwrap();
        let printed = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        // The code is not wrapped, because users paste it, and neither is the file's path.
        let (before, after) = printed.split_once("The settings\n").unwrap();
        let after = after.lines().filter(|line| !line.starts_with("    "));
        let lines = before.lines().chain(after);
        for line in lines.filter(|line| !line.contains(path.to_str().unwrap())) {
            assert!(line.chars().count() <= columns, "{columns} columns: {line}");
        }
        assert!(printed.contains("ops/s") && printed.contains("in use"), "{printed}");
    }
}

#[test]
fn bad_input_is_refused_with_one_line_that_says_what_to_do() {
    let (directory, path) = file();
    let db = format!("sqlite:{}", path.display());
    let missing = format!("sqlite:{}", directory.path().join("none.db").display());
    let closed = ClosedPort::take();
    let unreachable = format!("mysql://me:{PASSWORD}@{}/test", closed.address());
    let unwritable = path.join("advice.json");
    let unwritable = unwritable.to_str().unwrap();
    for (arguments, expected) in [
        (&["--threads", "2", "--query", QUERY][..], "--db"),
        (&["--threads", "2", "--db", &db], "--query"),
        (&["--db", &db, "--query", QUERY], "--threads"),
        (&["--threads", "0", "--db", &db, "--query", QUERY], "--threads"),
        (&["--threads", "2", "--db", &db, "--query", ""], "--query"),
        (&["--threads", "2", "--db", "postgres://me:tell-nobody@h/d", "--query", QUERY], "sqlite:"),
        (&["--threads", "2", "--db", "shop.db", "--query", QUERY], "no scheme"),
        (&["--threads", "2", "--db", &missing, "--query", QUERY], "does not exist"),
        (&["--threads", "2", "--db", &unreachable, "--query", QUERY], "--db: "),
        (&["--threads", "2", "--db", &db, "--query", "SELECT nothing FROM item"], "nothing"),
        (&["--threads", "2", "--db", &db, "--query", "SELECT 1", "--think-ms", "-1"], "--think-ms"),
        (
            &["--threads", "2", "--db", &db, "--query", "SELECT 1", "--instances", "0"],
            "--instances",
        ),
        (&["--threads", "2", "--db", &db, "--query", "SELECT 1", "--verify"], "--instances"),
        (&["--threads", "2", "--db", &db, "--query", QUERY, "--out", unwritable], "cannot write"),
        (&["mysql://me:tell-nobody@h/d"], "unexpected argument"),
    ] {
        let error = refused(arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "something was written");
}

#[test]
fn an_error_of_the_server_in_the_query_is_one_line() {
    let shop = Shop::open(MariaDb::shared());
    let query = "SELECT\nnothing\nFROM item";
    let error = refused(&["--threads", "2", "--db", &shop.url, "--query", query]);
    assert!(error.contains("--query: ") && error.contains("Unknown column"), "{error}");
}

#[test]
fn help_says_how_the_query_is_prevented_from_writing() {
    let output = program().arg("--help").output().unwrap();
    let help = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(output.status.success());
    for words in
        ["SET SESSION TRANSACTION READ ONLY", "opens the file read-only", "INTO, FOR UPDATE"]
    {
        assert!(help.contains(words), "{words} in {help}");
    }
}
