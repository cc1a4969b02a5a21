//! A process without file descriptors: the error says so, and blames no server.
#![cfg(target_os = "linux")]

mod common;

use std::fs::File;

use common::Database;
use threadwise_core::ManageConnection;
use threadwise_testkit::forked::{self, End};

#[test]
fn a_lack_of_descriptors_is_a_shortage_wherever_the_connect_meets_it() {
    let manager = Database::new(&[]).manager();
    forked::run(End::AtOnce, || {
        let mut all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let mut has_connected = false;
        for free in 0..16 {
            match manager.connect() {
                Ok(_) => has_connected = true,
                Err(error) => {
                    let text = threadwise_core::chain(&error).to_string();
                    assert!(manager.is_shortage(&error), "{free} free: {text}");
                    assert!(!manager.is_permanent(&error), "{free} free: {text}");
                }
            }
            all.pop();
        }
        assert!(has_connected, "sixteen are enough");
    });
}
