//! Runs step 3.

fn main() {
    build_your_own::b3_guards_and_panics::main();
}
