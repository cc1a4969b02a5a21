//! Threadwise mysql.
