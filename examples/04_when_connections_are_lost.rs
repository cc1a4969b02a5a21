//! A server hangs up: what the pool does about it, what `steady` does, and what is left to you.
//!
//! The server is the example's own, on a loopback socket; it answers every line with the number of
//! the session, so that you see on which connection it was asked; the pool begins with session 1. What to look at: a connection that
//! was lost while idle costs nobody anything. One that was lost in your hands is an error, unless
//! `steady` was told what to do again. A part of a transaction is never done again: it would be done
//! without the part before it, which is gone, and only you know what that was.
//!
//! ```text
//! cargo run --example 04_when_connections_are_lost --all-features
//! ```
//!
//! It prints:
//!
//! ```text
//! lost while idle:           answered in session 2
//! lost in use:               connection reset
//! lost in use, steady:       answered in session 3
//! in a transaction, steady:  connection reset
//! and after that:            answered in session 4
//! all of it in `steady`:     answered in session 5
//! ```

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::{sync::Mutex, thread};

use threadwise::shared::SharedPool;
use threadwise::{ManageConnection, Validation};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // At each checkout, since this program is over before the half second of idleness after which
    // the server is asked by default.
    let pool = SharedPool::builder().validation(Validation::OnCheckout).build(Manager(serve()?))?;

    hang_up();
    println!("lost while idle:           {}", pool.get()?.ask("hello")?);

    let mut conn = pool.get()?;
    hang_up();
    // Whether the server has done it before it hung up, nobody knows. So you are told.
    println!("lost in use:               {}", conn.ask("insert 1").expect_err("it is lost"));
    println!("lost in use, steady:       {}", conn.steady(|conn| conn.ask("hello"))?);

    conn.ask("begin").and_then(|_| conn.ask("insert 1"))?;
    hang_up();
    let part = conn.steady(|conn| conn.ask("insert 2"));
    println!("in a transaction, steady:  {}", part.expect_err("the part before it is lost"));
    println!("and after that:            {}", conn.ask("hello")?);

    hang_up();
    let all = conn.steady(|conn| conn.ask("begin").and_then(|_| conn.ask("insert 1")))?;
    println!("all of it in `steady`:     {all}");
    conn.ask("commit")?; // not in `steady`: if it is lost, it may have been done
    Ok(())
}

/// What a pool has to know of the driver. (This one has no time-outs. Set them: a pool cannot
/// interrupt a driver that hangs.)
struct Manager(SocketAddr);

impl ManageConnection for Manager {
    type Connection = Client;
    type Error = io::Error;

    fn connect(&self) -> io::Result<Client> {
        let stream = TcpStream::connect(self.0)?;
        let mut client = Client { stream, in_transaction: false, is_lost: false };
        client.ask("hello").map(|_| client) // somebody may listen there who does not answer
    }

    fn is_valid(&self, client: &mut Client) -> io::Result<()> {
        client.ask("hello").map(drop)
    }

    /// What is known without asking. (There is no `reset`, for this server cannot roll back.)
    fn has_broken(&self, client: &mut Client) -> bool {
        client.is_lost || client.in_transaction
    }

    /// Without this, `steady` would do parts of transactions again.
    fn in_transaction(&self, client: &Client) -> bool {
        client.in_transaction
    }

    /// Without this, `steady` would do nothing again.
    fn is_lost(&self, error: &io::Error) -> bool {
        error.kind() == ErrorKind::ConnectionReset
    }
}

struct Client {
    stream: TcpStream,
    in_transaction: bool,
    is_lost: bool,
}

impl Client {
    fn ask(&mut self, line: &str) -> io::Result<String> {
        self.in_transaction = line == "begin" || self.in_transaction && line != "commit";
        let mut session = [0];
        let asked = self.stream.write_all(format!("{line}\n").as_bytes());
        let read = asked.and_then(|()| self.stream.read_exact(&mut session));
        self.is_lost |= read.is_err(); // for good: a late answer is not the next question's
        read.map_err(|_| ErrorKind::ConnectionReset)?; // the system has several names for it
        Ok(format!("answered in session {}", session[0]))
    }
}

static SESSIONS: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());

/// Starts the server. Returns its address.
fn serve() -> io::Result<SocketAddr> {
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

/// On all clients, as a server does that is restarted.
fn hang_up() {
    SESSIONS.lock().unwrap().drain(..).for_each(|session| drop(session.shutdown(Shutdown::Both)));
}
