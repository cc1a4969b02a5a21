//! The helper process that outlives this one, and ends a server that this one could not end.
//!
//! Nothing inside a process can clean up after `kill -9`, and statics are not dropped even at a
//! regular exit. The kernel's parent-death signal does not help: it is sent when the *thread* that
//! started the child ends, and test threads end early.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::StartError;

const SCRIPT: &str = include_str!("reaper.sh");

/// A shell that waits for the end of a pipe whose write end only this process holds: the standard
/// library makes pipes close-on-exec, so no other child inherits it.
///
/// Dropping it closes the pipe and returns when the shell has ended, which is at once if the
/// directory is gone already.
pub(super) struct Reaper {
    shell: Child,
}

impl Reaper {
    /// Creates `directory`, and watches it and every server that has its data there.
    ///
    /// The shell creates it rather than this process, so there is no moment in which it exists
    /// unwatched.
    pub(super) fn create_and_watch(directory: &Path) -> Result<Self, StartError> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "mariadb-reaper"])
            .arg(directory)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal ends this process's group. The reaper must outlive that.
            .process_group(0)
            .spawn()
            .map_err(StartError::io("run", "/bin/sh"))?;
        let output = shell.stdout.take().expect("the output is piped");
        let reaper = Self { shell };
        let mut answer = String::new();
        BufReader::new(output)
            .read_line(&mut answer)
            .and_then(|_| match answer.trim_end() {
                "created" => Ok(reaper),
                refusal => Err(io::Error::other(refusal)),
            })
            .map_err(StartError::io("create", directory))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // Closes the pipe first. This fails only if the shell has already been waited for.
        let _ = self.shell.wait();
    }
}
