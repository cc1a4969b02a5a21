//! A manager that has every optional method, for the line server of the example; and its faults.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

pub mod fault;
#[path = "../../examples/line_manager/server.rs"]
mod server;
mod session;

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_conformance::{ManagerUnderTest, Proxy};
use threadwise_core::{ConnectionInfo, ManageConnection, Moment, Outcome};

pub use session::Session;

/// How long a connect or an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The timeout of a driver that ignores the manager's limit.
const OWN_TIMEOUT: Duration = Duration::from_millis(1_200);

const PASSWORD: &str = "abracadabra";

/// The line server behind a proxy. Its manager has the fault with this number, of [`fault`].
pub struct Line<const FAULT: u32> {
    proxy: Proxy,
    threads: Arc<AtomicUsize>,
}

/// The manager.
pub struct Manager<const FAULT: u32> {
    address: SocketAddr,
    password: String,
    opened: AtomicU64,
    /// What a faulty manager keeps.
    leaked: Mutex<Vec<TcpStream>>,
    /// The thread ends when this is dropped.
    thread: Mutex<Option<Sender<()>>>,
}

/// What went wrong.
pub struct Failure {
    pub kind: ErrorKind,
    text: String,
    cannot_be_printed: bool,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { kind: error.kind(), text: error.to_string(), cannot_be_printed: false }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(!self.cannot_be_printed, "as planned");
        f.write_str(&self.text)
    }
}

impl Error for Failure {}

impl<const FAULT: u32> Manager<FAULT> {
    fn with_password(line: &Line<FAULT>, password: &str) -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        line.threads.fetch_add(1, SeqCst);
        let threads = Arc::clone(&line.threads);
        thread::spawn(move || {
            let _ = receiver.recv(); // until the sender is dropped
            threads.fetch_sub(1, SeqCst);
        });
        Self {
            address: line.proxy.address(),
            password: password.into(),
            opened: AtomicU64::default(),
            leaked: Mutex::default(),
            thread: Mutex::new(Some(sender)),
        }
    }

    fn failure(mut error: Failure) -> Failure {
        error.cannot_be_printed = FAULT == fault::PANICS_IN_DISPLAY;
        error
    }

    /// Keeps a copy of the socket.
    fn leak(&self, session: &Session) {
        self.leaked.lock().unwrap().extend(session.socket());
    }

    fn open(&self, limit: Duration) -> Result<Session, Failure> {
        let id = self.opened.fetch_add(1, SeqCst);
        let mut session = Session::open(self.address, id, limit)?;
        if FAULT == fault::LEAKS_A_FAILED_CONNECT {
            self.leak(&session);
        }
        if FAULT == fault::CONNECTS_WITHOUT_AN_ANSWER {
            session.begin_to_ask(&format!("login {}", self.password))?;
            return Ok(session);
        }
        session.ask(&format!("login {}", self.password), limit).map_err(|mut error| {
            if error.kind == ErrorKind::InvalidInput {
                error.kind = ErrorKind::PermissionDenied;
            }
            if FAULT == fault::SHOWS_THE_PASSWORD {
                error.text += &self.password;
            }
            error
        })?;
        if FAULT == fault::LEAKS_A_CONNECTION {
            let beside = TcpStream::connect(self.address)?;
            self.leaked.lock().unwrap().push(beside);
        }
        if FAULT == fault::KEEPS_CLOSED_CONNECTIONS {
            self.leak(&session);
        }
        session.has_changed = false;
        Ok(session)
    }
}

impl<const FAULT: u32> ManageConnection for Manager<FAULT> {
    type Connection = Session;
    type Error = Failure;

    fn connect(&self) -> Result<Session, Failure> {
        self.open(TIMEOUT).map_err(Self::failure)
    }

    fn connect_within(&self, limit: Duration) -> Result<Session, Failure> {
        let limit = if FAULT == fault::CONNECTS_WITHOUT_LIMIT { TIMEOUT } else { limit };
        self.open(limit).map_err(Self::failure)
    }

    fn is_valid(&self, conn: &mut Session) -> Result<(), Failure> {
        self.is_valid_within(conn, TIMEOUT)
    }

