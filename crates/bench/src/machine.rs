//! The machine on which figures were measured.

use std::fs;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// A machine's hardware and operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name; `unknown` if the system does not provide it.
    pub cpu: String,
    /// The number of processors that this process may use.
    pub cores: usize,
    /// Memory, in bytes; 0 if the system does not provide it.
    pub memory_bytes: u64,
    /// The system and its version.
    pub os: String,
    /// The kernel's version.
    pub kernel: String,
}

impl Machine {
    /// Returns the machine on which this process runs.
    #[must_use]
    pub fn this() -> Self {
        let known = |found: Option<String>| found.unwrap_or_else(|| "unknown".into());
        Self {
            cpu: known(cpu()),
            cores: thread::available_parallelism().map_or(1, Into::into),
            memory_bytes: memory_bytes().unwrap_or(0),
            os: known(os()),
            kernel: known(answer_of("uname", &["-sr"])),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cpu, cores, memory_bytes, os, kernel } = self;
        let gib = *memory_bytes as f64 / f64::from(1 << 30);
        write!(f, "{cpu}, {cores} cores, {gib:.0} GiB, {os}, {kernel}")
    }
}

fn cpu() -> Option<String> {
    let linux = || {
        let text = fs::read_to_string("/proc/cpuinfo").ok()?;
        // ARM kernels have no `model name`.
        value_after(&text, "model name", ':').or_else(|| value_after(&text, "Model", ':'))
    };
    linux().or_else(|| answer_of("sysctl", &["-n", "machdep.cpu.brand_string"]))
}

fn memory_bytes() -> Option<u64> {
    let linux = || {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let kib: u64 =
            value_after(&text, "MemTotal", ':')?.strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    linux().or_else(|| answer_of("sysctl", &["-n", "hw.memsize"])?.parse().ok())
}

fn os() -> Option<String> {
    let linux = || {
        let text = fs::read_to_string("/etc/os-release").ok()?;
        Some(value_after(&text, "PRETTY_NAME", '=')?.trim_matches('"').to_owned())
    };
    linux().or_else(|| Some(std::env::consts::OS.into()))
}

/// Returns the text after `separator` on the first line with `key` before it.
fn value_after(text: &str, key: &str, separator: char) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(separator))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
}

fn answer_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_exact_key() {
        let text = "MemTotalHuge: 1 kB\nMemTotal:       24 kB\n";
        assert_eq!(value_after(text, "MemTotal", ':').as_deref(), Some("24 kB"));
        assert_eq!(value_after(text, "Mem", ':'), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_description_agrees_with_the_system() {
        let machine = Machine::this();
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
        let seen = processors.lines().filter(|line| line.starts_with("processor")).count();
        assert!((1..=seen).contains(&machine.cores), "{machine:?}");
        let memory = machine.memory_bytes;
        assert!((1 << 26..1 << 46).contains(&memory), "{memory} bytes");
        assert!(!machine.os.contains('"'), "{machine:?}");
    }
}
