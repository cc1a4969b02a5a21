//! What a login does to a session, and a reset does not: repeated after each reset, so that a session
//! is as new as a login made it.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Result};
use threadwise_core::fork;
use threadwise_core::sync::Mutex;

use crate::Connection;
use crate::error;

/// For how long it is believed what the server runs at each login.
const BELIEVED: Duration = Duration::from_secs(60);

/// What the driver asks for when it logs in. A reset of MySQL's takes the server's own character set
/// instead, in which the driver would take one text for another; MariaDB's keeps this one.
const NAMES: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci";

/// Whether this user is one of those for whom the server does not run `init_connect`.
const IS_EXEMPT: &str = "SELECT COUNT(*) > 0 FROM information_schema.USER_PRIVILEGES \
    WHERE PRIVILEGE_TYPE IN ('SUPER', 'CONNECTION ADMIN', 'CONNECTION_ADMIN') \
        AND GRANTEE = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
            QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))";

/// Whether a role might exempt it.
const HAS_ROLES: &str = "SELECT COUNT(*) > 0 FROM information_schema.APPLICABLE_ROLES";

/// What belongs to each session of a manager.
pub(crate) struct Login {
    /// The statements of the setting `init`.
    pub(crate) init: Vec<String>,
    /// What the server runs at each login, and when it said so. Locked for a moment only, in which the
    /// process is not forked: a child never finds it locked.
    server: Mutex<Option<(Instant, Arc<InitConnect>)>>,
}

/// What the server runs at each login of this user.
pub(crate) enum InitConnect {
    Nothing,
    Statements(String),
    /// It cannot be told whether it runs this server's `init_connect` for this user.
    Perhaps,
}

impl Login {
    pub(crate) fn new(init: Vec<String>) -> Self {
        Self { init, server: Mutex::new(None) }
    }

    fn known(&self) -> Option<Arc<InitConnect>> {
        let (since, known) = fork::hold_off(|| self.server.lock().clone())?;
        (since.elapsed() < BELIEVED).then_some(known)
    }

    fn learn(&self, answer: InitConnect) -> Arc<InitConnect> {
        let answer = Arc::new(answer);
        let known = Some((Instant::now(), Arc::clone(&answer)));
        let before = fork::hold_off(|| std::mem::replace(&mut *self.server.lock(), known));
        drop(before);
        answer
    }
}

impl Connection {
    /// Does what belongs to each session, and the server does not do: on a new connection, and after a
    /// reset. No round trip on MariaDB without `init`, one on MySQL, and one for each statement of `init`.
    pub(crate) fn begin_as_configured(&mut self, login: &Login) -> Result<()> {
        if !self.is_mariadb() {
            self.configure(NAMES)?;
        }
        for statement in &login.init {
            self.configure(statement).map_err(|error| error::in_setting("init", error))?;
        }
        Ok(())
    }

    /// Runs a text, which may hold several statements; the deadline, if there is one, is for all.
    fn configure(&mut self, text: &str) -> Result<()> {
        let deadline = self.deadline();
        let is_over = || deadline.is_some_and(|deadline| deadline <= Instant::now());
        let run = |conn: &mut Conn| {
            let mut answer = conn.query_iter(text)?;
            while let Some(set) = answer.iter() {
                for row in set {
                    row?;
                }
                if is_over() {
                    return Err(io::Error::from(ErrorKind::TimedOut).into());
                }
            }
            Ok(())
        };
        self.run(|conn| (run(conn), Ok(())))
    }

    /// Does all that a login does, after a reset. `false` if that is not possible.
    pub(crate) fn begin_as_logged_in(&mut self, login: &Login) -> Result<bool> {
        let init_connect = match login.known() {
            Some(known) => known,
            None => login.learn(self.ask_init_connect()?),
        };
        match &*init_connect {
            InitConnect::Nothing => {}
            InitConnect::Statements(text) => {
                self.configure(text).map_err(|error| error::in_setting("init_connect", error))?;
            }
            InitConnect::Perhaps => return Ok(false),
        }
        self.begin_as_configured(login)?;
        Ok(true)
    }

    /// One round trip, and two more on a server that has the setting.
    fn ask_init_connect(&mut self) -> Result<InitConnect> {
        let text: Option<Option<String>> =
            self.run(|conn| (conn.query_first("SELECT @@GLOBAL.init_connect"), Ok(())))?;
        let text = text.flatten().unwrap_or_default();
        if text.trim().is_empty() {
            return Ok(InitConnect::Nothing);
        }
        if self.ask_yes_or_no(IS_EXEMPT)? == Some(true) {
            return Ok(InitConnect::Nothing);
        }
        Ok(match self.ask_yes_or_no(HAS_ROLES)? {
            Some(false) => InitConnect::Statements(text),
            // Servers before MySQL 8 have no roles, and no such table.
            None if !self.is_mariadb() && self.server_version().0 < 8 => {
                InitConnect::Statements(text)
            }
            _ => InitConnect::Perhaps,
        })
    }

    /// `None` if the server does not tell.
    fn ask_yes_or_no(&mut self, question: &str) -> Result<Option<bool>> {
        match self.run(|conn| (conn.query_first(question), Ok(()))) {
            Err(mysql::Error::MySqlError(_)) => Ok(None),
            answer => answer,
        }
    }

    /// MariaDB says 5.5.5 for its versions 10, and its own version since.
    pub(crate) fn is_mariadb(&self) -> bool {
        matches!(self.server_version(), (5, 5, 5) | (10.., ..))
    }
}
