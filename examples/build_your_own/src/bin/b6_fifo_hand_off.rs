//! Runs step 6.

fn main() {
    build_your_own::b6_fifo_hand_off::main();
}
