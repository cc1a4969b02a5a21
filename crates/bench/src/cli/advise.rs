//! `advise` on the command line.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use indicatif::{ProgressBar, ProgressStyle};
use threadwise_bench::advise::turn::Setup;
use threadwise_bench::advise::{Question, Watch, advise, text};
use threadwise_bench::fleet::processes;
use threadwise_bench::width::Width;
use threadwise_bench::{Failure, report};

const BAR: &str = "{msg:32!} {wide_bar} {pos}/{len} turns, {eta} left";

/// Which pool, and how large, for my threads, my database and my query?
///
/// Measures the query on the database through SharedPool with 1, 2, 4 … connections, by as many
/// threads as you say, then around the best size, then beside QueuePool and PersistentPool; and prints
/// which pool to take, its size with the reasons, the settings as Rust code, and what to expect.
/// docs/advise.md says how each number comes about.
///
/// The query can only read, unless --allow-writes is given. On MySQL and MariaDB every session is put
/// into the mode READ ONLY (SET SESSION TRANSACTION READ ONLY, when it is opened and after each
/// reset), in which the server refuses to change any table, and it is checked that it is; the query is
/// sent as a prepared statement, of which the server takes one at a time; and what that lets through
/// is refused by the text: anything but SELECT, WITH, VALUES, TABLE and SHOW, anything with INTO, FOR
/// UPDATE, FOR SHARE or LOCK IN SHARE MODE, functions that take locks or count sequences on, stored
/// and loaded functions, comments that the server executes. (Where the account may not see
/// mysql.func, loaded functions are not recognised.) On SQLite the file is opened read-only, and the
/// statement has to be one that SQLite itself takes for reading. The user's right to read is all that
/// it needs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  threadwise-bench advise --threads 64 --db mysql://me:secret@db.example/shop \\
      --query 'SELECT name FROM item WHERE id = 7'
  threadwise-bench advise --threads 8 --db sqlite:shop.db --query 'SELECT count(*) FROM item'
  threadwise-bench advise --threads 16 --think-ms 20 --instances 12 --verify --db … --query …")]
pub(crate) struct Advise {
    /// How many threads use the pool
    #[arg(long, value_name = "N", value_parser = super::at_least_one(4_096))]
    threads: u64,

    /// The database: mysql://user:password@host/database, sqlite:path or sqlite:///path
    ///
    /// The password is never printed. It can be seen in the system's list of processes; a URL in the
    /// variable THREADWISE_DB instead cannot.
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new(),
          env = "THREADWISE_DB", hide_env_values = true)]
    db: String,

    /// What the threads ask it: one statement that reads
    #[arg(long, value_name = "SQL", value_parser = NonEmptyStringValueParser::new())]
    query: String,

    /// About how many seconds measuring takes; --instances adds two fifths, --verify as much again
    #[arg(long, value_name = "S", default_value_t = 30,
          value_parser = super::at_least_one(3_600))]
    seconds: u64,

    /// For how many milliseconds a thread does something else between two uses
    #[arg(long, value_name = "MS", default_value = "0", value_parser = millis,
          allow_negative_numbers = true)]
    think_ms: Duration,

    /// Threads end and others begin, as where each request has a thread of its own
    #[arg(long)]
    threads_come_and_go: bool,

    /// Let the query write, lock, and call what it likes; switch a SQLite file to the write-ahead log, as
    /// the printed code does
    #[arg(long)]
    allow_writes: bool,

    /// Plan a fleet of so many processes like this one, by simulation
    #[arg(long, value_name = "N", value_parser = super::at_least_one(1_024))]
    instances: Option<u64>,

    /// Compare the simulation with 1, 2, 4 and at most 8 real processes, on this machine
    #[arg(long, requires = "instances")]
    verify: bool,

    /// The seed of the simulation
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Where to write all that was measured, as JSON; nowhere unless given
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

fn millis(text: &str) -> Result<Duration, String> {
    const MOST: f64 = 60_000.0;
    match text.parse::<f64>() {
        Ok(millis) if (0.0..=MOST).contains(&millis) => Ok(Duration::from_secs_f64(millis / 1e3)),
        _ => Err(format!("not a number of milliseconds from 0 to {MOST}")),
    }
}

/// Runs it; the error is what the user can mend.
pub(crate) fn run(options: &Advise) -> Result<ExitCode, Failure> {
    if let Some(path) = &options.out {
        report::check_writable(path).map_err(|error| {
            Failure::new(format_args!("cannot write {}: {error}; see --out", path.display()))
        })?;
    }
    let mut progress = Progress::new(io::stderr().is_terminal());
    let advice = options.question().and_then(|question| advise(&question, &mut progress));
    progress.bar.finish_and_clear();
    let advice = advice?;
    let mut text = text::render(&advice, Width::of_output());
    if let Some(path) = &options.out {
        if let Err(error) = advice.write(path) {
            eprintln!("error: cannot write {}: {error}", path.display());
            return Ok(ExitCode::FAILURE);
        }
        text += &format!("{}\n", path.display());
    }
    crate::print(&text);
    Ok(ExitCode::SUCCESS)
}

/// A process of the fleet of `--verify`.
pub(crate) fn work() -> ExitCode {
    processes::work(io::stdin().lock(), io::stdout().lock());
    let _ = io::stdout().flush();
    ExitCode::SUCCESS
}

impl Advise {
    fn question(&self) -> Result<Question, Failure> {
        let program = std::env::current_exe().map_err(|error| {
            Failure::new(format_args!("--verify: where is this program? {error}"))
        });
        Ok(Question {
            db: self.db.clone(),
            query: self.query.clone(),
            threads: self.threads as usize,
            think: self.think_ms,
            time: Duration::from_secs(self.seconds),
            come_and_go: self.threads_come_and_go,
            allow_writes: self.allow_writes,
            instances: self.instances.map(|instances| instances as usize),
            verify_by: if self.verify { Some(program?) } else { None },
            seed: self.seed,
        })
    }
}

/// A bar on a terminal, a line for each stage elsewhere.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(terminal: bool) -> Self {
        let bar = if terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        Self { bar }
    }
}

impl Watch for Progress {
    fn begin(&mut self, turns: usize, estimate: Duration) {
        if self.bar.is_hidden() {
            eprintln!("{turns} turns, about {} s", estimate.as_secs() + 1);
        }
        self.bar.set_position(0);
        self.bar.set_length(turns as u64);
        self.bar.set_style(ProgressStyle::with_template(BAR).expect("the template is well-formed"));
        self.bar.reset_eta();
    }

    fn turn(&mut self, setup: Setup) {
        self.bar.set_message(format!("{} {}", setup.model.name(), setup.size));
        self.bar.inc(1);
    }

    fn doing(&mut self, what: &str) {
        if self.bar.is_hidden() {
            eprintln!("{what}");
        }
        self.bar.set_message(what.to_owned());
    }
}
