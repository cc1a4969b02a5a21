//! A report for human readers: as one page with plots, as single plots, and as terminal tables.
//!
//! This crate knows the report and nothing of the harness that measured it.
//!
//! | file | holds |
//! |---|---|
//! | [`html`] | the page, and single plots as SVG files |
//! | [`table`] | the same figures as text tables |
//! | [`width`] | the width of lines, and the columns that a wider table omits |
//! | `comparison` | our pools against the best peer, and whether the difference is more than noise |
//! | `unfair` | what is unfair to pools of other languages, and to ours beside them |
//! | `matchup` | the measurements of one workload on one backend, and how each contender takes part |

#![allow(clippy::must_use_candidate)] // for crates that others use; this one is not published

pub mod html;
pub mod table;
pub mod width;

mod comparison;
mod matchup;
mod unfair;
