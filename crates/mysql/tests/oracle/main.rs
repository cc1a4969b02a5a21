//! What the manager takes for certain, held against what the server says of the session.

mod fuzz;
mod recognised;
mod statements;
