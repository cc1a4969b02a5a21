//! What a login does to a session and the server's reset does not. The manager repeats it after
//! each reset, so that the session is like that of a new login.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Result};
use threadwise_core::parts::fork;
use threadwise_core::parts::sync::Mutex;

use super::effects::SessionEffects;
use super::reset::cannot_undo;
use super::tokens::{Token, Tokens};
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

    /// Whether the first statement of `init` is a `USE`. The others then run in that database,
    /// whichever was the default one before.
    pub(super) fn begins_with_use(&self) -> bool {
        self.init.first().is_some_and(|text| sets_name(text, &["use"]))
    }

    /// Whether a statement of `init` is a `USE`.
    pub(super) fn uses_database(&self) -> bool {
        self.init.iter().any(|text| sets_name(text, &["use"]))
    }

    /// Whether `init` may leave another default database than it found.
    pub(super) fn may_change_database(&self) -> bool {
        self.init.iter().any(|text| SessionEffects::of(text).contains(SessionEffects::DATABASE))
    }

    /// Whether a statement of `init` is a `SET ROLE`, so that the role before it does not matter.
    pub(super) fn sets_role(&self) -> bool {
        self.init.iter().any(|text| sets_name(text, &["set", "role"]))
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

/// Whether the whole text is these words and one name after them.
fn sets_name(text: &str, words: &[&str]) -> bool {
    let mut tokens = Tokens::new(text, false);
    let begins = words.iter().all(|word| {
        matches!(tokens.next(), Some(Ok(Token::Word(one))) if one.eq_ignore_ascii_case(word))
    });
    let has_name = matches!(tokens.next(), Some(Ok(Token::Word(_) | Token::Quoted(_))));
    begins && has_name && tokens.all(|token| matches!(token, Ok(Token::Sign(b';'))))
}

impl Connection {
    /// Runs the statements that begin each session on a new connection. Costs no round trip on
    /// MariaDB without `init`, one on MySQL, and one for each statement of `init`.
    pub(crate) fn run_session_setup(&mut self, login: &Login) -> Result<()> {
        self.set_names()?;
        self.run_init(login)
    }

    fn set_names(&mut self) -> Result<()> {
        if self.is_mariadb() { Ok(()) } else { self.run_setup(SET_NAMES) }
    }

    fn run_init(&mut self, login: &Login) -> Result<()> {
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
        self.set_names()?; // first, because the server reads and writes texts in that character set
        let init_connect = match login.known() {
            Some(known) => known,
            None => login.learn(self.ask_init_connect()?),
        };
        match &*init_connect {
            InitConnect::Nothing => {}
            InitConnect::Statements(text) => {
                self.run_setup(text).map_err(|error| error::in_setting("init_connect", error))?;
                self.set_names()?;
            }
            InitConnect::Unknown => return Ok(false),
        }
        self.run_init(login)?;
        Ok(true)
    }

    /// Asks the server for its `init_connect`. Costs one round trip, and two more if the server has
    /// one.
    fn ask_init_connect(&mut self) -> Result<InitConnect> {
        // As bytes: a server may write them in a character set of its own.
        let text: Option<Option<Vec<u8>>> =
            self.run(|conn| (conn.query_first("SELECT @@GLOBAL.init_connect"), Ok(())))?;
        let text = String::from_utf8(text.flatten().unwrap_or_default()).map_err(|_| {
            let text = "the server's `init_connect` is not UTF-8 in this session, so the manager cannot \
                 repeat it: write it in ASCII, or let the server take the client's character set";
            cannot_undo(text.to_owned())
        })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_statement_counts_as_one_that_sets_the_database_or_the_role() {
        let login = |init: &[&str]| Login::new(init.iter().map(|text| (*text).into()).collect());
        for text in ["USE d", "use `d`;", " USE /* x */ d ; "] {
            assert!(login(&[text]).begins_with_use() && login(&["DO 1", text]).uses_database());
            assert!(!login(&["DO 1", text]).begins_with_use(), "{text}");
        }
        for text in ["SET ROLE boss", "set role `boss`;", "SET ROLE NONE"] {
            assert!(login(&[text]).sets_role(), "{text}");
        }
        for text in
            ["CALL p()", "SET @a = 'use drop role'", "USE", "USE d; CALL p()", "SET DEFAULT ROLE a"]
        {
            assert!(!login(&[text]).uses_database() && !login(&[text]).sets_role(), "{text}");
        }
    }
}
