//! What does a borrow and return cost with eight threads and eight connections?
//!
//! No thread has to wait for a connection, so this measures how much the threads slow each other
//! down inside the pool. The time is that of one operation as one thread sees it. It includes the
//! time in which other threads had the processor: with two processors, `floor` is about four times
//! its figure in `get_drop`.
//!
//! `cargo bench --bench contended`, or for one contender: `cargo bench --bench contended -- r2d2`

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use threadwise_bench::assemble::Case;
use threadwise_bench::backend::Environment;
use threadwise_bench::operation::Select;
use threadwise_bench::workloads::free::AS_MANY;
use threadwise_figures::Backend;

fn contended(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("contended");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    // Starting eight threads takes as long as thousands of operations: fewer and longer samples.
    group.sample_size(20);
    let case = Case::alike(AS_MANY, Select);
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

criterion_group!(benches, contended);
criterion_main!(benches);
