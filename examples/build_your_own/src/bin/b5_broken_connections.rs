//! Runs step 5.

fn main() {
    build_your_own::b5_broken_connections::main();
}
