//! The processor time and the thread switches of this process.
//!
//! The system counts them for the whole process: the contender's threads, the pool's own threads,
//! the writer if there is one, and the harness. A server is another process and not included.
//! Contenders take turns, and the background threads of the others sleep. So nearly all that is
//! used during a turn is the contender's.

use std::fs;
use std::thread;
use std::time::Duration;

use derive_more::{Add, Sub};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Processor time and thread switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Add, Sub)]
pub struct Usage {
    /// Seconds of processor time outside the kernel, all threads together.
    pub cpu_user_s: f64,
    /// The same inside the kernel.
    pub cpu_system_s: f64,
    /// How often a thread went to sleep, to wait for something.
    pub switches_voluntary: u64,
    /// How often the system took a processor away from a thread that could have gone on.
    pub switches_involuntary: u64,
}

impl Usage {
    /// Returns the usage since the process began; `None` if the system does not provide it.
    pub fn until_now() -> Option<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        Some(Self {
            cpu_user_s: seconds(usage.user_time()),
            cpu_system_s: seconds(usage.system_time()),
            switches_voluntary: usage.voluntary_context_switches() as u64,
            switches_involuntary: usage.involuntary_context_switches() as u64,
        })
    }

    /// Returns the result of `work`, and the usage of the whole process meanwhile.
    pub fn of<T>(work: impl FnOnce() -> T) -> (T, Option<Self>) {
        let before = Self::until_now();
        let outcome = work();
        let after = Self::until_now();
        (outcome, after.zip(before).map(|(after, before)| after - before))
    }
}

/// Returns how many processors all other programs of the machine use, on average over `look`, while
/// this thread sleeps; `None` if the system does not provide it.
pub fn of_others(look: Duration) -> Option<f64> {
    let before = Ticks::until_now()?;
    let (_, own) = Usage::of(|| thread::sleep(look));
    let Ticks { busy, all, processors } = Ticks::until_now()?;
    let own = own?;
    let [busy, all] = [busy.saturating_sub(before.busy), all.saturating_sub(before.all)];
    let in_use = processors as f64 * busy as f64 / all.max(1) as f64;
    let own = (own.cpu_user_s + own.cpu_system_s) / look.as_secs_f64().max(1e-9);
    Some((in_use - own).max(0.0))
}

/// The time of all processors that Linux has counted, in ticks.
#[derive(Clone, Copy)]
struct Ticks {
    /// The ticks in which a processor was busy, including those taken by other virtual machines.
    busy: u64,
    all: u64,
    processors: usize,
}

impl Ticks {
    fn until_now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn read(text: &str) -> Option<Self> {
        // user, nice, system, idle, iowait, irq, softirq, steal; user and nice include guests.
        let sum = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks = sum.split_whitespace().take(8).map(|it| it.parse().ok());
        let ticks = ticks.collect::<Option<Vec<u64>>>()?;
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all: u64 = ticks.iter().sum();
        let of_one = |line: &&str| {
            let number = line.strip_prefix("cpu").unwrap_or_default();
            number.starts_with(|c: char| c.is_ascii_digit())
        };
        let processors = text.lines().filter(of_one).count();
        Some(Self { busy: all.saturating_sub(idle), all, processors })
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_ticks_of_all_processors_are_read() {
        let text = "cpu  10 1 5 80 4 0 0 2 7 0\ncpu0 5 0 2 41 2 0 0 1 0 0\ncpu1 5 1 3 39 2 0 0 1 0 0\n\
                    intr 1 2\n";
        let Ticks { busy, all, processors } = Ticks::read(text).expect("the text is well-formed");
        assert_eq!((busy, all, processors), (18, 102, 2));
        assert!(Ticks::read("cpu x").is_none() && Ticks::read("").is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn another_program_that_computes_is_counted() {
        let mut other = std::process::Command::new("sh")
            .args(["-c", "while kill -0 $PPID 2>&-; do :; done"])
            .spawn()
            .expect("there is a shell");
        let most = (0..20).filter_map(|_| of_others(Duration::from_millis(50)));
        let used = most.fold(0.0, f64::max);
        other.kill().and_then(|()| other.wait()).expect("the shell runs until now");
        assert!(used > 0.25, "{used}");
    }

    #[test]
    fn computing_uses_processor_time_and_sleeping_causes_switches() {
        let compute = || {
            let begun = Usage::until_now().expect("the system tells");
            let end = Instant::now() + Duration::from_secs(20); // on a very busy machine
            loop {
                let used = Usage::until_now().expect("the system tells") - begun;
                if used.cpu_user_s + used.cpu_system_s > 0.02 || Instant::now() > end {
                    break;
                }
            }
        };
        let used = Usage::of(compute).1.expect("the system tells");
        assert!(used.cpu_user_s + used.cpu_system_s >= 0.02, "{used:?}");
        let sleep = || (0..20).for_each(|_| thread::sleep(Duration::from_millis(1)));
        let used = Usage::of(sleep).1.expect("the system tells");
        assert!(used.switches_voluntary >= 20, "{used:?}");
    }
}
