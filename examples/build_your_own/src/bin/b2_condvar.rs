//! Runs step 2.

fn main() {
    build_your_own::b2_condvar::main();
}
