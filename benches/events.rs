//! What do events add to a borrow and return: without events, with events that do not watch uses,
//! and with events that do?
//!
//! One thread borrows a synthetic connection, uses it and returns it, as in `get_drop`. The first
//! two figures of a pool should be equal. The third adds two clock reads and two calls.
//!
//! `cargo bench --bench events`, or for one pool: `cargo bench --bench events -- shared`

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::{ConnectionInfo, Events, SharedPool};
use threadwise::{ManageConnection, Pool};

/// Opens connections that do nothing.
struct Nothing;

impl ManageConnection for Nothing {
    type Connection = u64;
    type Error = Infallible;

    fn connect(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }

    fn has_changed(&self, _: &mut u64) -> bool {
        false
    }
}

/// Events that watch each use, or all events except uses.
struct Ears {
    watch_uses: bool,
}

impl Events for Ears {
    fn watches_uses(&self) -> bool {
        self.watch_uses
    }

    fn acquired(&self, _: &ConnectionInfo<'_>, waited: Duration) {
        black_box(waited);
    }

    fn returned(&self, _: &ConnectionInfo<'_>, held: Duration) {
        black_box(held);
    }
}

/// Measures a pool without events, with some that do not watch uses, and with some that do.
macro_rules! measure {
    ($group:expr, $name:literal, $builder:expr) => {
        measure(&mut $group, concat!($name, "/none"), &$builder.build(Nothing).unwrap());
        for (how, watch_uses) in [("not-of-uses", false), ("of-uses", true)] {
            let pool = $builder.events(Ears { watch_uses }).build(Nothing).unwrap();
            measure(&mut $group, &format!("{}/{how}", $name), &pool);
        }
    };
}

fn measure<P>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, pool: &P)
where
    P: Pool<Manager = Nothing>,
{
    group.bench_function(name, |bencher| {
        bencher.iter(|| *pool.get().unwrap() += 1);
    });
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    measure!(group, "shared", SharedPool::builder().max_size(1));
    measure!(group, "persistent", PersistentPool::builder());
    measure!(group, "queue", QueuePool::builder().size(1));
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
