//! The pool's state and counters over HTTP, as Prometheus reads them.
//!
//! `state()` borrows no connection and does not wait, so the endpoint also answers while all
//! connections are in use. A number that goes up and down is a gauge. A number that only grows is a
//! counter; its name ends in `_total`, and Prometheus computes rates from it.
//!
//! ```text
//! cargo run --example 09_metrics_endpoint --all-features
//! ```
//!
//! The program asks its own endpoint while it holds the only connection, and prints:
//!
//! ```text
//! threadwise_connections{pool="shop",state="borrowed"} 1
//! threadwise_connections{pool="shop",state="idle"} 0
//! threadwise_connections{pool="shop",state="connecting"} 0
//! threadwise_gets_total{pool="shop"} 3
//! threadwise_waits_total{pool="shop"} 0
//! threadwise_timeouts_total{pool="shop"} 0
//! ```

use std::{error::Error, fmt};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text::encode};
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use prometheus_client::registry::Registry;
use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;

#[path = "common/http.rs"]
mod http;

// ANCHOR: collector
/// Asks the pool for its figures at each request; it keeps nothing in between.
#[derive(Debug)]
struct Figures(SharedPool<SqliteManager>);

impl Collector for Figures {
    fn encode(&self, mut page: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.0.state();
        let pool = ("pool", state.name.as_deref().unwrap_or_default());
        let uses =
            [("borrowed", state.borrowed), ("idle", state.idle), ("connecting", state.connecting)];
        let mut family = page.encode_descriptor("connections", "Connections", None, Gauge)?;
        for (what, count) in uses {
            family.encode_family(&[pool, ("state", what)])?.encode_gauge(&(count as u64))?;
        }
        for (name, help, count) in [
            ("gets", "Connections lent", state.counters.gets),
            ("waits", "Gets that had to wait", state.counters.waits),
            ("timeouts", "Gets that gave up", state.counters.timeouts),
        ] {
            let mut family = page.encode_descriptor(name, help, None, Counter)?;
            family.encode_family(&[pool])?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }
}
// ANCHOR_END: collector

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let pool = SharedPool::builder().name("shop").max_size(1).build(SqliteManager::memory())?;
    let mut registry = Registry::with_prefix("threadwise");
    registry.register_collector(Box::new(Figures(pool.clone())));
    let metrics = || {
        let mut page = String::new();
        encode(&mut page, &registry).map(|()| page).expect("room for a page")
    };
    (0..2).try_for_each(|_| pool.get().map(drop))?;
    let _the_only_one = pool.get()?;
    let answer = http::serve(metrics, http::scrape)??;
    answer
        .lines()
        .filter(|line| line.starts_with("threadwise"))
        .for_each(|line| println!("{line}"));
    Ok(())
}
