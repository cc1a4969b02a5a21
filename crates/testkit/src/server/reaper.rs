//! The helper process that outlives this one, and ends a server that this one could not end.
//!
//! Nothing inside a process can clean up after `kill -9`, and statics are not dropped even at a
//! regular exit. The kernel's parent-death signal does not help: it is sent when the *thread* that
//! started the child ends, and test threads end early.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = include_str!("reaper.sh");

/// How the helper ends a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kill {
    /// By `SIGKILL`.
    AtOnce,
    /// By `SIGQUIT`, after which PostgreSQL ends its children and gives shared memory back; by
    /// `SIGKILL` if that does not help.
    Politely,
}

/// A shell that waits for the end of a pipe whose write end only this process holds: the standard
/// library makes pipes close-on-exec, so no other child inherits it.
///
/// Dropping it closes the pipe and returns when the shell has ended, which is at once if the
/// directory is gone already.
pub(crate) struct Reaper {
    shell: Child,
}

impl Reaper {
    /// Creates `directory`, and watches it and every server that has its data there.
    ///
    /// The shell creates it rather than this process, so there is no moment in which it exists
    /// unwatched.
    pub(crate) fn create_and_watch(directory: &Path, kill: Kill) -> io::Result<Self> {
        let signal = match kill {
            Kill::AtOnce => "KILL",
            Kill::Politely => "QUIT",
        };
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "server-reaper"])
            .arg(directory)
            .arg(signal)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal ends this process's group. The reaper must outlive that.
            .process_group(0)
            .spawn()?;
        let output = shell.stdout.take().expect("the output is piped");
        let reaper = Self { shell };
        let mut answer = String::new();
        BufReader::new(output).read_line(&mut answer)?;
        match answer.trim_end() {
            "created" => Ok(reaper),
            refusal => Err(io::Error::other(refusal)),
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // Closes the pipe first. This fails only if the shell has already been waited for.
        let _ = self.shell.wait();
    }
}
