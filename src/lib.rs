//! Threadwise.
