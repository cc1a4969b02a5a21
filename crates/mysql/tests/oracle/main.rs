//! Compares what the manager takes for harmless with what the server says of the session.

mod fuzz;
mod recognised;
mod statements;
