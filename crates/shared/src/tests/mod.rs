//! Tests of the protocol from the inside: under loom, small models in all their interleavings; without
//! loom, random sequences of operations, compared with a plain model of a pool.

#[cfg(loom)]
mod models;
#[cfg(not(loom))]
mod properties;
