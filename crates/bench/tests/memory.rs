//! The memory of pools. The ledger counts the whole process's heap, so this is a separate program
//! with a single test.

use threadwise_bench::experiment::{Campaign, Experiment, Watch};
use threadwise_bench::experiments::memory::Memory;
use threadwise_bench::heap::{Counting, Ledger};
use threadwise_bench::plan::Plan;
use threadwise_figures::Footprint;

#[global_allocator]
static HEAP: Counting = Counting;

/// Keeps the footprints that it gets.
#[derive(Default)]
struct Told(Vec<Footprint>);

impl Watch for Told {
    fn memory(&mut self, footprints: &[Footprint]) {
        self.0 = footprints.to_vec();
    }
}

#[test]
fn the_ledger_counts_requested_bytes_and_pools_keep_at_least_their_connections() {
    {
        let ledger = Ledger::open().expect("this program's allocator counts");
        let before = ledger.bytes();
        let mut bytes = vec![0_u8; 1_000];
        assert_eq!(ledger.bytes() - before, 1_000);
        let asked = ledger.allocations();
        bytes.reserve_exact(500);
        assert_eq!(ledger.bytes() - before, bytes.capacity() as i64);
        drop(bytes);
        assert_eq!((ledger.bytes(), ledger.allocations() - asked), (before, 1));
    }
    let mut told = Told::default();
    let plan = Plan { parts: vec![Footprint::NAME.into()], ..Plan::default() };
    let mut campaign = Campaign::new(&plan, &mut told);
    Memory.run(&mut campaign).unwrap();
    let footprints = campaign.findings.memory;
    assert_eq!(told.0, footprints);
    let measured: Vec<_> = footprints.iter().map(|it| &*it.pool).collect();
    assert_eq!(measured, ["shared", "persistent", "queue", "r2d2", "mutex"]);
    for Footprint { pool, idle_bytes, waiter_bytes, error } in &footprints {
        assert_eq!(error, &None, "{pool}");
        // An entry in a list takes less than a page.
        assert!(idle_bytes.is_some_and(|bytes| (8.0..4_096.0).contains(&bytes)), "{footprints:?}");
        let waiters = waiter_bytes.map(|bytes| (0.0..4_096.0).contains(&bytes));
        assert_eq!(waiters, (pool != "persistent").then_some(true), "{footprints:?}");
    }
    let mutex = footprints.iter().find(|it| it.pool == "mutex").unwrap();
    assert_eq!(mutex.idle_bytes, Some(8.0), "a list of connections and nothing else");
    assert_eq!(mutex.waiter_bytes, Some(0.0), "the system keeps the list of waiters");
}
