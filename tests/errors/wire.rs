//! A relay that corrupts answers, cuts them short and refuses connections in the server's place.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes everything on to a server, and its answers back, until a method turns a fault on. Its
/// threads end with their connections, and the last one with the test's process.
pub(crate) struct Spoiler {
    port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    spoils: AtomicBool,
    cuts: AtomicBool,
    refuses: Mutex<Option<u16>>,
    answers: Mutex<Option<u16>>,
}

impl Spoiler {
    pub(crate) fn before(server: u16) -> Self {
        let faults = Arc::<Faults>::default();
        let port = listen({
            let faults = Arc::clone(&faults);
            move |client| faults.relay(&client, server)
        });
        Self { port, faults }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Sets whether answers are replaced by garbage.
    pub(crate) fn spoil(&self, spoils: bool) {
        self.faults.spoils.store(spoils, SeqCst);
    }

    /// Sets whether the connection ends in the middle of an answer.
    pub(crate) fn cut(&self, cuts: bool) {
        self.faults.cuts.store(cuts, SeqCst);
    }

    /// Sets the error with which new connections are refused, if any.
    pub(crate) fn refuse(&self, number: Option<u16>) {
        *self.faults.refuses.lock().expect("no panic") = number;
    }

    /// Sets the error that is the answer to each request, if any.
    pub(crate) fn answer(&self, number: Option<u16>) {
        *self.faults.answers.lock().expect("no panic") = number;
    }
}

impl Faults {
    fn relay(&self, mut client: &TcpStream, server: u16) -> io::Result<()> {
        let refusal = *self.refuses.lock().expect("no panic");
        if let Some(number) = refusal {
            return client.write_all(&error(number, 0, ""));
        }
        let server = TcpStream::connect(("127.0.0.1", server))?;
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        let there = thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let _ = self.answer(&server, client); // both sides are shut down after any outcome
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        let _ = there.join();
        Ok(())
    }

    fn answer(&self, mut server: &TcpStream, mut client: &TcpStream) -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            let length = server.read(&mut bytes)?;
            if length == 0 {
                return Ok(());
            }
            let answer = &mut bytes[..length];
            if self.spoils.load(SeqCst) {
                // The length stays right: otherwise the client would wait for more bytes.
                answer[3..].fill(0xA5);
            }
            if let Some(number) = *self.answers.lock().expect("no panic") {
                client.write_all(&error(number, 1, "#08S01"))?;
                continue;
            }
            if self.cuts.load(SeqCst) {
                return client.write_all(&answer[..length / 2]);
            }
            client.write_all(answer)?;
        }
    }
}

/// Returns a packet with an error and a sequence number. In place of a greeting it has no SQLSTATE,
/// because client and server have not agreed on capabilities yet.
fn error(code: u16, place: u8, state: &str) -> Vec<u8> {
    let mut body = vec![0xFF];
    body.extend(code.to_le_bytes());
    body.extend(format!("{state}as the test says").as_bytes());
    let length = u32::try_from(body.len()).expect("short").to_le_bytes();
    [&length[..3], &[place], &body].concat()
}

/// Runs `serve` on each connection to a new port, and returns the port.
fn listen(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(client));
        }
    });
    port
}
