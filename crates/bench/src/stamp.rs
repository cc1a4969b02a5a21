//! Where the figures of this run come from: the machine, the source tree, the time and the command.

use std::path::Path;
use std::process::Command;
use std::thread;

use sysinfo::{CpuRefreshKind, System};
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
    let system = System::new().map(|mut system| {
        system.refresh_memory();
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        system
    });
    let cpu = system.as_ref().ok().and_then(|system| system.cpus().first());
    let cpu = cpu.map(|cpu| cpu.brand().trim()).filter(|brand| !brand.is_empty());
    let os = System::name().ok().zip(System::os_version().ok());
    let known = |found: Option<String>| found.unwrap_or_else(|| "unknown".into());
    Machine {
        cpu: known(cpu.map(Into::into)),
        cores: thread::available_parallelism().map_or(1, Into::into),
        memory_bytes: system.as_ref().map_or(0, System::total_memory),
        os: known(os.map(|(name, version)| format!("{name} {version}"))),
        kernel: known(System::kernel_long_version().ok()),
    }
}

/// The program's name and its arguments, without the URL of a server, because it has a password.
fn command(words: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for word in words {
        let is_url = shown.last().is_some_and(|before| before == URL_OPTION);
        shown.push(match word.strip_prefix(URL_OPTION) {
            Some(rest) if rest.starts_with('=') => format!("{URL_OPTION}=…"),
            _ if is_url => "…".into(),
            _ if shown.is_empty() => {
                Path::new(&word).file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
            _ => word,
        });
    }
    shown.join(" ")
}

const URL_OPTION: &str = "--mysql-url";

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        let output = git.args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return "unknown".into() };
    let clean = git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    if clean { commit } else { commit + "-dirty" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_description_agrees_with_the_system() {
        let machine = this_machine();
        let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap();
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
