//! Threadwise testkit.
