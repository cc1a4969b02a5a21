//! What does a borrow and return cost if a connection is free?
//!
//! One thread borrows a synthetic connection, uses it and returns it. `dedicated` is the use and
//! the loop alone. `floor` shows the least that lending with atomics adds, `channel` the least that
//! a queue adds, and `thread-local` the least that finding a thread's own connection adds.
//!
//! `cargo bench --bench get_drop`, or for one pool: `cargo bench --bench get_drop -- shared`

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use threadwise_bench::assemble::Case;
use threadwise_bench::backend::Environment;
use threadwise_bench::operation::Select;
use threadwise_bench::workloads::free::UNCONTENDED;
use threadwise_figures::Backend;

fn get_drop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("get_drop");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let case = Case::alike(UNCONTENDED, Select);
    for pool in case.workload.pools(Backend::Synthetic) {
        let mut runner =
            case.start(&Environment::Synthetic, pool).expect("it runs on this backend");
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
