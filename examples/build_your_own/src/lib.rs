//! A connection pool from nothing, in seven steps.
