//! Clients that send a case, wait for its answer, and send the next.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use threadwise_systems::{Figures, Turn};

const CASES: &str = include_str!("../triage_server/cases.txt");

/// How long a client waits for an answer, whatever the pool. After that it is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// Drives the server at `address` with `clients` for `time`.
pub(crate) fn turn(name: &str, address: &str, clients: usize, time: Duration) -> io::Result<Turn> {
    let connect = |_| TcpStream::connect(address);
    let streams: Vec<_> = (0..clients).map(connect).collect::<Result<_, _>>()?;
    let end = Instant::now() + time;
    let client = |(number, stream)| move || drive(stream, number, end);
    Turn::run(name, streams.into_iter().enumerate().map(client))
}

fn drive(mut stream: TcpStream, number: usize, end: Instant) -> io::Result<Figures> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut figures = Figures::default();
    let mut answer = String::new();
    let texts = CASES.lines().filter_map(|line| Some(line.split_once(';')?.1));
    for text in texts.cycle().skip(number) {
        let began = Instant::now();
        if began >= end {
            break;
        }
        stream.write_all(format!("load-{number};{text}\n").as_bytes())?;
        answer.clear();
        answers.read_line(&mut answer)?;
        match answer.split(' ').next() {
            Some("saved") => figures.done(began),
            Some("error") => figures.failed(),
            _ => return Err(io::Error::other(format!("the server said {answer:?} and closed"))),
        }
    }
    Ok(figures)
}
