//! What a session carries from one borrower to the next, and how it is reset.
//!
//! | file | holds |
//! |---|---|
//! | [`tokens`] | the tokens of a text |
//! | [`statement`] | whether a statement has side effects on its session, by its text |
//! | [`commits`] | what a statement may commit, by its text |
//! | [`functions`] | the built-in functions that have none |
//! | [`catalog`] | whether the database has code of users that might have some |
//! | [`history`] | what ran on a session since it began |
//! | [`reset`] | makes a session like a new one |

pub(crate) mod catalog;
pub(crate) mod commits;
pub(crate) mod functions;
pub(crate) mod history;
pub(crate) mod reset;
pub(crate) mod statement;
pub(crate) mod tokens;
