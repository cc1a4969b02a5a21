//! Runs step 4.

fn main() {
    build_your_own::b4_deadlines::main();
}
