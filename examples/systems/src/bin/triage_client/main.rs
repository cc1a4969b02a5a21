//! A client of `triage_server`: it sends the lines of its input, and prints the answers.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Parser;

/// Sends each line of its input to `triage_server`, and prints the answers, which come in the order
/// of the lines.
///
/// `PATIENT;TEXT` saves and sorts a case; `PATIENT#KEY;TEXT` may be sent again without being saved
/// twice; `?PATIENT` lists a patient's cases.
///
/// It ends with code 0 if every line was answered without an error, 1 if an answer was an error,
/// and 2 if the server was not there or closed first: lines without an answer may or may not be
/// saved.
#[derive(Parser)]
#[command(name = "triage_client")]
struct Options {
    /// Where `triage_server` listens, as it says at its start.
    #[arg(value_name = "ADDRESS")]
    address: String,
}

/// The answers so far.
#[derive(Default)]
struct Received {
    answers: u64,
    errors: u64,
    bye: bool,
}

fn main() -> ExitCode {
    let Options { address } = Options::parse();
    match talk(&address) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("triage_client: {address}: {error}");
            ExitCode::from(2)
        }
    }
}

fn talk(address: &str) -> io::Result<u8> {
    let stream = TcpStream::connect(address)?;
    let sent = Arc::new(AtomicU64::new(0));
    let (to_server, count) = (stream.try_clone()?, Arc::clone(&sent));
    // Not joined: when the server closes, this thread may still wait for the user to type.
    thread::spawn(move || send(to_server, &count));

    let received = print_answers(&stream)?;
    let unanswered = sent.load(Ordering::Relaxed).saturating_sub(received.answers);
    if unanswered > 0 {
        eprintln!("triage_client: {unanswered} lines have no answer: they may or may not be saved");
    }
    Ok(match received {
        _ if unanswered > 0 => 2,
        Received { bye: true, .. } => 2,
        Received { errors: 1.., .. } => 1,
        _ => 0,
    })
}

fn send(mut to: TcpStream, sent: &AtomicU64) {
    let mut input = io::stdin().lock();
    let mut line = Vec::new(); // bytes: the server says what is not text
    loop {
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                eprintln!("triage_client: the input cannot be read: {error}");
                break;
            }
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        // Counted before it is sent: it may be saved from then on. Relaxed: the answer to it, over
        // two sockets, is what the other thread has seen.
        sent.fetch_add(1, Ordering::Relaxed);
        if to.write_all(&line).is_err() {
            return; // the other thread finds the end
        }
    }
    let _ = to.shutdown(Shutdown::Write); // no more lines: the server answers those it has, and closes
}

fn print_answers(from: &TcpStream) -> io::Result<Received> {
    let mut received = Received::default();
    let mut output = io::stdout().lock();
    for answer in BufReader::new(from).lines() {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                eprintln!("triage_client: the connection was lost: {error}");
                received.bye = true;
                break;
            }
        };
        match answer.split(' ').next() {
            Some("bye:") => received.bye = true, // it answers no line
            kind => {
                received.answers += 1;
                received.errors += u64::from(kind == Some("error"));
            }
        }
        writeln!(output, "{answer}")?;
    }
    Ok(received)
}
