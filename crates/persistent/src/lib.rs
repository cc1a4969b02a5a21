//! Threadwise persistent.
