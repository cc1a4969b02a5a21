//! Ctrl-C: the first one ends the measurement, the second one the program.

use std::process;

use threadwise_bench::interrupt::Interrupt;

use crate::progress::Progress;

/// The exit code after Ctrl-C. The convention of shells: 128 plus the number of the signal.
pub(crate) const INTERRUPTED: u8 = 130;

/// Lets the first Ctrl-C end the measurement, and the second one the program. (A private server
/// removes itself whenever this process ends, for whatever reason.)
pub(crate) fn handle(interrupt: &Interrupt, progress: &Progress) {
    let (raised, shown) = (interrupt.clone(), progress.clone());
    let handled = ctrlc::set_handler(move || {
        if raised.is_raised() {
            process::exit(INTERRUPTED.into());
        }
        raised.raise();
        shown.say("Ctrl-C: writing what was measured so far; press it again to end at once");
    });
    if let Err(error) = handled {
        progress.say(&format!("cannot handle Ctrl-C ({error}): it will lose all figures"));
    }
}
