//! A fleet: many processes, each with its threads and its pool, on one server.
//!
//! A hundred machines for a test are rarely available. So `advise` measures one process, with pools
//! of several sizes, and simulates the rest: request by request, in simulated time. The same seed
//! gives the same run.
//!
//! | file | holds |
//! |---|---|
//! | [`capacity`] | the server's throughput by number of busy connections, and how requests differ |
//! | [`simulate`] | the simulation |
//! | [`plan`] | what it predicts for fleets of one process, two, four and so on |
//! | [`processes`] | the same fleets with real processes, for comparison |
//!
//! # The model
//!
//! A thread asks its process's pool for a connection, waits for it, holds it until the server has
//! answered the request, and is idle for a while. The server works on all requests at the same time
//! (processor sharing): with `k` connections busy it answers `rate(k)` requests per second, which
//! is the measured curve, and each request gets the same share of that. Requests differ in length
//! as the measured holds do. The rate includes everything between server and thread, such as the
//! network and the handoff of a connection, because the measurement includes it.
//!
//! Beyond the measured sizes the rate stays as at the last one. This is optimistic: many servers
//! become slower with many more connections.

pub mod capacity;
pub mod plan;
pub mod processes;
pub mod simulate;
