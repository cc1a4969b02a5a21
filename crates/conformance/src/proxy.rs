//! A TCP proxy on this machine that delays, freezes, cuts and refuses connections, like a bad network or
//! a server that comes and goes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A proxy before a server, on its own port of the loopback address. When it is dropped, it cuts
/// all connections and ends its threads.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    refuses: AtomicBool,
    /// Whether the system accepts connections. Locked while that changes.
    listens: Mutex<bool>,
    ends: AtomicBool,
    holds_questions: AtomicBool,
    holds_answers: AtomicBool,
    /// How many pieces of data the proxy has held back.
    held: AtomicU64,
    delay: Mutex<Duration>,
    answer_delay: Mutex<Duration>,
    accepted: AtomicU64,
    open: AtomicU64,
    round_trips: AtomicU64,
    /// Both sides of each connection. The threads in `copying` copy between them.
    streams: Mutex<Vec<TcpStream>>,
    copying: Mutex<Vec<JoinHandle<()>>>,
}

/// How often the acceptor checks whether it should do something else.
const LOOK: Duration = Duration::from_millis(1);

impl Proxy {
    /// A proxy before `target` that forwards everything.
    ///
    /// # Errors
    ///
    /// If the system gives no port.
    pub fn before(target: SocketAddr) -> io::Result<Self> {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target,
            refuses: AtomicBool::new(false),
            listens: Mutex::new(true),
            ends: AtomicBool::new(false),
            holds_questions: AtomicBool::new(false),
            holds_answers: AtomicBool::new(false),
            held: AtomicU64::new(0),
            delay: Mutex::default(),
            answer_delay: Mutex::default(),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            streams: Mutex::default(),
            copying: Mutex::default(),
        });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(address, listener)
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays new connections by this time from now on.
    pub fn delay(&self, delay: Duration) {
        *lock(&self.shared.delay) = delay;
    }

    /// Delays the server's answers by this time from now on, on all connections.
    pub fn delay_answers(&self, delay: Duration) {
        *lock(&self.shared.answer_delay) = delay;
    }

    /// Holds back what the clients send from now on, on all connections, until these are cut or the
    /// proxy [thaws](Self::thaw) or [serves](Self::serve).
    pub fn hold_questions(&self) {
        self.shared.holds_questions.store(true, SeqCst);
    }

    /// Holds back what the server sends from now on, on all connections, until these are cut or the
    /// proxy [thaws](Self::thaw) or [serves](Self::serve).
    pub fn hold_answers(&self) {
        self.shared.holds_answers.store(true, SeqCst);
    }

    /// How often the proxy has held something back.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.shared.held.load(SeqCst)
    }

    /// Forwards nothing from now on, on no connection, until [`thaw`](Self::thaw). Still accepts
    /// connections.
    pub fn freeze(&self) {
        self.hold_questions();
        self.hold_answers();
    }

    /// Forwards what was held back, and everything from now on.
    pub fn thaw(&self) {
        self.shared.holds_questions.store(false, SeqCst);
        self.shared.holds_answers.store(false, SeqCst);
    }

    /// Cuts all connections over which something has been sent. Accepts new ones.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Cuts all connections, and refuses new ones until [`serve`](Self::serve). Returns before that is
    /// done.
    pub fn refuse(&self) {
        self.shared.refuses.store(true, SeqCst);
    }

    /// Accepts connections again, and holds nothing back. Returns when the system no longer refuses
    /// connections.
    ///
    /// # Panics
    ///
    /// If another program has taken the port.
    pub fn serve(&self) {
        self.thaw();
        self.shared.refuses.store(false, SeqCst);
        crate::wait::until("the proxy to listen again", || self.is_listening());
    }

    /// Whether the system accepts connections for the proxy now.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        *lock(&self.shared.listens)
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(SeqCst)
    }

    /// How many accepted connections have not ended, including those that are still delayed.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.shared.open.load(SeqCst)
    }

    /// How often a client wrote after its server had: the round trips of all connections so far, if
    /// the server writes first and each side waits for the other's answer.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ends.store(true, SeqCst);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Shared {
    fn accept(self: Arc<Self>, address: SocketAddr, listener: TcpListener) {
        let mut listener = Some(listener);
        while !self.ends.load(SeqCst) {
            match (self.refuses.load(SeqCst), &listener) {
                (true, Some(_)) => {
                    let mut listens = lock(&self.listens);
                    listener = None; // then the system refuses connections
                    *listens = false;
                    drop(listens);
                    self.cut();
                }
                (false, None) => {
                    let mut listens = lock(&self.listens);
                    listener = listen(address).ok();
                    *listens = listener.is_some();
                }
                (false, Some(listener)) => match listener.accept() {
                    Ok((client, _)) => self.serve(client),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(LOOK),
                    Err(_) => thread::sleep(LOOK),
                },
                (true, None) => thread::sleep(LOOK),
            }
        }
        self.cut();
        let copying = std::mem::take(&mut *lock(&self.copying));
        for thread in copying {
            let _ = thread.join();
        }
    }

    fn serve(self: &Arc<Self>, client: TcpStream) {
        self.accepted.fetch_add(1, SeqCst);
        self.open.fetch_add(1, SeqCst);
        let shared = Arc::clone(self);
        let delay = *lock(&self.delay);
        let thread = thread::spawn(move || {
            thread::sleep(delay);
            let _ = shared.connect(client); // a connection that cannot be served is closed
            shared.open.fetch_sub(1, SeqCst);
        });
        lock(&self.copying).push(thread);
    }

    /// Copies in both directions until either side ends.
    fn connect(&self, client: TcpStream) -> io::Result<()> {
        client.set_nonblocking(false)?;
        let server = TcpStream::connect(self.target)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut ends = lock(&self.streams);
        if self.refuses.load(SeqCst) || self.ends.load(SeqCst) {
            return Ok(());
        }
        ends.extend([client.try_clone()?, server.try_clone()?]);
        drop(ends);
        let (to_client, from_server) = (client.try_clone()?, server.try_clone()?);
        let server_spoke = AtomicBool::new(false);
        let back = || {
            let _ = copy(&from_server, &to_client, || {
                thread::sleep(*lock(&self.answer_delay));
                self.hold_back(&self.holds_answers);
                server_spoke.store(true, SeqCst);
            });
            let _ = to_client.shutdown(Shutdown::Both);
        };
        thread::scope(|scope| {
            scope.spawn(back);
            self.forward(&client, &server, &server_spoke);
        });
        Ok(())
    }

    fn forward(&self, client: &TcpStream, server: &TcpStream, server_spoke: &AtomicBool) {
        let _ = copy(client, server, || {
            let turns = server_spoke.swap(false, SeqCst);
            self.round_trips.fetch_add(u64::from(turns), SeqCst);
            self.hold_back(&self.holds_questions);
        });
        let _ = server.shutdown(Shutdown::Both);
    }

    /// Waits while the proxy holds this direction back. What was held when the connections are cut is
    /// lost: their sockets are shut down before this returns.
    fn hold_back(&self, holds: &AtomicBool) {
        if !holds.load(SeqCst) {
            return;
        }
        self.held.fetch_add(1, SeqCst);
        while holds.load(SeqCst) && !self.has_cut() {
            thread::sleep(LOOK);
        }
        drop(lock(&self.streams)); // a cut that has begun shuts both sockets down first
    }

    /// Whether the connections that were open have been cut.
    fn has_cut(&self) -> bool {
        lock(&self.streams).is_empty()
    }

    fn cut(&self) {
        for stream in lock(&self.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Copies until either side ends. Calls `passes` before it forwards something.
fn copy(mut from: &TcpStream, mut to: &TcpStream, passes: impl Fn()) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => {
                passes();
                to.write_all(&buffer[..length])?;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each byte with the next one.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() {
                        let _ = stream.write_all(&[byte[0] + 1]);
                    }
                });
            }
        });
        address
    }

    #[test]
    fn a_frozen_proxy_answers_after_it_is_thawed() {
        let proxy = Proxy::before(server()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut stream).unwrap(), 8);
        proxy.freeze();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        assert!(ask(&mut stream).is_err());
        proxy.thaw();
        stream.set_read_timeout(None).unwrap();
        let mut late = [0];
        stream.read_exact(&mut late).unwrap();
        assert_eq!(late, [8]);
        proxy.cut();
        crate::wait::until("the connection to be cut", || ask(&mut stream).is_err());
        assert!(proxy.is_listening());
    }

    fn ask(stream: &mut TcpStream) -> io::Result<u8> {
        let mut byte = [7];
        stream.write_all(&byte)?;
        stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    #[test]
    fn a_proxy_cuts_and_refuses_connections_and_accepts_them_again() {
        let proxy = Proxy::before(server()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        for answers_before in 0..3 {
            assert_eq!(ask(&mut stream).unwrap(), 8);
            assert_eq!(proxy.round_trips(), answers_before);
        }
        assert_eq!(proxy.open(), 1);
        proxy.refuse();
        crate::wait::until("the connection to be cut", || ask(&mut stream).is_err());
        crate::wait::until("it to be over", || proxy.open() == 0);
        crate::wait::until("others to be refused", || TcpStream::connect(proxy.address()).is_err());
        proxy.serve();
        crate::wait::until("another to pass", || {
            TcpStream::connect(proxy.address()).is_ok_and(|mut stream| ask(&mut stream).is_ok())
        });
        assert!(proxy.accepted() >= 2);
    }
}
