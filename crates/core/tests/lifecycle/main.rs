//! What a life cycle does with a connection, on a scripted manager: without a pool, a server or a
//! sleep.

mod closing;
mod lending;
mod opening;
mod script;
mod steady;
mod taking_back;
