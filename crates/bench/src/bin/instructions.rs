//! How many instructions does a checkout cost, when a connection is free?
//!
//! Times differ from machine to machine and from minute to minute; instructions do not. So the count
//! is the guard of the fast path: each pool borrows and gives back a synthetic connection in a loop
//! under valgrind's callgrind, once few and once many times, and the difference is what one more costs,
//! start and end left out. It is held against the figures in `instructions.json`, which are those of
//! the tool chain that the workspace names.
//!
//! `just instructions` checks, `just instructions --record` writes the figures anew.

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
/// How much more than the committed figure is no accident.
const TOLERANCE: f64 = 1.03;

/// Counts the instructions of get + drop.
#[derive(Parser)]
struct Arguments {
    /// Write the figures to `instructions.json` instead of comparing them with it
    #[arg(long)]
    record: bool,
    /// Only run this pool's loop: what valgrind is given
    #[arg(long, hide = true, requires = "times")]
    run: Option<String>,
    #[arg(long, hide = true)]
    times: Option<u32>,
}

type Counts = BTreeMap<String, f64>;

fn main() -> ExitCode {
    let Arguments { record, run, times } = Arguments::parse();
    if let Some(pool) = run {
        use_up(&pool, times.unwrap_or(FEW));
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

fn use_up(pool: &str, times: u32) {
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

/// Of one get + drop.
fn count(pool: &str) -> Result<f64, Box<dyn Error>> {
    let (few, many) = (callgrind(pool, FEW)?, callgrind(pool, MANY)?);
    Ok(many.saturating_sub(few) as f64 / f64::from(MANY - FEW))
}

/// Of a whole run.
fn callgrind(pool: &str, times: u32) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--run", pool, "--times", &times.to_string()])
        .output()
        .map_err(|error| format!("cannot run valgrind ({error}): `just setup` installs it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    match collected {
        Some((_, count)) if output.status.success() => Ok(count.trim().parse()?),
        _ => Err(format!("valgrind failed: {said}").into()),
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

/// Whether none costs more than it did.
fn compare(counts: &Counts) -> Result<bool, Box<dyn Error>> {
    let before: Counts = serde_json::from_str(&fs::read_to_string(committed())?)?;
    let mut all_well = true;
    for (pool, count) in counts {
        let Some(before) = before.get(pool) else {
            return Err(format!("no figure of `{pool}` in {}", committed().display()).into());
        };
        let is_well = *count <= before * TOLERANCE;
        let verdict = if is_well { "" } else { "  MORE THAN 3 % MORE" };
        println!(
            "{pool:12} {count:7.1} instructions for get + drop, committed {before:7.1}{verdict}"
        );
        all_well &= is_well;
    }
    if !all_well {
        println!("if that is meant: `just instructions --record`, and say in the commit why");
    }
    Ok(all_well)
}
