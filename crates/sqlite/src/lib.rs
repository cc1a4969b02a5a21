//! Threadwise sqlite.
