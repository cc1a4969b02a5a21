//! The same crawl on each kind of pool.

use std::error::Error;

use threadwise_systems::{PoolKind, Shutdown};

use crate::crawl::Crawl;
use crate::report::{Row, table};
use crate::{Args, start_of};

pub(crate) fn all_pools(args: &Args, shutdown: &Shutdown) -> Result<(), Box<dyn Error>> {
    println!(
        "crawling a site on this machine, {} ms away, with {} threads on {} connections",
        args.round_trip, args.threads, args.pool.connections
    );
    let mut rows = Vec::new();
    for kind in PoolKind::ALL {
        let server = args.serve()?; // a new one for each, so that its counts begin at nothing
        let frontier = args.frontier(start_of(&server)?);
        let crawl = Crawl { frontier: &frontier, threads: args.threads, shutdown };
        let http = args.http(&frontier)?;
        let crawled = kind.build(http, args.pool.connections, crawl.telling(|_| ()))?;
        if shutdown.has_begun() {
            break; // what was measured to its end is printed
        }
        rows.push(Row { name: kind.to_string(), crawled, counts: server.counts() });
    }
    println!("{}", table(&rows));
    Ok(())
}