    fn is_valid_within(&self, conn: &mut Session, limit: Duration) -> Result<(), Failure> {
        match FAULT {
            fault::VALIDATES_WITHOUT_ASKING => Ok(()),
            fault::LEAVES_AN_ANSWER_UNREAD => Ok(conn.send("echo x")?),
            fault::VALIDATES_WITHOUT_LIMIT => conn.ask("echo", TIMEOUT).map(drop),
            fault::VALIDATES_AT_ITS_OWN_TIMEOUT => conn.ask("echo", OWN_TIMEOUT).map(drop),
            _ => conn.ask("echo", limit).map(drop).map_err(Self::failure),
        }
    }

    fn is_valid_patient(
        &self,
        conn: &mut Session,
        patience: Duration,
        limit: Duration,
    ) -> Option<Result<(), Failure>> {
        match FAULT {
            fault::VALIDATES_WITHOUT_ASKING | fault::LEAVES_AN_ANSWER_UNREAD => {
                Some(self.is_valid_within(conn, limit))
            }
            fault::VALIDATES_IMPATIENTLY => Some(self.is_valid_within(conn, patience)),
            _ => conn.ask_patiently(patience),
        }
    }

    fn last_answer(&self, conn: &Session) -> Option<Instant> {
        static START: OnceLock<Instant> = OnceLock::new();
        match FAULT {
            fault::FORGETS_THE_LAST_ANSWER => Some(*START.get_or_init(Instant::now)),
            _ => Some(conn.last_answer),
        }
    }

    fn has_broken(&self, conn: &mut Session) -> bool {
        match FAULT {
            fault::IS_NEVER_BROKEN => false,
            fault::IS_ALWAYS_BROKEN => true,
            _ => conn.is_broken || conn.has_hung_up(),
        }
    }

    fn has_broken_at(&self, conn: &mut Session, moment: Moment) -> bool {
        if FAULT == fault::COUNTS_A_TRANSACTION_AS_BROKEN && *conn.in_transaction.get_mut() {
            return true;
        }
        let _ = moment;
        self.has_broken(conn)
    }

    fn quick_check(&self, conn: &mut Session) -> Result<(), Failure> {
        if FAULT != fault::CHECKS_QUICKLY_IN_VAIN && conn.has_hung_up() {
            return Err(io::Error::from(ErrorKind::ConnectionReset).into());
        }
        Ok(())
    }

    fn quick_check_after(&self) -> Option<Duration> {
        let checks = !matches!(FAULT, fault::NEVER_CHECKS_QUICKLY | fault::IS_NEVER_BROKEN);
        checks.then_some(Duration::from_millis(1))
    }

    fn reset(&self, conn: &mut Session) -> Result<(), Failure> {
        self.reset_within(conn, TIMEOUT)
    }

    fn reset_within(&self, conn: &mut Session, limit: Duration) -> Result<(), Failure> {
        let limit = if FAULT == fault::RESETS_WITHOUT_LIMIT { TIMEOUT } else { limit };
        let rollback_only = FAULT == fault::RESETS_IN_PART;
        conn.ask(if rollback_only { "commit" } else { "reset" }, limit)?;
        conn.has_changed = false;
        *conn.in_transaction.get_mut() = false;
        Ok(())
    }

    fn has_changed(&self, conn: &mut Session) -> bool {
        match FAULT {
            fault::HAS_NEVER_CHANGED => false,
            fault::HAS_ALWAYS_CHANGED => true,
            _ => conn.has_changed,
        }
    }

    fn in_transaction(&self, conn: &mut Session) -> bool {
        match FAULT {
            fault::IS_NEVER_IN_A_TRANSACTION => false,
            fault::IS_ALWAYS_IN_A_TRANSACTION => true,
            _ => *conn.in_transaction.get_mut(),
        }
    }

    fn in_transaction_shared(&self, conn: &Session) -> bool {
        FAULT != fault::HIDES_A_TRANSACTION_FROM_THREADS && conn.in_transaction.load(SeqCst)
    }

