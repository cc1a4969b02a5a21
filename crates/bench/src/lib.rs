//! Threadwise bench.
