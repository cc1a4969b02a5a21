//! Runs step 1.

fn main() {
    build_your_own::b1_mutex_vec::main();
}
