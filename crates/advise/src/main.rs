//! `threadwise-advise`: advises a pool and its size for the user's threads, database and query.
//!
//! Exit codes: 0 if the advice rests on the whole measurement; 2 if it could not run for a reason
//! that the user can fix; 1 if the database stopped answering in the middle, so that the advice rests
//! on less, or if writing the file failed.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::ProgressBar;
use threadwise_advise::fleet::processes;
use threadwise_advise::question::Question;
use threadwise_advise::turn::Setup;
use threadwise_advise::watch::Watch;
use threadwise_advise::{advise, text};
use threadwise_bench::terminal::{self, parse, print, refuse};
use threadwise_bench::{Failure, Result};
use threadwise_figures::{check_writable, write_json};
use threadwise_page::width::Width;

/// Advise a pool and its size for your threads, your database and your query
///
/// Measures the query on your database through SharedPool with 1, 2, 4 … connections and as many
/// threads as you name, then with sizes around the best one, then beside QueuePool and
/// PersistentPool. Prints which pool to use, its size with the reasons, the settings as Rust code,
/// and what to expect. docs/advise.md says how it gets each number.
///
/// The query can only read, unless you give --allow-writes. On MySQL and MariaDB, advise makes
/// every session read-only (SET SESSION TRANSACTION READ ONLY, when it opens the session and after
/// each reset) and checks that it is; the server then refuses to change any table. It sends the
/// query as a prepared statement, which the server takes for one statement only. A read-only
/// session still allows some things, so advise refuses by the text: every statement but SELECT,
/// WITH, VALUES, TABLE and SHOW; a statement with INTO, FOR UPDATE, FOR SHARE or LOCK IN SHARE
/// MODE; functions that take locks or advance sequences; stored and loaded functions; and comments
/// that the server executes. (If the account may not read mysql.func, advise does not recognise
/// loaded functions.) On SQLite it opens the file read-only, and SQLite itself must report that the
/// statement only reads. The account needs no right but to read.
#[derive(Parser)] // no `Debug`: the address may hold a password
#[command(
    name = "threadwise-advise",
    version,
    after_help = "Examples:
  threadwise-advise --threads 64 --db mysql://me:secret@db.example/shop \\
      --query 'SELECT name FROM item WHERE id = 7'
  threadwise-advise --threads 8 --db sqlite:shop.db --query 'SELECT count(*) FROM item'
  threadwise-advise --threads 16 --think-ms 20 --instances 12 --verify --db … --query …"
)]
struct Arguments {
    #[command(flatten)]
    question: Question,

    /// Compare the simulation with 1, 2, 4 and at most 8 real processes, on this machine
    #[arg(long, requires = "instances")]
    verify: bool,

    /// Also write all figures to this path, as JSON
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(processes::WORKER) {
        processes::work(io::stdin().lock(), io::stdout().lock());
        return ExitCode::SUCCESS;
    }
    match parse::<Arguments>() {
        Ok(arguments) => run(arguments).unwrap_or_else(|failure| refuse(&failure.to_string())),
        Err(code) => code,
    }
}

/// Measures and advises. The error is one that the user can fix.
fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { mut question, verify, out } = arguments;
    if verify {
        let program = std::env::current_exe().map_err(|error| {
            Failure::new(format_args!("--verify: cannot find the path of this program: {error}"))
        });
        question.verify_by = Some(program?);
    }
    if let Some(path) = &out {
        check_writable(path).map_err(|error| {
            Failure::new(format_args!("cannot write {}: {error}; see --out", path.display()))
        })?;
    }
    let mut progress = Progress { bar: terminal::bar() };
    let advice = advise(&question, &mut progress);
    progress.bar.finish_and_clear();
    let advice = advice?;
    let mut text = text::render(&advice, Width::of_output());
    if let Some(path) = &out {
        if let Err(error) = write_json(path, &advice) {
            eprintln!("error: cannot write {}: {error}", path.display());
            return Ok(ExitCode::FAILURE);
        }
        text += &format!("{}\n", path.display());
    }
    print(&text);
    let Some(why) = &advice.database_lost else { return Ok(ExitCode::SUCCESS) };
    eprintln!("error: the database stopped answering before the end: {why}");
    Ok(ExitCode::FAILURE)
}

/// A bar on a terminal, otherwise a line for each stage.
struct Progress {
    bar: ProgressBar,
}

impl Watch for Progress {
    fn begin(&mut self, turns: usize, estimate: Duration) {
        if self.bar.is_hidden() {
            eprintln!("{turns} turns, about {} s", estimate.as_secs() + 1);
        }
        terminal::begin(&self.bar, turns);
    }

    fn turn(&mut self, setup: Setup) {
        self.bar.set_message(format!("{} {}", setup.kind.name(), setup.size));
        self.bar.inc(1);
    }

    fn doing(&mut self, what: &str) {
        if self.bar.is_hidden() {
            eprintln!("{what}");
        }
        self.bar.set_message(what.to_owned());
    }
}
