//! The server: a line asks, a line answers. An answer begins with `ok`, a refusal does not.

// ANCHOR: server
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Starts the server, which runs until the program ends. Returns its address.
pub fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?; // any port that is free
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || session(&client));
        }
    });
    Ok(address)
}

/// Answers one client: who it says it is, and whether it is in a transaction, is its session.
fn session(mut client: &TcpStream) -> io::Result<()> {
    let (mut is_known, mut name, mut in_transaction) = (false, String::new(), false);
    for line in BufReader::new(client).lines() {
        let line = line?;
        let (command, text) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "login" => is_known |= text == "sesame",
            "name" => name = text.to_owned(),
            "begin" | "commit" => in_transaction = command == "begin",
            "reset" => (name, in_transaction) = (String::new(), false),
            _ => {}
        }
        match command {
            _ if !is_known => return writeln!(client, "log in first, with the password"),
            "echo" => writeln!(client, "ok {text}")?,
            "login" | "name" | "begin" | "commit" | "reset" | "session" => {
                writeln!(client, "ok {name:?} {in_transaction}")?;
            }
            _ => writeln!(client, "there is no command {command:?}")?,
        }
    }
    Ok(())
}
// ANCHOR_END: server
