//! `threadwise-bench`: compares connection pools on this machine.
//!
//! Exit codes: 0 if the comparison ran (errors of contenders are part of its outcome), 2 if it
//! could not run for a reason that the user can fix, 1 if writing the report failed at the end, and
//! 130 if Ctrl-C ended it.

mod cli;
mod ctrl_c;
mod output;
mod progress;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use threadwise_bench::experiment::{Findings, Part};
use threadwise_bench::heap::Counting;
use threadwise_bench::plan::Plan;
use threadwise_bench::terminal::{bar, parse, print, refuse};
use threadwise_bench::{Failure, Result, claims, experiments, stamp};
use threadwise_figures::{
    Backend, ContenderKind, Report, Sweep, Verdict, check_writable, is_enough,
};
use threadwise_page::width::Width;
use threadwise_page::{html, table};

use crate::cli::{Arguments, Command, Compare};
use crate::ctrl_c::INTERRUPTED;
use crate::output::{Output, cannot_write};
use crate::progress::Progress;

/// Counts while memory is measured. Otherwise it only forwards to the system's allocator.
#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> ExitCode {
    let arguments: Arguments = match parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let code = match arguments.command {
        Command::Compare(options) => run_compare(&options),
        Command::Report(options) => run_report(&options),
        Command::Abroad(options) => cli::abroad::run(&options),
        Command::List => {
            print(&list());
            Ok(ExitCode::SUCCESS)
        }
    };
    code.unwrap_or_else(|failure| refuse(&failure.to_string()))
}

fn run_compare(options: &Compare) -> Result<ExitCode> {
    let output = Output::at(options.out.clone().unwrap_or_else(cli::default_path))?;
    let mut progress = Progress::with(bar());
    let plan = options.plan();
    ctrl_c::handle(&plan.interrupt, &progress);
    let findings = experiments::run(&plan, &mut progress);
    progress.clear();
    Ok(finish(&plan, findings?, &output))
}

fn finish(plan: &Plan, findings: Findings, output: &Output) -> ExitCode {
    let interrupted = plan.interrupt.is_raised();
    if interrupted && findings.is_empty() {
        eprintln!("interrupted before anything was measured: nothing was written");
        return ExitCode::from(INTERRUPTED);
    }
    let report = report(plan, findings);
    if let Err(failure) = output.write(&report) {
        eprintln!("error: {failure}");
        return ExitCode::FAILURE;
    }
    let width = Width::of_output();
    let mut text = table::render_breakdowns(&report.breakdowns, width);
    text += &table::render_claims(&report.claims, plan.rounds, plan.window, width);
    if !text.is_empty() {
        text.push('\n');
    }
    print(&(text + &output.footer(&report, width)));
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

fn report(plan: &Plan, findings: Findings) -> Report {
    let Findings { outcomes, sweeps, breakdowns, memory, scenarios, .. } = findings;
    let mut claims = claims::judge(&outcomes, plan.rounds, plan.window);
    claims.extend(claims::judge_scenarios(&scenarios));
    let [sweep, sizes, fair_after] = Sweep::ALL.map(|sweep| {
        let points = sweeps.iter().filter(|point| point.workload == sweep.name());
        points.cloned().collect()
    });
    let report = Report {
        stamp: stamp::this_run(),
        questions: experiments::parts().map(|part| (part.name.into(), part.about.into())).collect(),
        interrupted: plan.interrupt.is_raised(),
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
    report.in_turns(plan.rounds, plan.window)
}

fn run_report(options: &cli::Report) -> Result<ExitCode> {
    let json = options.json.display();
    let text = fs::read_to_string(&options.json);
    let text = text.map_err(|error| Failure::new(format_args!("{json}: {error}")))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format_args!("{json}: not a report: {error}")))?;
    if let Some(directory) = &options.charts {
        return write_charts(&report, directory);
    }
    let page = options.out.clone().unwrap_or_else(|| html::path_beside(&options.json));
    let written = check_writable(&page).and_then(|()| html::write(&report, &page));
    written.map_err(|error| cannot_write(&page, &error))?;
    print(&format!("{}\n", page.display()));
    Ok(ExitCode::SUCCESS)
}

fn write_charts(report: &Report, directory: &Path) -> Result<ExitCode> {
    let paths = html::write_charts(report, directory).map_err(|error| {
        let directory = directory.display();
        Failure::new(format_args!("cannot write charts to {directory}: {error}; see --charts"))
    })?;
    if paths.is_empty() {
        return Err(Failure::new("the report has no figures for charts"));
    }
    let lines: String = paths.iter().map(|path| format!("{}\n", path.display())).collect();
    print(&lines);
    Ok(ExitCode::SUCCESS)
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
