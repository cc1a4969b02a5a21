//! `threadwise-bench`: compares connection pools on this machine.
//!
//! Exit codes: 0 if the comparison ran (errors of contenders are part of its outcome), 2 if it
//! could not run for a reason that the user can fix, 1 if writing the report failed at the end, and
//! 130 if Ctrl-C ended it.

mod cli;
mod ctrl_c;
mod progress;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use threadwise_bench::experiment::{Findings, Part};
use threadwise_bench::heap::Counting;
use threadwise_bench::plan::Plan;
use threadwise_bench::terminal::{one_line, print, refuse};
use threadwise_bench::{claims, experiments, stamp};
use threadwise_figures::{
    Backend, ContenderKind, Report, Stamp, Sweep, Verdict, check_writable, is_enough,
};
use threadwise_page::width::Width;
use threadwise_page::{html, table};

use crate::cli::{Arguments, Command, Compare};
use crate::ctrl_c::INTERRUPTED;
use crate::progress::Progress;

/// Counts while memory is measured. Otherwise it only forwards to the system's allocator.
#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => return refuse(&one_line(&error)),
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match arguments.command {
        Command::Compare(options) => run_compare(options),
        Command::Report(options) => run_report(&options),
        Command::Abroad(options) => {
            cli::abroad::run(&options).unwrap_or_else(|failure| refuse(&failure.to_string()))
        }
        Command::List => {
            print(&list());
            ExitCode::SUCCESS
        }
    }
}

fn run_compare(options: Compare) -> ExitCode {
    let path = options.out.clone().unwrap_or_else(cli::default_path);
    for path in [&path, &html::path_beside(&path)] {
        if let Err(error) = check_writable(path) {
            return refuse(&format!("cannot write {}: {error}; see --out", path.display()));
        }
    }
    let mut progress = Progress::new(io::stderr().is_terminal());
    let plan = options.plan();
    ctrl_c::handle(&plan.interrupt, &progress);
    let findings = match experiments::run(&plan, &mut progress) {
        Ok(findings) => findings,
        Err(failure) => {
            progress.clear();
            return refuse(&failure.to_string());
        }
    };
    progress.clear();
    finish(&plan, findings, path)
}

fn finish(plan: &Plan, findings: Findings, path: PathBuf) -> ExitCode {
    let interrupted = plan.interrupt.is_raised();
    if interrupted && findings.is_empty() {
        eprintln!("interrupted before anything was measured: nothing was written");
        return ExitCode::from(INTERRUPTED);
    }
    let Findings { outcomes, sweeps, breakdowns, memory, scenarios, .. } = findings;
    let measurements = outcomes.iter().map(|outcome| &outcome.measurement).chain(&sweeps);
    let failed = measurements.filter(|measurement| measurement.errors > 0).count();
    let mut claims = claims::judge(&outcomes, plan.rounds, plan.window);
    claims.extend(claims::judge_scenarios(&scenarios));
    let [sweep, sizes, fair_after] = Sweep::ALL.map(|sweep| {
        let points = sweeps.iter().filter(|point| point.workload == sweep.name());
        points.cloned().collect::<Vec<_>>()
    });
    let report = Report {
        stamp: stamp::this_run(),
        questions: experiments::parts().map(|part| (part.name.into(), part.about.into())).collect(),
        interrupted,
        results: outcomes.into_iter().map(|outcome| outcome.measurement).collect(),
        sweep,
        sizes,
        fair_after,
        memory,
        scenarios,
        claims,
        breakdowns,
        ..Report::default()
    };
    let report = report.in_turns(plan.rounds, plan.window);
    let page = html::path_beside(&path);
    let wrote = report.write(&path).map_err(|error| (&path, error));
    if let Err((path, error)) = wrote.and_then(|()| write_page(&report, &page)) {
        eprintln!("error: cannot write {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    let width = Width::of_output();
    let mut text = table::render_breakdowns(&report.breakdowns, width);
    text += &table::render_claims(&report.claims, plan.rounds, plan.window, width);
    if !text.is_empty() {
        text.push('\n');
    }
    let Stamp { machine, date, commit, .. } = &report.stamp;
    let source = format!("{machine} · {date} · {commit}");
    text += &width.wrap(&source, "", "  ");
    if failed > 0 {
        text += &format!(
            "{failed} of {} measurements had errors\n",
            report.results.len() + sweeps.len()
        );
    }
    if interrupted {
        text += "interrupted: the missing figures were not measured\n";
    }
    text += &format!("{}\n{}\n", path.display(), page.display());
    print(&text);
    // A scenario is judged in a short run, too, but there it decides nothing.
    let is_judged = is_enough(plan.rounds, plan.window);
    let fails = |verdict: &&Verdict| is_judged && verdict.holds == Some(false);
    match report.claims.iter().filter(fails).count() {
        _ if interrupted => ExitCode::from(INTERRUPTED),
        0 => ExitCode::SUCCESS,
        failing => {
            eprintln!("{failing} of {} claims fail", report.claims.len());
            ExitCode::FAILURE
        }
    }
}

fn write_page<'p>(report: &Report, page: &'p PathBuf) -> Result<(), (&'p PathBuf, io::Error)> {
    html::write(report, page).map_err(|error| (page, error))
}

fn run_report(options: &cli::Report) -> ExitCode {
    let read = fs::read_to_string(&options.json).map_err(|error| error.to_string());
    let parsed = read.and_then(|text| {
        serde_json::from_str::<Report>(&text).map_err(|error| format!("not a report: {error}"))
    });
    let report = match parsed {
        Ok(report) => report,
        Err(problem) => return refuse(&format!("{}: {problem}", options.json.display())),
    };
    if let Some(directory) = &options.charts {
        return write_charts(&report, directory);
    }
    let page = options.out.clone().unwrap_or_else(|| html::path_beside(&options.json));
    let written = check_writable(&page).and_then(|()| html::write(&report, &page));
    if let Err(error) = written {
        return refuse(&format!("cannot write {}: {error}; see --out", page.display()));
    }
    print(&format!("{}\n", page.display()));
    ExitCode::SUCCESS
}

fn write_charts(report: &Report, directory: &Path) -> ExitCode {
    match html::write_charts(report, directory) {
        Ok(paths) if paths.is_empty() => refuse("the report has no figures for charts"),
        Ok(paths) => {
            let lines: Vec<_> = paths.iter().map(|path| format!("{}\n", path.display())).collect();
            print(&lines.concat());
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&format!(
            "cannot write charts to {}: {error}; see --charts",
            directory.display()
        )),
    }
}

fn list() -> String {
    let mut text = String::from("Pools\n");
    for pool in ContenderKind::ALL {
        text += &format!("  {pool:18}{}\n", pool.about());
    }
    text += "\nWhat is unfair\n";
    for pool in ContenderKind::ALL {
        text += &format!("  {pool:18}{}\n", pool.unfair());
    }
    for experiment in experiments::ALL {
        text += &format!("\n{}\n", experiment.heading());
        for Part { name, about, shape } in experiment.parts() {
            let shape = shape.map_or_else(String::new, |(threads, size)| {
                format!(" (threads {threads}, connections {size})")
            });
            text += &format!("  {name:18}{about}{shape}\n");
        }
    }
    text += "\nBackends\n";
    for backend in Backend::ALL {
        text += &format!("  {backend:18}{}\n", backend.about());
        let pools: Vec<_> = ContenderKind::all_on(backend).map(ContenderKind::name).collect();
        text += &format!("  {:18}{}\n", "", pools.join(", "));
    }
    text
}
