//! A fleet: many processes, each with its threads and its pool, on one server.
//!
//! Nobody has a hundred machines at hand to try what they would do to a server. So one process is
//! measured, with pools of several sizes, and the rest is played: a simulation of single requests,
//! in a time of its own, the same for the same seed.
//!
//! | file | holds |
//! |---|---|
//! | [`capacity`] | how much the server does with so many busy connections, and how requests differ |
//! | [`simulate`] | the simulation |
//! | [`plan`] | what it says about fleets of one process, two, four and so on |
//! | [`processes`] | the same with real processes, to compare |
//!
//! # The model
//!
//! A thread asks its process's pool for a connection, waits its turn, has the connection until the
//! request is answered, and is idle for a while. The server works on all requests at the same time
//! (processor sharing): with `k` connections busy it answers `rate(k)` requests in a second, which is
//! the measured curve, and each gets the same share of that. Requests differ in length as the
//! measured holds do. What lies between server and thread, the network and the handing over of a
//! connection included, was in what was measured, so it is in the rate.
//!
//! Beyond the measured sizes the rate stays what it was at the last one. That is the hopeful side:
//! many servers become slower when there are many more connections.

pub mod capacity;
pub mod plan;
pub mod processes;
pub mod simulate;