    fn should_retire(&self, conn: &mut Session) -> bool {
        match FAULT {
            fault::NEVER_RETIRES => false,
            fault::ALWAYS_RETIRES => true,
            _ => conn.is_leaving,
        }
    }

    fn group(&self, conn: &Session) -> u64 {
        if FAULT == fault::GROUPS_BY_CONNECTION { conn.id } else { 7 }
    }

    fn info<'c>(&'c self, conn: &'c Session) -> ConnectionInfo<'c> {
        let id = if FAULT == fault::LABELS_ALL_ALIKE { 0 } else { conn.id };
        ConnectionInfo::new().with_id(id).with_host("line")
    }

    fn is_lost(&self, error: &Failure) -> bool {
        match FAULT {
            fault::IS_NEVER_LOST => false,
            fault::IS_ALWAYS_LOST => true,
            _ => error.kind != ErrorKind::InvalidInput,
        }
    }

    fn on_error(&self, conn: &mut Session, error: &Failure) -> Outcome {
        if !self.is_lost(error) {
            return Outcome::Failed;
        }
        conn.is_broken = true;
        if conn.is_committing && FAULT != fault::REPEATS_A_COMMIT {
            Outcome::Unknown
        } else {
            Outcome::Lost
        }
    }

    fn not_reconnected(&self, error: Failure, cause: &(dyn Error + 'static)) -> Failure {
        let text = format!("{}; {cause}", error.text);
        let kind = match FAULT {
            fault::FINDS_A_LOST_CONNECTION_AGAIN => ErrorKind::InvalidInput,
            _ => error.kind,
        };
        Failure { kind, text, ..error }
    }

    fn is_permanent(&self, error: &Failure) -> bool {
        match FAULT {
            fault::IS_NEVER_PERMANENT => false,
            fault::IS_ALWAYS_PERMANENT => true,
            _ => error.kind == ErrorKind::PermissionDenied,
        }
    }

    fn forget_in_child(&self, conn: Session) {
        if FAULT == fault::CLOSES_IN_A_CHILD {
            conn.hang_up();
        }
        std::mem::forget(conn);
    }

    fn pool_closed(&self) {
        if FAULT != fault::KEEPS_ITS_THREAD {
            drop(self.thread.lock().unwrap().take());
        }
    }
}

impl<const FAULT: u32> ManagerUnderTest for Line<FAULT> {
    type Manager = Manager<FAULT>;

    const PASSWORD: Option<&'static str> = Some(PASSWORD);

    fn start() -> Self {
        let server = server::serve().expect("a port for the server");
        let proxy = Proxy::before(server).expect("a port for the proxy");
        Self { proxy, threads: Arc::default() }
    }

    fn manager(&self) -> Manager<FAULT> {
        Manager::with_password(self, "sesame")
    }

    fn echo(&self, conn: &mut Session, nonce: u64) -> Result<u64, Failure> {
        let answer =
            conn.ask(&format!("echo {nonce}"), TIMEOUT).map_err(Manager::<FAULT>::failure)?;
        Ok(answer.parse().unwrap_or(0))
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }

    fn soil(&self, conn: &mut Session) {
        conn.ask("name alice", TIMEOUT).expect("a name");
        self.begin(conn);
    }

    fn is_fresh(&self, conn: &mut Session) -> bool {
        conn.ask("session", TIMEOUT).expect("an answer") == r#""" false"#
    }

    fn begin(&self, conn: &mut Session) {
        conn.ask("begin", TIMEOUT).expect("a transaction");
    }

    fn commit(&self, conn: &mut Session) -> Result<(), Failure> {
        conn.ask("commit", TIMEOUT).map(drop)
    }

    fn fail(&self, conn: &mut Session) -> Failure {
        conn.ask("nonsense", TIMEOUT).expect_err("there is no such command")
    }

    fn refused_manager(&self) -> Manager<FAULT> {
        Manager::with_password(self, PASSWORD)
    }

    fn retire(&self, conn: &mut Session) {
        conn.is_leaving = true;
    }

    fn threads(&self) -> usize {
        self.threads.load(SeqCst)
    }
}
