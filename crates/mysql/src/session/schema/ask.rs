//! When the server is asked about its names, and by which session.

use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Error, Opts, OptsBuilder, Result, Row};
use threadwise_core::parts::fork;

use super::Schema;
use super::answer::{self, Answer};
use crate::addresses;
use crate::credentials::Logins;
use crate::socket::{self, Timeouts};

/// How long the server may work on the answer, in seconds.
const LIMIT: f64 = 30.0;
/// The limit of the question on a connection that is being opened, which waits for the answer.
const LIMIT_ON_CONNECT: f64 = 0.02;
/// How long the manager's own session waits for the server: longer than the server's own limit.
const READ_TIMEOUT: Duration = Duration::from_secs(35);
/// How long it waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What the manager's own session needs to log in. The thread asks for the credentials, because a
/// function of the program may supply them.
pub(crate) struct OwnLogin {
    /// Without credentials.
    pub(crate) opts: OptsBuilder,
    pub(crate) logins: Arc<Logins>,
}

impl Schema {
    /// Asks the server if the last answer expires soon, on a thread that the caller does not wait
    /// for. Does nothing if the server was asked just before, or is being asked.
    pub(crate) fn ask_if_wanted(self: &Arc<Self>, own_login: impl FnOnce() -> OwnLogin) {
        if self.is_wanted.load(Ordering::Relaxed) && self.claim() {
            self.is_wanted.store(false, Ordering::Relaxed);
            self.start(own_login);
        }
    }

    /// Asks on a connection that is being opened, if no session has asked before and the server can
    /// limit the time to some milliseconds. If that time is too short, or the connection has another
    /// `login` than the next one will have, asks again on a thread.
    pub(crate) fn ask_first(
        self: &Arc<Self>,
        conn: &mut Conn,
        login: u64,
        own_login: impl FnOnce() -> OwnLogin,
    ) -> Result<()> {
        // Relaxed: one question too many does no harm.
        if self.due.load(Ordering::Relaxed) != 0 || !self.claim() {
            return Ok(());
        }
        let Some(query) = answer::limited_query(conn, LIMIT_ON_CONNECT) else {
            self.start(own_login);
            return Ok(());
        };
        let claim = Claim(self);
        let changes = self.begin();
        if login != self.login() {
            std::mem::forget(claim); // the thread has it now
            self.start(own_login);
            return Ok(());
        }
        match conn.query::<Row, _>(query) {
            Ok(rows) => {
                self.store(Arc::new(Answer::of(&rows)), changes);
                Ok(())
            }
            Err(Error::MySqlError(_)) => {
                std::mem::forget(claim); // the thread has it now
                self.start(own_login);
                // After an error the driver has forgotten the server's status flags.
                conn.query_drop("DO 0")
            }
            Err(error) => {
                self.fail();
                Err(error)
            }
        }
    }

    /// Takes the right to ask. Returns whether the caller has it now.
    pub(super) fn claim(&self) -> bool {
        // Relaxed: the due time is only a hint of when to look.
        let is_due = self.millis() >= self.due.load(Ordering::Relaxed);
        // Acquire: pairs with the Release store of `Claim::drop`, so that the caller sees the next due
        // time.
        is_due
            && !self.is_closed.load(Ordering::Relaxed)
            && !self.is_asking.swap(true, Ordering::Acquire)
            && self.is_still_due()
    }

    /// Looks at the due time again, now that no other thread asks.
    fn is_still_due(&self) -> bool {
        let is_due = self.millis() >= self.due.load(Ordering::Relaxed);
        if !is_due {
            self.is_asking.store(false, Ordering::Release); // see `claim`
        }
        is_due
    }

    /// Starts the thread that asks. The caller has the claim, which the thread takes over.
    fn start(self: &Arc<Self>, own_login: impl FnOnce() -> OwnLogin) {
        let schema = Arc::clone(self);
        // Before the login, so that the answer to an earlier user does not count.
        let changes = self.begin();
        let own_login = own_login();
        let work = fork::apart_from_forks(move || schema.work(own_login, changes));
        let thread = thread::Builder::new().name("mysql-schema".to_owned());
        if thread.spawn(work).is_err() {
            let _claim = Claim(self);
            self.fail();
        }
    }

    /// Runs on the manager's thread: asks the server, and stores the answer.
    fn work(&self, own_login: OwnLogin, changes: u64) {
        let claim = Claim(self);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.ask(own_login)));
        self.with(|state| state.socket.take());
        match outcome {
            Ok(Ok(rows)) => self.store(Arc::new(Answer::of(&rows)), changes),
            Ok(Err(_)) => self.fail(),
            Err(panic) => {
                std::mem::forget(panic); // its drop may panic too
                self.fail();
            }
        }
        drop(claim);
    }

    fn ask(&self, own_login: OwnLogin) -> Result<Vec<Row>> {
        let OwnLogin { opts, logins } = own_login;
        let until = Instant::now().checked_add(CONNECT_TIMEOUT);
        let credentials = logins.get(until)?.credentials;
        let opts = opts
            .user(credentials.user.as_deref())
            .pass(credentials.password.as_deref())
            .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
            .read_timeout(Some(CONNECT_TIMEOUT))
            .write_timeout(Some(CONNECT_TIMEOUT));
        let opts = Opts::from(opts);
        let addresses = match opts.get_socket() {
            Some(_) => Vec::new(),
            None => addresses::resolve(&opts)?,
        };
        let connect = |opts: Opts| Conn::new(opts);
        let mut conn = addresses::try_each(&opts, &addresses, Some(CONNECT_TIMEOUT), connect)?;
        self.keep_socket(&conn);
        let timeouts = Timeouts { read: Some(READ_TIMEOUT), write: Some(CONNECT_TIMEOUT) };
        socket::set_timeouts(&conn, timeouts)?;
        let query = answer::limited_query(&conn, LIMIT).unwrap_or_else(|| answer::QUERY.to_owned());
        conn.query(query)
    }

    /// Keeps the session's socket, so that the session ends with the manager.
    fn keep_socket(&self, conn: &Conn) {
        let Some(socket) = socket::duplicate(conn) else { return };
        // A forked child has this value too, and must leave its parent's session alone.
        self.with(|state| state.socket = Some((std::process::id(), socket)));
        // Relaxed: `close` sets it before it looks for the socket, under the same lock.
        if self.is_closed.load(Ordering::Relaxed) {
            self.shut_down_socket();
        }
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed); // see `keep_socket`
        self.shut_down_socket();
    }

    fn shut_down_socket(&self) {
        let socket = self.with(|state| state.socket.take());
        if let Some((process, socket)) = socket
            && process == std::process::id()
        {
            let _ = socket.shutdown(Shutdown::Both); // it may have ended by itself
        }
    }
}

/// The right to ask.
pub(super) struct Claim<'s>(pub(super) &'s Schema);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.is_asking.store(false, Ordering::Release); // pairs with `claim`
    }
}
