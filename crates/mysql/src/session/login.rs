//! What a login does to a session and the server's reset does not. The manager repeats it after
//! each reset, so that the session is like that of a new login.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Result};
use threadwise_core::fork;
use threadwise_core::sync::Mutex;

use crate::{Connection, error};

/// How long the server's answer about `init_connect` is valid.
const TTL: Duration = Duration::from_secs(60);

/// The character set that the driver asks for when it logs in. MySQL's reset takes the server's own
/// character set instead, and the driver would then misread texts. MariaDB's reset keeps this one.
const SET_NAMES: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci";

/// Asks whether the server skips `init_connect` for this user.
const IS_EXEMPT: &str = "SELECT COUNT(*) > 0 FROM information_schema.USER_PRIVILEGES \
    WHERE PRIVILEGE_TYPE IN ('SUPER', 'CONNECTION ADMIN', 'CONNECTION_ADMIN') \
        AND GRANTEE = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
            QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))";

/// Asks whether the user has roles, one of which might exempt it.
const HAS_ROLES: &str = "SELECT COUNT(*) > 0 FROM information_schema.APPLICABLE_ROLES";

/// The statements that begin each session of a manager.
pub(crate) struct Login {
    /// The statements of the setting `init`.
    pub(crate) init: Vec<String>,
    /// What the server runs at each login, and when it said so. The lock is held for a moment only,
    /// and `fork` waits meanwhile, so a forked child never finds it locked.
    server: Mutex<Option<(Instant, Arc<InitConnect>)>>,
}

/// What the server runs at each login of this user (`init_connect`).
pub(crate) enum InitConnect {
    Nothing,
    Statements(String),
    /// The server has an `init_connect`, but does not tell whether it runs it for this user.
    Unknown,
}

impl Login {
    pub(crate) fn new(init: Vec<String>) -> Self {
        Self { init, server: Mutex::new(None) }
    }

    fn known(&self) -> Option<Arc<InitConnect>> {
        let (since, known) = fork::hold_off(|| self.server.lock().clone())?;
        (since.elapsed() < TTL).then_some(known)
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
    /// Runs the statements that begin each session, on a new connection and after a reset. Costs no
    /// round trip on MariaDB without `init`, one on MySQL, and one for each statement of `init`.
    pub(crate) fn run_session_setup(&mut self, login: &Login) -> Result<()> {
        if !self.is_mariadb() {
            self.run_setup(SET_NAMES)?;
        }
        for statement in &login.init {
            self.run_setup(statement).map_err(|error| error::in_setting("init", error))?;
        }
        Ok(())
    }

    /// Runs a text, which may hold several statements. A deadline holds for all of them together.
    fn run_setup(&mut self, text: &str) -> Result<()> {
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

    /// Repeats after a reset what a login does. Returns `false` if the manager cannot know what
    /// that is.
    pub(crate) fn repeat_login(&mut self, login: &Login) -> Result<bool> {
        let init_connect = match login.known() {
            Some(known) => known,
            None => login.learn(self.ask_init_connect()?),
        };
        match &*init_connect {
            InitConnect::Nothing => {}
            InitConnect::Statements(text) => {
                self.run_setup(text).map_err(|error| error::in_setting("init_connect", error))?;
            }
            InitConnect::Unknown => return Ok(false),
        }
        self.run_session_setup(login)?;
        Ok(true)
    }

    /// Asks the server for its `init_connect`. Costs one round trip, and two more if the server has
    /// one.
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
            // MySQL before 8.0 has no roles, and not this table.
            None if !self.is_mariadb() && self.server_version().0 < 8 => {
                InitConnect::Statements(text)
            }
            _ => InitConnect::Unknown,
        })
    }

    /// The server's answer to a yes-or-no question; `None` if it refuses to answer.
    fn ask_yes_or_no(&mut self, question: &str) -> Result<Option<bool>> {
        match self.run(|conn| (conn.query_first(question), Ok(()))) {
            Err(mysql::Error::MySqlError(_)) => Ok(None),
            answer => answer,
        }
    }

    /// Whether the server is MariaDB. MariaDB 10 says 5.5.5 in its handshake, later ones their own
    /// version.
    pub(crate) fn is_mariadb(&self) -> bool {
        matches!(self.server_version(), (5, 5, 5) | (10.., ..))
    }
}
