//! Threadwise shared.
