//! The benchmark harness of the threadwise pools: which pool for my threads?
//!
//! Every contender does the same work on the same connections in the same process, in short rounds
//! that take turns, so that whatever else the machine does meets all of them alike.
//!
//! | file | holds |
//! |---|---|
//! | [`contender`] | the trait that makes a pool measurable, and one adapter for each kind of pool |
//! | [`workload`] | the trait that says what threads do with connections, and the workloads |
//! | [`scenario`] | experiments in time: a spike, an outage, first connections, overload |
//! | [`sweep`] | the same work by more and more threads, and on more and more connections |
//! | [`breakdown`] | where the time of a query goes: to the pool, to round trips, to the query itself |
//! | [`memory`], [`heap`] | what pools keep in memory, and an allocator that counts it |
//! | [`hold`] | for how long a connection is kept, asleep or computing |
//! | [`backend`] | what connections lead to: nothing, a SQLite file, a MySQL or MariaDB server |
//! | [`names`] | the contenders by name, and where each of them can run |
//! | [`runner`] | the threads that use a contender, round by round |
//! | [`writer`] | a thread that writes beside them, where the workload has one |
//! | [`measure`] | from counts and waits to medians, percentiles and fairness |
//! | [`distribution`] | waits in a few points, from the shortest to the longest |
//! | [`usage`] | the processor time and the switches of threads that a turn takes |
//! | `round_trips` | how often an operation speaks with the server, counted by a proxy |
//! | [`compare`] | all of it together, interleaved |
//! | [`interrupt`] | ending a run early, with what was measured until then |
//! | [`claims`] | what the pools promise, and whether it held |
//! | [`advise`] | which pool for the user's own database and query, measured there |
//! | [`fleet`] | many processes on one server, simulated |
//! | [`report`], [`table`], [`html`] | the outcome as JSON, as text and as a page with plots |
//! | [`width`] | how wide lines may be, and what is left out of a table that is wider |
//!
//! # How it is measured
//!
//! * All contenders of a workload are set up first and stay alive until its end. They are measured
//!   one at a time, in rounds; each round begins with the next contender and goes round the other way,
//!   and those that a claim compares are side by side. The first round is for warming up, and only
//!   its errors count. On MariaDB workloads with claims have more and shorter rounds
//!   ([`Plan::turns`](compare::Plan::turns)).
//! * In a round a contender's threads start together at a barrier and work until a fixed window is
//!   over. Each finishes the operation that it is in and takes its own time, so that a long
//!   operation is neither lost nor counted for free. In the crowds and in `asleep-…` the time
//!   begins when the first has a connection and all others have asked for one; in `asleep-…` it ends
//!   with the window, since who has lost its turn has to let thousands go before it comes back.
//! * An operation is: borrow a connection, use it, give it back. The wait is the first third, read
//!   from the clock just before the borrowing and again as soon as the connection can be used.
//!   Reading the clock takes some tens of nanoseconds, which is more than some contenders take. So
//!   where an operation takes only nanoseconds (synthetic connections that nobody holds or waits
//!   for), one in 256 is timed and the others are only counted; everywhere else each is timed.
//! * Threads may be others' than the runner's, or shorter-lived: in `thread-per-task` each operation has
//!   a thread of its own, whose start and end count, and in `rayon-par-iter` they are rayon's.
//! * In `think-time` threads sleep before each operation. That counts for their throughput, and not as
//!   waiting.
//! * Connections that lead to nothing are held as the workload says ([`Hold`](hold::Hold)): asleep in
//!   `starved`, `long-holds`, `long-tail`, `open-load`, `think-time` and `churn`, which leaves the processor to others,
//!   computing in `short-holds`.
//! * Throughput and fairness are medians over the rounds. Waits of all threads and rounds go into
//!   one HDR histogram, and the percentiles are read from that. The [`claims`] compare within each
//!   round, and take the median of that.
//! * Processor time and switches of threads are the whole process's, read before and after each
//!   measured turn. A server's are not in it.
//! * Allocations are counted in turns of their own, after those that are measured.
//! * The loop that uses a contender is compiled for it; there is no dynamic dispatch in it.
//!
//! # What is unfair to whom
//!
//! * Peers run with the defaults that their users get, apart from the size; where it matters most they
//!   run a second time, tuned for speed (`…-tuned`), with what that gives up in their line of `list`.
//!   The claims are about the defaults. Those defaults differ:
//!   r2d2 asks the server on every checkout, `r2d2_mysql` once more on every return, `mysql::Pool`
//!   asks on checkout and resets on return, and the `mutex` pool does neither, ever.
//! * `crowd-10` and `crowd-2000` are about order, so there the shared pool is told to keep it
//!   strictly (`fair_after` of zero). `asleep-10` and `asleep-2000` are about a running thread, so
//!   there it is told to let that go first (`fair_after` without end). Everywhere else it has its
//!   defaults, the size apart.
//! * In `churn` connections die between uses, which every contender there notices. `mutex` and `dedicated`
//!   never look; they are left out rather than shown failing at every use.
//! * In `nested` `persistent` is told to allow a second connection for a thread (`max_overflow`), which
//!   it opens for that use and closes after it. Everywhere else it refuses one.
//! * In `think-time` and `rayon-par-iter` fairness is chance, or rayon's.
//! * `dedicated` and `persistent` have a connection for each thread. Where threads outnumber the
//!   workload's connections they use more than the other contenders may.
//! * Percentiles are over operations, not over threads. A pool that serves a few threads thousands of
//!   times while the others get nothing has thousands of short waits and a few long ones: judge it
//!   by its longest wait and its fairness. (Each thread asks again as soon as it has been served, so
//!   a wait delays the next request, and none are made up for it.)
//! * SQLite admits one writer at a time and lets the others sleep for longer and longer, whatever
//!   pool they are from: how unfair `insert` is there says nothing about pools.
//! * In `beside-a-writer` nine threads share the processors, so who reads more leaves the writer less
//!   of them: read both figures. What is written makes the file grow, for all alike.
//! * On MySQL our pools reset a session after what may have changed it, which the statements of the
//!   workloads do not; `mysql::Pool` resets it after everything. A reset makes the server and the
//!   driver forget the prepared statement, which is prepared again on the next use. `r2d2-mysql`,
//!   `mutex` and `dedicated` reset nothing, whatever ran.

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
pub mod html;
pub mod interrupt;
pub mod machine;
pub mod measure;
pub mod memory;
pub mod names;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod sweep;
pub mod table;
pub mod usage;
pub mod width;
pub mod workload;
pub mod writer;

mod failure;
mod queries;
mod rng;
mod round_trips;
mod units;

pub use failure::Failure;
pub use queries::Queries;
pub use rng::Rng;
