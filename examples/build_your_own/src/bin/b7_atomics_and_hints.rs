//! Runs step 7.

fn main() {
    build_your_own::b7_atomics_and_hints::main();
}
