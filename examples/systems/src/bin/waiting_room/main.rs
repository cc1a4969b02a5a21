//! Six threads, three connections: which threads hold one, and which ones wait, and for how long.
//!
//! The origin is a forum's lesson: a pool on a condition variable, `Pool(3)`, and six threads that
//! each hold an object for a while and print "waiting…". Here the same scene runs on all pools, and
//! the program draws it meanwhile: a row for each thread, a letter for each connection.
//!
//! ```text
//! cargo run -p threadwise-systems --bin waiting_room
//! cargo run -p threadwise-systems --bin waiting_room -- --plain --virtual-time --pool shared
//! ```

mod performance;
mod picture;
mod scene;
mod screen;
mod threads;
mod time;

use std::error::Error;
use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use threadwise::ManageConnection;
use threadwise_systems::args::DatabaseArgs;
use threadwise_systems::{Shutdown, Source, exit_code};

use scene::{Plan, Scene};
use screen::{Screen, Show};

/// Draws which threads hold a connection and which ones wait, on each of the pools.
///
/// A row for each thread: `.` while it waits, a letter while it holds the connection of that
/// letter, `-` while it lives on without one. In a terminal the program draws the picture while the
/// scene runs; otherwise it prints the picture at the end.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    database: DatabaseArgs,

    /// The pool to run the scene on; all of them, one after the other, by default.
    #[arg(long, value_enum)]
    pool: Option<Scene>,

    #[command(flatten)]
    plan: Plan,

    /// Print the picture at the end, as without a terminal.
    #[arg(long)]
    plain: bool,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::on_signals()?;
    let manager = args.database.db.manager();
    manager.close(manager.connect()?); // or no scene would get beyond waiting
    let scenes = args.pool.map_or(Scene::ALL.to_vec(), |scene| vec![scene]);

    let is_live = !args.plain && stdout().is_terminal();
    let mut show = Show::new(is_live.then(|| Screen::enter(&shutdown)).transpose()?);
    let played = play_all(&args.database.db, &scenes, &args.plan, &mut show, &shutdown);
    show.finish()?; // leaves the live screen first, also before an error is printed
    if shutdown.has_begun() {
        println!("interrupted: the threads returned their connections, and the pool is closed");
    }
    played
}

fn play_all(
    source: &Source,
    scenes: &[Scene],
    plan: &Plan,
    show: &mut Show,
    shutdown: &Arc<Shutdown>,
) -> Result<(), Box<dyn Error>> {
    for scene in scenes {
        if shutdown.has_begun() {
            break;
        }
        scene.play(source.manager(), plan, show, shutdown)?;
    }
    Ok(())
}
