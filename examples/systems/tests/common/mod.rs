//! Starts the systems as a user does: as programs.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A program that listens, and that ends with its test.
pub struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
    log: String,
}

impl Server {
    /// Starts a program, and waits until it prints `listening on ADDRESS` (an address alone, or
    /// after `http://`).
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .env_remove("THREADWISE_DB")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut log = String::new();
        let address = loop {
            let mut line = String::new();
            if output.read_line(&mut line).expect("UTF-8") == 0 {
                let _ = child.kill();
                panic!("{program} ended ({:?}) and said: {log}", child.wait());
            }
            log.push_str(&line);
            if let Some((_, rest)) = line.split_once("listening on ") {
                let word = rest.split_whitespace().next().expect("an address");
                break word.trim_start_matches("http://").trim_end_matches('/').parse();
            }
        };
        let address = address.unwrap_or_else(|error| panic!("{log}: {error}"));
        Self { child, output, address, log }
    }

    /// The program's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The output so far, as far as the test has read it.
    pub fn printed(&self) -> &str {
        &self.log
    }

    /// Waits for the next line of the output.
    pub fn next_line(&mut self) -> String {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).expect("UTF-8");
        assert!(read > 0, "it ended, and said: {}", self.log);
        self.log.push_str(&line);
        line.truncate(line.trim_end().len());
        line
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    /// Pulls the plug.
    pub fn kill9(&self) {
        self.signal("KILL");
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits until the program ends. Returns its status and its output.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        let status = wait(&mut self.child);
        std::io::Read::read_to_string(&mut self.output, &mut rest).expect("UTF-8");
        (status, format!("{}{rest}", self.log))
    }

    /// Presses Ctrl-C, waits for the end, expects success, and returns the output.
    pub fn finish(self) -> String {
        self.interrupt();
        let (status, printed) = self.wait();
        assert!(status.success(), "{status}; it said: {printed}");
        printed
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended, unless the test failed
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process, by its name.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.expect("kill").success(), "no signal {name} for {pid}");
}

/// Runs a program to its end, expects success, and returns its output.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = output(program, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs a program, which must end within [`PATIENCE`].
pub fn output(program: &str, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("THREADWISE_DB").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let pid = child.id();
    let (ended, is_over) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    let output = is_over.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        signal(pid, "KILL");
        panic!("{program} {arguments:?} does not end");
    });
    output.expect("what it printed")
}

/// How long a test waits. The awaited events take much less time, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// Waits for the end of a process. After [`PATIENCE`] the test fails.
pub fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("process {} does not end", child.id());
        }
        thread::sleep(Duration::from_millis(10)); // `std` has no other wait with an end
    }
}
