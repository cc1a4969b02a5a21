//! The workloads, as values. Each file gives the reasons for its own.

pub mod beside;
pub mod churn;
pub mod crowd;
pub mod free;
pub mod holds;
pub mod long_tail;
pub mod nested;
pub mod open_load;
pub mod par_iter;
pub mod per_task;
pub mod reset;
pub mod statements;
pub mod think;
