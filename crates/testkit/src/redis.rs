//! A private Redis server for tests.
//!
//! Each [`Redis`] is a real `redis-server` with its own directory and Unix socket, and no port. It keeps
//! nothing on disk, and never outlives the process that started it, however that process ends.

use std::env;
use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::wait;

const SCRIPT: &str = include_str!("redis.sh");

/// Where servers are installed that an ordinary user's PATH does not reach.
const PROGRAM_DIRECTORIES: &[&str] =
    &["/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/// One private Redis server.
///
/// A shell starts the server and waits for the end of a pipe whose write end only this process holds.
/// Then it kills the server and removes the directory. So the server ends with its owner, also after
/// `kill -9`.
pub struct Redis {
    shell: Child,
    socket: PathBuf,
}

impl Redis {
    /// Starts a server and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// If there is no server program (the error says what to install), or if the system refuses a
    /// process or a directory.
    ///
    /// # Panics
    ///
    /// If the server takes no connection within [`PATIENCE`](wait::PATIENCE).
    pub fn start() -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "redis-reaper"])
            .arg(find_redis_server()?)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal ends this process's group. The shell must outlive that.
            .process_group(0)
            .spawn()?;
        let output = shell.stdout.take().expect("the output is piped");
        let mut directory = String::new();
        BufReader::new(output).read_line(&mut directory)?;
        let directory = Path::new(directory.trim_end());
        if directory.as_os_str().is_empty() {
            return Err(io::Error::other("cannot create a directory for a private Redis server"));
        }
        let server = Self { shell, socket: directory.join("socket") };
        wait::until("the private Redis server to take connections", || {
            UnixStream::connect(&server.socket).is_ok()
        });
        Ok(server)
    }

    /// The server's Unix socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The server's address, as the `redis` crate takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Closes the pipe, then waits until the shell has killed the server.
        let _ = self.shell.wait();
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// The path of the Redis server program: the value of the environment variable `REDIS_SERVER`, if that
/// is set. Otherwise this searches `redis-server` in the directories of `PATH` and in the usual places.
///
/// # Errors
///
/// If there is none, with what to install.
pub fn find_redis_server() -> io::Result<PathBuf> {
    if let Some(program) = env::var_os("REDIS_SERVER").filter(|value| !value.is_empty()) {
        let program = PathBuf::from(program);
        if is_executable(&program) {
            return Ok(program);
        }
        let text = format!("REDIS_SERVER={} is not an executable file", program.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(PROGRAM_DIRECTORIES.iter().map(PathBuf::from));
    let mut candidates = directories.map(|directory| directory.join("redis-server"));
    candidates.find(|program| is_executable(program)).ok_or_else(|| {
        let text = "no Redis server found: run `just setup redis`, or set REDIS_SERVER to the \
                    program's path";
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_and_its_directory_are_gone_when_the_value_is_dropped() {
        let server = Redis::start().unwrap();
        let socket = server.socket().to_owned();
        assert!(UnixStream::connect(&socket).is_ok());
        drop(server);
        assert!(UnixStream::connect(&socket).is_err());
        assert!(!socket.parent().unwrap().exists());
    }
}
