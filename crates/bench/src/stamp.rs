//! Where the figures of this run come from: the machine, the source tree, the time and the command.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use threadwise_figures::{Machine, Stamp};

/// Returns the stamp of this run, which ends now.
pub fn this_run() -> Stamp {
    let date = jiff::Timestamp::now().round(jiff::Unit::Second);
    Stamp {
        machine: this_machine(),
        commit: commit(),
        date: date.unwrap_or_default().to_string(),
        command: command(std::env::args()),
    }
}

/// Returns the machine on which this process runs.
fn this_machine() -> Machine {
    let known = |found: Option<String>| found.unwrap_or_else(|| "unknown".into());
    Machine {
        cpu: known(cpu()),
        cores: thread::available_parallelism().map_or(1, Into::into),
        memory_bytes: memory_bytes().unwrap_or(0),
        os: known(os()),
        kernel: known(kernel()),
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

fn kernel() -> Option<String> {
    let system = nix::sys::utsname::uname().ok()?;
    Some(format!("{} {}", system.sysname().to_str()?, system.release().to_str()?))
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

/// The program's name and its arguments, without the URL of a server, because it has a password.
fn command(words: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for word in words {
        let is_url = shown.last().is_some_and(|before| before == URL_OPTION);
        shown.push(match word.strip_prefix(URL_OPTION) {
            Some(rest) if rest.starts_with('=') => format!("{URL_OPTION}=…"),
            _ if is_url => "…".into(),
            _ if shown.is_empty() => file_name(&word),
            _ => word,
        });
    }
    shown.join(" ")
}

const URL_OPTION: &str = "--mysql-url";

fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return "unknown".into() };
    let clean = git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    if clean { commit } else { commit + "-dirty" }
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
        let machine = this_machine();
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
        let seen = processors.lines().filter(|line| line.starts_with("processor")).count();
        assert!((1..=seen).contains(&machine.cores), "{machine:?}");
        let memory = machine.memory_bytes;
        assert!((1 << 26..1 << 46).contains(&memory), "{memory} bytes");
        assert!(!machine.os.contains('"'), "{machine:?}");
    }

    #[test]
    fn the_command_is_shown_without_the_url_of_a_server() {
        let shown = |words: &str| command(words.split(' ').map(str::to_owned));
        let url = "mysql://me:secret@db/test";
        assert_eq!(shown("/a/bench compare --quick"), "bench compare --quick");
        assert_eq!(shown(&format!("bench --mysql-url {url} -q")), "bench --mysql-url … -q");
        assert_eq!(shown(&format!("bench --mysql-url={url} -q")), "bench --mysql-url=… -q");
    }

    #[test]
    fn the_date_is_rfc_3339_in_utc() {
        let date = this_run().date;
        assert!(date.ends_with('Z') && date.parse::<jiff::Timestamp>().is_ok(), "{date}");
    }
}
