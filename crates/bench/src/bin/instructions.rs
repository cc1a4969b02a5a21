//! Counts the instructions of a borrow and return while a connection is idle.
//!
//! Times differ from machine to machine and from minute to minute, but instructions do not. So this
//! count protects the fast path. Each pool borrows and returns a synthetic connection in a loop
//! under valgrind's callgrind, once a few times and once many times. The difference is the cost
//! without start and end. It is compared with the figures in `instructions.json`, which are for the
//! toolchain that the workspace names.
//!
//! `just instructions` checks the figures, `just instructions --record` writes new ones.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Parser;
use threadwise_bench::backend::synthetic::SyntheticManager;
use threadwise_core::{ManageConnection, Pool};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;

const POOLS: [&str; 3] = ["shared", "persistent", "queue"];
const FEW: u32 = 1_000;
const MANY: u32 = 101_000;
/// A figure above the committed one by more than this factor fails the check.
const TOLERANCE: f64 = 1.03;

/// Count the instructions of get + drop of each pool
#[derive(Parser)]
struct Arguments {
    /// Write the figures to `instructions.json` instead of comparing them with it
    #[arg(long)]
    record: bool,
    /// Only run the loop of this pool, under valgrind
    #[arg(long, hide = true, requires = "times")]
    run: Option<String>,
    #[arg(long, hide = true)]
    times: Option<u32>,
}

type Counts = BTreeMap<String, f64>;

fn main() -> ExitCode {
    let Arguments { record, run, times } = Arguments::parse();
    if let Some(pool) = run {
        run_loop(&pool, times.unwrap_or(FEW));
        return ExitCode::SUCCESS;
    }
    match count_all().and_then(|counts| if record { write(&counts) } else { compare(&counts) }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::from(2)
        }
    }
}

fn run_loop(pool: &str, times: u32) {
    let manager = SyntheticManager;
    match pool {
        "shared" => repeat(&SharedPool::builder().max_size(1).build(manager).expect(pool), times),
        "persistent" => repeat(&PersistentPool::builder().build(manager).expect(pool), times),
        "queue" => repeat(&QueuePool::builder().size(1).build(manager).expect(pool), times),
        other => panic!("there is no pool `{other}`"),
    }
}

fn repeat<P: Pool<Manager: ManageConnection>>(pool: &P, times: u32) {
    for _ in 0..times {
        let Ok(mut conn) = pool.get() else { panic!("synthetic connections do not fail") };
        black_box(&mut *conn);
    }
}

fn count_all() -> Result<Counts, Box<dyn Error>> {
    POOLS.into_iter().map(|pool| Ok((pool.to_owned(), count(pool)?))).collect()
}

/// The instructions of one get + drop.
fn count(pool: &str) -> Result<f64, Box<dyn Error>> {
    let (few, many) = (callgrind(pool, FEW)?, callgrind(pool, MANY)?);
    Ok(many.saturating_sub(few) as f64 / f64::from(MANY - FEW))
}

/// The instructions of a whole run.
fn callgrind(pool: &str, times: u32) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--run", pool, "--times", &times.to_string()])
        .output()
        .map_err(|error| format!("cannot run valgrind ({error}): `just setup` installs it"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let collected = errors.lines().find_map(|line| line.split_once("Collected : "));
    match collected {
        Some((_, count)) if output.status.success() => Ok(count.trim().parse()?),
        _ => Err(format!("valgrind failed: {errors}").into()),
    }
}

fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

fn write(counts: &Counts) -> Result<bool, Box<dyn Error>> {
    for (pool, count) in counts {
        println!("{pool:12} {count:7.1} instructions for get + drop");
    }
    let rounded: Counts =
        counts.iter().map(|(pool, count)| (pool.clone(), (count * 10.0).round() / 10.0)).collect();
    fs::write(committed(), serde_json::to_string_pretty(&rounded)? + "\n")?;
    Ok(true)
}

/// Whether no pool costs more than the committed figure allows.
fn compare(counts: &Counts) -> Result<bool, Box<dyn Error>> {
    let before: Counts = serde_json::from_str(&fs::read_to_string(committed())?)?;
    let mut all_hold = true;
    for (pool, count) in counts {
        let Some(before) = before.get(pool) else {
            return Err(format!("no figure for `{pool}` in {}", committed().display()).into());
        };
        let holds = *count <= before * TOLERANCE;
        let verdict = if holds { "" } else { "  MORE THAN 3 % ABOVE IT" };
        println!(
            "{pool:12} {count:7.1} instructions for get + drop, committed {before:7.1}{verdict}"
        );
        all_hold &= holds;
    }
    if !all_hold {
        println!("if this is intended, run `just instructions --record` and say in the commit why");
    }
    Ok(all_hold)
}
