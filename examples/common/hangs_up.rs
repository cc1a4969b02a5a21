//! A server that closes its connections on request, its client, and the manager that a pool needs.
//!
//! The server answers every line with the number of the session, which shows on which connection
//! the line came. A manager for your own driver looks like the one here.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::{sync::Mutex, thread};

use threadwise::ManageConnection;

/// The manager. It sets no timeouts. Set them in yours: a pool cannot interrupt a driver.
pub(crate) struct Manager(pub(crate) SocketAddr);

// ANCHOR: manager
impl ManageConnection for Manager {
    type Connection = Client;
    type Error = io::Error;

    fn connect(&self) -> io::Result<Client> {
        let stream = TcpStream::connect(self.0)?;
        let mut client = Client { stream, in_transaction: false, is_lost: false };
        client.ask("hello").map(|_| client) // what listens there must also answer
    }

    fn is_valid(&self, client: &mut Client) -> io::Result<()> {
        client.ask("hello").map(drop)
    }

    /// The free check. (There is no `reset`, because this server cannot roll back.)
    fn has_broken(&self, client: &mut Client) -> bool {
        client.is_lost || client.in_transaction
    }

    /// Without this, `steady` would run parts of transactions again.
    fn in_transaction(&self, client: &mut Client) -> bool {
        client.in_transaction
    }

    /// Without this, `steady` would run nothing again.
    fn is_lost(&self, error: &io::Error) -> bool {
        error.kind() == ErrorKind::ConnectionReset
    }
}
// ANCHOR_END: manager

pub(crate) struct Client {
    stream: TcpStream,
    in_transaction: bool,
    is_lost: bool,
}

impl Client {
    /// Sends a line. Returns the number of the session in which it was answered.
    pub(crate) fn ask(&mut self, line: &str) -> io::Result<u8> {
        self.in_transaction = line == "begin" || self.in_transaction && line != "commit";
        let mut session = [0];
        let asked = self.stream.write_all(format!("{line}\n").as_bytes());
        let read = asked.and_then(|()| self.stream.read_exact(&mut session));
        self.is_lost |= read.is_err(); // permanently: a late answer must not answer the next line
        read.map_err(|_| ErrorKind::ConnectionReset)?; // the system has several names for it
        Ok(session[0])
    }
}

static SESSIONS: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());

/// Starts the server, which runs until the program ends. Returns its address.
pub(crate) fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?; // on any port that is free
    let address = listener.local_addr();
    thread::spawn(move || {
        for (number, client) in (1..).zip(listener.incoming().flatten()) {
            SESSIONS.lock().unwrap().extend(client.try_clone());
            thread::spawn(move || {
                BufReader::new(&client).lines().try_for_each(|_| (&client).write_all(&[number]))
            });
        }
    });
    address
}

/// Closes the connections of all clients, as a restarting server does.
pub(crate) fn hang_up() {
    SESSIONS.lock().unwrap().drain(..).for_each(|session| drop(session.shutdown(Shutdown::Both)));
}
