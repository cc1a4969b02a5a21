//! The command line.

pub(crate) mod advise;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use threadwise_bench::backend::Backend;
use threadwise_bench::compare::Plan;
use threadwise_bench::interrupt::Interrupt;
use threadwise_bench::names::ContenderKind;

use self::advise::Advise;

/// Which connection pool for my threads? Measured on this machine, ours beside others'.
#[derive(Debug, Parser)]
#[command(name = "threadwise-bench", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Compare(Compare),
    Report(Report),
    Advise(Advise),
    /// A process of the fleet that `advise --verify` starts
    #[command(name = threadwise_bench::fleet::processes::WORKER, hide = true)]
    AdviseWorker,
    /// Name the pools, workloads, sweeps, scenarios and backends that there are, with a line on each
    List,
}

/// Measure all pools on the same work, in turns, and print a table for each workload
///
/// Without options: every pool on every workload, on connections that do nothing (synthetic), on a
/// SQLite file and on a private MariaDB server that is started for this and removed afterwards. It
/// takes about eight minutes; --quick takes one or less and gives an impression.
///
/// In the tables, "±" is half the distance between a pool's slowest and its fastest turn, relative to
/// the median throughput: differences that are smaller say nothing. "of best" is the throughput
/// relative to the fastest pool, "per op" what an operation (borrow, use, give back) takes a thread,
/// "wait" the time from asking for a connection to having it (median, 99 in 100, 999 in 1000,
/// longest), and "fair" the operations of the slowest thread relative to those of the fastest. ★ marks
/// the best pool in each of these respects. Then follows where the time of a query goes (the breakdown, on
/// mysql), and in the end stand the claims that the pools promise to keep to, as far as their workloads
/// were measured, and whether each held: the median of the ratios within each round, and the least and
/// the greatest of them. All figures are written to a JSON file too, and beside it a page with plots of
/// them, to be opened in a browser.
///
/// Ctrl-C ends the run early and writes what was measured until then; the exit code is 130. Once more
/// ends it at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  threadwise-bench compare --quick
  threadwise-bench compare --backend mysql --workload starved --rounds 9
  threadwise-bench compare --pool shared --pool r2d2 --out here.json
  threadwise-bench compare --backend mysql --mysql-url mysql://me:secret@db.example/test")]
pub(crate) struct Compare {
    /// Measure here only: synthetic, sqlite, mysql, or all (the default); may be repeated
    ///
    /// Where mysql is not asked for by name and no mariadbd is installed, it is left out.
    #[arg(long = "backend", value_name = "BACKEND", value_parser = backends)]
    backends: Vec<Backends>,

    /// Measure this pool only; may be repeated. `list` names them
    #[arg(long = "pool", value_name = "NAME")]
    pools: Vec<ContenderKind>,

    /// Measure this only: a workload, a sweep, a scenario, the breakdown or memory; may be repeated. `list`
    /// names them
    #[arg(long = "workload", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    workloads: Vec<String>,

    /// How often each pool has its turn at each workload, besides warming up [default: 5]
    ///
    /// On mysql, workloads with claims have four times as many turns (connect twelve times), of half the
    /// time each: there a turn differs from the next by more than most claims allow for, and only many
    /// even that out.
    #[arg(long, value_name = "N", value_parser = at_least_one(1_000))]
    rounds: Option<u64>,

    /// How many milliseconds a turn takes [default: 200]
    #[arg(long, value_name = "N", value_parser = at_least_one(600_000))]
    millis: Option<u64>,

    /// Only a glance: one turn of 20 milliseconds each, unless --rounds or --millis say otherwise,
    /// and scenarios in a tenth of their time
    #[arg(long)]
    quick: bool,

    /// Where the JSON report goes, with the page (.html) beside it
    ///
    /// [default: threadwise/report.json in Cargo's target directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,

    /// Use this MySQL or MariaDB server instead of a private one
    ///
    /// The URL must name a database, in which the account may create tables. The table
    /// `threadwise_bench_item` is created there and dropped in the end; nothing else is touched.
    /// The server has to take some 250 connections at the same time.
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    mysql_url: Option<String>,
}

impl Compare {
    pub(crate) fn plan(&self) -> Plan {
        let everywhere = self.backends.contains(&Backends::All);
        let named = self.backends.iter().filter_map(|backends| match backends {
            Backends::All => None,
            Backends::One(backend) => Some(*backend),
        });
        let (rounds, millis) = if self.quick { (1, 20) } else { (5, 200) };
        Plan {
            backends: if everywhere { Vec::new() } else { named.collect() },
            pools: self.pools.clone(),
            workloads: self.workloads.clone(),
            scale: if self.quick { QUICK } else { 1.0 },
            rounds: self.rounds.unwrap_or(rounds) as usize,
            window: Duration::from_millis(self.millis.unwrap_or(millis)),
            mysql_url: self.mysql_url.clone(),
            interrupt: Interrupt::default(),
        }
    }
}

/// Draw the page with plots again from a JSON report, of whatever machine, or charts for documents
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The report that `compare` wrote
    #[arg(value_name = "PATH.json")]
    pub(crate) json: PathBuf,

    /// Where the page goes [default: beside the report, ending in .html]
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,

    /// Write the most telling plots into this directory, each as an SVG file, instead of the page
    ///
    /// The files are checkout.svg, reading.svg, waits.svg, threads.svg, breakdown.svg and spike.svg, as
    /// far as the report has their figures.
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub(crate) charts: Option<PathBuf>,
}

/// How long scenarios take at a glance, compared with the whole.
const QUICK: f64 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backends {
    All,
    One(Backend),
}

fn backends(name: &str) -> Result<Backends, threadwise_bench::Failure> {
    if name == "all" { Ok(Backends::All) } else { name.parse().map(Backends::One) }
}

fn at_least_one(most: u64) -> impl TypedValueParser<Value = u64> {
    clap::value_parser!(u64).range(1..=most)
}

/// What is wrong with the arguments, without the lines of usage around it.
pub(crate) fn one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a subcommand is missing; try --help".into(); // the text would be all of the help
    }
    let text = error.to_string();
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    format!("{}; try --help", without_passwords(line.strip_prefix("error: ").unwrap_or(&line)))
}

/// Shows no user and password of a URL that stands where none is expected.
fn without_passwords(line: &str) -> String {
    let Some((before, url)) = line.split_once("://") else { return line.to_owned() };
    match url.rsplit_once('@') {
        Some((_, rest)) => format!("{before}://…@{rest}"),
        None => line.to_owned(),
    }
}
