//! What does a checkout cost when a connection is free?
//!
//! One thread borrows a synthetic connection, touches it and gives it back. `dedicated` is the
//! touch and the loop alone, `floor` the least that lending with atomics adds to it, `channel` the least
//! that a queue adds, and `thread-local` the least that finding a thread's own adds.
//!
//! `cargo bench --bench get_drop`, or with a name to choose: `cargo bench --bench get_drop -- shared`

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use threadwise_bench::backend::{Backend, synthetic};
use threadwise_bench::workload::{AnyWorkload, Uncontended};

fn get_drop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("get_drop");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for pool in Uncontended.pools(Backend::Synthetic) {
        let mut runner = synthetic::runner(pool, Uncontended).expect("it runs on this backend");
        group.bench_function(pool.name(), |bencher| {
            bencher.iter_custom(|operations| {
                runner.operations(operations).expect("synthetic connections do not fail")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, get_drop);
criterion_main!(benches);
