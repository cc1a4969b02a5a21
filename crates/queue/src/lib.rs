//! Threadwise queue.
