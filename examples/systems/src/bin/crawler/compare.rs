//! The same crawl on each kind of pool.

use std::error::Error;

use threadwise_systems::{PoolChoice, Shutdown};

use crate::crawl::Crawl;
use crate::report::table;
use crate::{Args, start_of};

pub(crate) fn all_pools(args: &Args, shutdown: &Shutdown) -> Result<(), Box<dyn Error>> {
    println!(
        "crawling a site on this machine, {} ms away, with {} threads on {} connections",
        args.round_trip, args.threads, args.pool.connections
    );
    let mut rows = Vec::new();
    for kind in PoolChoice::ALL {
        let server = args.serve()?; // a new one for each, so that its counts begin at nothing
        let frontier = args.frontier(start_of(&server)?);
        let crawl = Crawl { frontier: &frontier, threads: args.threads, shutdown };
        let http = args.http(&frontier)?;
        let crawled = crawl.run(&kind.build(http, args.pool.connections)?, |_| ());
        if shutdown.has_begun() {
            break; // complete measurements are printed
        }
        rows.push((crawled, server.counts()));
    }
    println!("{}", table(&rows));
    if args.round_trip > 0 {
        println!("{}", by_hand(args.round_trip, args.threads, args.pool.connections));
    }
    Ok(())
}

/// The speed that the distance allows: a page takes one round trip on an open connection, and two
/// on a new one.
fn by_hand(round_trip: u64, threads: usize, connections: usize) -> String {
    let at_most = |at_once: usize, trips: u64| at_once as u64 * 1000 / (round_trip * trips);
    format!(
        "By the distance alone, a second has at most {} pages on one connection, {} on a new\n\
         connection for each page (two round trips), {} on {connections} that stay open, and {} with \
         one\nfor each of the {threads} threads (persistent).",
        at_most(1, 1),
        at_most(threads, 2),
        at_most(connections.min(threads), 1),
        at_most(threads, 1),
    )
}
