//! The benchmark harness of the threadwise pools: which pool suits your threads?
//!
//! Every contender does the same work on the same connections in the same process. Contenders take
//! short turns, so that other load on the machine affects all of them.
//!
//! | file | holds |
//! |---|---|
//! | [`contender`] | the trait of a contender, and an adapter for each kind of pool |
//! | [`workload`] | the trait of a workload (what threads do with connections), and the workloads |
//! | [`scenario`] | experiments in time: a spike, an outage, first connections, overload |
//! | [`sweep`] | the same work by more and more threads, and on more and more connections |
//! | [`breakdown`] | where the time of a query goes: to the pool, to round trips, to the query itself |
//! | [`memory`], [`heap`] | the memory of pools, and an allocator that counts it |
//! | [`hold`] | how long a thread holds a connection, asleep or computing |
//! | [`backend`] | the other end of connections: nothing, a SQLite file, a MySQL or MariaDB server |
//! | [`runner`] | the threads that use a contender, round by round |
//! | [`writer`] | a thread that writes at the same time, if the workload has one |
//! | [`measure`] | medians, percentiles and fairness, from counts and waits |
//! | [`distribution`] | the distribution of waits in a few points |
//! | [`usage`] | the processor time and the thread switches of a turn |
//! | `round_trips` | the round trips of an operation, counted by a proxy |
//! | [`compare`] | the comparison: all contenders on all workloads, in turns |
//! | [`interrupt`] | ends a run early, with the figures so far |
//! | [`claims`] | the limits that our pools promise to keep, and whether each holds |
//! | [`advise`] | advice on a pool for the user's own database and query, measured there |
//! | [`fleet`] | many processes on one server, simulated |
//! | [`stamp`] | the machine, the source tree, the time and the command of a run |
//!
//! `threadwise-figures` has the names of contenders and backends, and the report. `threadwise-page`
//! shows a report as a page with plots, and as text.
//!
//! # How it is measured
//!
//! * All contenders of a workload are built first and stay alive until its end. They are measured
//!   one at a time, in rounds. Each round begins with the next contender and runs in the opposite
//!   direction, and contenders that a claim compares are side by side. The first round is the
//!   warmup, of which only the errors count. On MariaDB, workloads with claims have more and
//!   shorter rounds ([`Plan::turns`](compare::Plan::turns)).
//! * In a round, a contender's threads start together at a barrier and work until a fixed window is
//!   over. Each thread finishes its operation and is measured over its own time, so that a long
//!   operation is neither lost nor free. In `crowd-…` and `asleep-…` the time begins when the first
//!   thread has a connection and all others have asked for one. In `asleep-…` it ends with the
//!   window, because a thread that loses its turn must let thousands of others go first.
//! * An operation is: borrow a connection, use it, return it. The wait is the borrow: from just
//!   before it until the connection can be used. Reading the clock takes some tens of nanoseconds,
//!   more than some contenders take. So if an operation takes only nanoseconds (synthetic
//!   connections without holds and waits), one in 256 is timed and the others are only counted.
//!   Otherwise each is timed.
//! * The threads are not always the runner's: in `thread-per-task` each operation has its own
//!   thread, whose start and end count, and in `rayon-par-iter` they are rayon's.
//! * In `think-time` threads sleep before each operation. This counts for the throughput, and not
//!   as a wait.
//! * Synthetic connections are held as the workload says ([`Hold`](hold::Hold)): asleep in
//!   `starved`, `long-holds`, `long-tail`, `open-load`, `think-time` and `churn`, which leaves the
//!   processor to other threads, and computing in `short-holds`.
//! * Throughput and fairness are medians over the rounds. The waits of all threads and rounds go
//!   into one HDR histogram, from which the percentiles come. The [`claims`] compare within each
//!   round, and take the median of the ratios.
//! * Processor time and thread switches are those of the whole process, read before and after each
//!   measured turn. They do not include a server.
//! * Allocations are counted in separate turns after the measured ones.
//! * The loop that uses a contender is compiled for it. It has no dynamic dispatch.
//!
//! # What is unfair to which pool
//!
//! * Peers run with the defaults that their users get, except for the size. In the most important
//!   workloads they run a second time, tuned for speed (`…-tuned`); their line in `list` says what
//!   that gives up. The claims are about the defaults, which differ: r2d2 validates on every
//!   borrow, `r2d2_mysql` also on every return, `mysql::Pool` validates on borrow and resets on
//!   return, and the `mutex` pool does neither.
//! * `crowd-10` and `crowd-2000` are about order, so the shared pool keeps strict order there
//!   (`fair_after` of zero). `asleep-10` and `asleep-2000` are about a running thread, so there it
//!   lets that thread go first (`fair_after` without end). Otherwise it has its defaults, except
//!   for the size.
//! * In `churn` connections die between uses, which every contender there notices. `mutex` and
//!   `dedicated` never check a connection. They are left out, because they would fail at every use.
//! * In `nested`, `persistent` allows a second connection for a thread (`max_overflow`), which it
//!   opens for that use and closes after it. Otherwise it refuses a second one.
//! * In `think-time` and `rayon-par-iter`, fairness depends on chance or on rayon.
//! * `dedicated` and `persistent` have a connection for each thread. If a workload has more threads
//!   than connections, they use more connections than the other contenders may.
//! * Percentiles are over operations, not over threads. A pool that serves a few threads thousands
//!   of times while the others get nothing has thousands of short waits and a few long ones. Judge
//!   it by its longest wait and its fairness. (Each thread asks again as soon as it is served, so a
//!   wait delays the next request, and the figures do not correct for that.)
//! * SQLite has one writer at a time and lets the others sleep longer and longer, with any pool. So
//!   the fairness of `insert` there says nothing about the pools.
//! * In `beside-a-writer` nine threads share the processors, so a pool that reads more leaves the
//!   writer less of them: read both figures. The written rows make the file grow, for all
//!   contenders.
//! * On MySQL our pools reset a session if it may have changed, which the statements of the
//!   workloads do not do. `mysql::Pool` resets it after every use. A reset makes the server and the
//!   driver forget the prepared statement, and the next use prepares it again. `r2d2-mysql`,
//!   `mutex` and `dedicated` never reset.

pub mod advise;
pub mod backend;
pub mod breakdown;
pub mod claims;
pub mod compare;
pub mod contender;
pub mod distribution;
pub mod fleet;
pub mod heap;
pub mod hold;
pub mod interrupt;
pub mod measure;
pub mod memory;
pub mod runner;
pub mod scenario;
pub mod stamp;
pub mod sweep;
pub mod usage;
pub mod workload;
pub mod writer;

mod failure;
mod queries;
mod rng;
mod round_trips;

pub use failure::Failure;
pub use queries::Queries;
pub use rng::Rng;
