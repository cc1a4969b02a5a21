//! The threads that use a contender, round by round: the one loop that measures.
//!
//! | file | holds |
//! |---|---|
//! | `threads` | the threads of a contender, from the first round to the last |
//! | `turn` | a thread's instructions for a round; what tells it that the time is over |
//! | `gate` | a start at which all threads have asked |
//! | `operate` | the operations of a thread, and their times |
//! | `drive` | how threads come to their operations; each way has a file |
//! | `alike` | threads that make one operation after another |
//! | `nested` | the same with two connections at a time |
//! | `arrivals` | threads that serve requests, which arrive at random |
//! | `per_task` | threads that start a thread for each operation |
//! | `writer` | a thread that writes at the same time, if the workload has one |
//! | `par_iter` | rayon's threads, which take one item after another |

mod alike;
mod arrivals;
mod drive;
mod gate;
mod nested;
mod operate;
mod par_iter;
mod per_task;
#[cfg(test)]
mod tests;
mod threads;
mod turn;
mod writer;

pub use alike::Alike;
pub use arrivals::Arrivals;
pub use drive::{Drive, Job};
pub use nested::Nested;
pub use par_iter::ParIter;
pub use per_task::PerTask;
pub use threads::{Runner, Steady};
