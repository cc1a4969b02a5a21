//! `abroad` on the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::ProgressBar;
use threadwise_bench::Result;
use threadwise_bench::abroad::{self, Event, Plan, Programs};
use threadwise_bench::interrupt::Interrupt;
use threadwise_bench::terminal::print;
use threadwise_page::table;
use threadwise_page::width::Width;

use super::defaults;
use super::turns::Turns;
use crate::ctrl_c::{self, INTERRUPTED};
use crate::output::Output;
use crate::progress::Progress;

/// Compare our pools with pools of other languages, in turns
///
/// The pools: DBUtils PooledDB and PersistentDB and SQLAlchemy's QueuePool (Python), HikariCP
/// (Java) and database/sql (Go). `just bench abroad` first fetches and builds what is missing.
/// docs/abroad.md says how to read the figures, and what is unfair.
///
/// The workloads: uncontended, as-many, starved-32-4 and starved-64-8 on connections that do
/// nothing; point-select, outage and spike on a private MariaDB.
#[derive(Debug, Args)]
pub(crate) struct Abroad {
    /// Measure this pool only; may be repeated
    #[arg(long = "pool", value_name = "NAME")]
    pools: Vec<String>,

    /// Measure only this workload or scenario; may be repeated
    #[arg(long = "workload", value_name = "NAME")]
    workloads: Vec<String>,

    #[command(flatten)]
    turns: Turns,

    /// Write the JSON report to this path, and the page (.html) beside it
    ///
    /// [default: threadwise/abroad.json in Cargo's target directory]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,

    /// Where the programs are [default: abroad in Cargo's target directory]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

impl Abroad {
    fn plan(&self) -> Plan {
        let (rounds, window) = self.turns.rounds_and_window();
        Plan {
            pools: self.pools.clone(),
            workloads: self.workloads.clone(),
            rounds,
            window,
            scale: self.turns.scale(),
            programs: Programs::at(
                self.programs.clone().unwrap_or_else(|| defaults::target().join("abroad")),
            ),
            interrupt: Interrupt::default(),
        }
    }
}

/// Runs the comparison, prints tables and notes, and writes the report and the page.
pub(crate) fn run(options: &Abroad) -> Result<ExitCode> {
    let path = options.out.clone();
    let path = path.unwrap_or_else(|| defaults::report_path().with_file_name("abroad.json"));
    let output = Output::at(path)?;
    let plan = options.plan();
    ctrl_c::handle(&plan.interrupt, &Progress::with(ProgressBar::hidden()));
    let width = Width::of_output();
    let report = abroad::run(&plan, &mut |event| show(event, width))?;
    output.write(&report)?;
    print(&format!("{}\n{}", table::render_unfair(&report, width), output.footer(&report, width)));
    Ok(if report.interrupted { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

fn show(event: Event<'_>, width: Width) {
    match event {
        Event::LeftOut(why) => eprintln!("{why}"),
        Event::Begins(place) => eprintln!("{place}"),
        Event::Compared(about, rows) => {
            let rows: Vec<_> = rows.iter().collect();
            print(&format!("{}\n", table::render(about, &rows, width)));
        }
        Event::Played(scenario, runs, errors) => {
            let mut text = table::render_scenario(scenario.about, runs, width);
            for error in errors {
                text += &width.wrap(&format!("! {error}"), "  ", "    ");
            }
            print(&format!("{text}\n"));
        }
    }
}
