//! The command line.

pub(crate) mod abroad;

mod defaults;
mod turns;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use threadwise_bench::plan::Plan;
use threadwise_figures::{Backend, ContenderKind, UnknownName};

use self::abroad::Abroad;
pub(crate) use self::defaults::report_path as default_path;
use self::turns::Turns;

/// Measures connection pools on this machine: which one suits your threads?
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
    Abroad(Abroad),
    /// List the pools, workloads, sweeps, scenarios and backends, each with a line about it
    List,
}

/// Measure all pools on the same work, in turns, and print a table for each workload
///
/// Without options it measures every pool on every workload, on four backends: connections that do
/// nothing (synthetic), a SQLite file, and private MariaDB and PostgreSQL servers, which it starts and
/// removes afterwards. This takes about twelve minutes. --quick takes one or two and gives an
/// impression.
///
/// In the tables, "±" is half the distance between a pool's slowest and fastest turn, relative to
/// its median throughput; smaller differences mean nothing. "of best" is the throughput relative to
/// the fastest pool. "per op" is how long one thread takes for an operation (borrow, use, return).
/// "wait" is the time from asking for a connection to having it: the median, 99 in 100, 999 in
/// 1000, and the longest. "fair" is the operations of the slowest thread divided by those of the
/// fastest. ★ marks the best pool in throughput, in the p99.9 wait and in fairness.
///
/// After the tables, the breakdown shows where the time of a query goes (on mysql). The last list
/// has each claim (a limit that our pools promise to keep) whose workload was measured, and whether
/// it holds: the median of the ratios within each round, and the smallest and the largest ratio.
/// All figures also go to a JSON file, with a page of plots for a browser beside it.
///
/// On mysql, workloads with claims have four times as many turns as --rounds says (`connect` twelve
/// times), each half as long. There, two turns differ by more than most claims allow, and only many
/// turns even that out. On other backends they have twice as many, each half as long.
///
/// Ctrl-C ends the run early and writes what was measured so far; the exit code is 130. A second
/// Ctrl-C ends the program at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  threadwise-bench compare --quick
  threadwise-bench compare --backend mysql --workload starved --rounds 9
  threadwise-bench compare --pool shared --pool r2d2 --out here.json
  threadwise-bench compare --backend mysql --mysql-url mysql://me:secret@db.example/test")]
pub(crate) struct Compare {
    /// Use this backend only: synthetic, sqlite, mysql, postgres or all (the default); may be
    /// repeated
    ///
    /// A server's backend that you do not name is left out if its server is not installed.
    #[arg(long = "backend", value_name = "BACKEND", value_parser = backend)]
    backends: Vec<Option<Backend>>,

    /// Measure this pool only; may be repeated. `list` shows the names
    #[arg(long = "pool", value_name = "NAME")]
    pools: Vec<ContenderKind>,

    /// Measure only this workload, sweep or scenario, or `breakdown` or `memory`; may be repeated.
    /// `list` shows the names
    #[arg(long = "workload", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    workloads: Vec<String>,

    #[command(flatten)]
    turns: Turns,

    /// How many seconds of extra turns to spend on claims that are undecided, all together
    ///
    /// A claim is undecided after its turns if the limit lies within the interval. Then its pools
    /// get extra turns, until it is decided, or its workload has taken half of the seconds that are
    /// left. 0 for none.
    #[arg(long, value_name = "S", default_value_t = Plan::default().extra_time.as_secs(),
          value_parser = clap::value_parser!(u64).range(..=3_600))]
    extra_seconds: u64,

    /// Write the JSON report to this path, and the page (.html) beside it
    ///
    /// [default: threadwise/report.json in Cargo's target directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,

    /// Use this MySQL or MariaDB server instead of a private one
    ///
    /// The URL must name a database in which the account may create tables. The run creates the
    /// table `threadwise_bench_item` there and drops it at the end; it changes nothing else. The
    /// server must accept about 250 connections at the same time.
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    mysql_url: Option<String>,
}

impl Compare {
    pub(crate) fn plan(&self) -> Plan {
        let named: Option<Vec<_>> = self.backends.iter().copied().collect();
        let (rounds, window) = self.turns.rounds_and_window();
        Plan {
            backends: named.unwrap_or_default(),
            pools: self.pools.clone(),
            parts: self.workloads.clone(),
            scale: self.turns.scale(),
            rounds,
            window,
            extra_time: Duration::from_secs(self.extra_seconds),
            mysql_url: self.mysql_url.clone(),
            ..Plan::default()
        }
    }
}

/// Draw the page with plots again from a JSON report of any machine, or charts for documents
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The report that `compare` wrote
    #[arg(value_name = "PATH.json")]
    pub(crate) json: PathBuf,

    /// Write the page to this path [default: beside the report, ending in .html]
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,

    /// Write the most telling plots to this directory as SVG files, instead of the page
    ///
    /// The files are trade.svg, checkout.svg, reading.svg, waits.svg, threads.svg, breakdown.svg and
    /// spike.svg, each if the report has its figures.
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub(crate) charts: Option<PathBuf>,
}

/// A backend; `None` for all of them.
fn backend(name: &str) -> Result<Option<Backend>, UnknownName> {
    if name == "all" { Ok(None) } else { name.parse().map(Some) }
}
