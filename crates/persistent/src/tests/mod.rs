//! Tests that look inside: models of the slot's protocol in a build for loom, and the layout of the core
//! in any other.

#[cfg(not(loom))]
mod layout;
#[cfg(loom)]
#[expect(unsafe_code, reason = "a model knows which thread owns its slot")]
mod models;
