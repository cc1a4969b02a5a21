//! Resets a used session, so that the next user finds it as a new login makes it.

use std::io::{self, ErrorKind};

use mysql::prelude::Queryable;
use mysql::{Opts, Result};

use super::effects::SessionEffects;
use super::login::Login;
use crate::Connection;

/// Asks for the active role and the user's default role, which a login makes active. Without a
/// default role a login has no active role.
const MARIADB_ROLES: &str = "SELECT CURRENT_ROLE(), (SELECT ROLE_NAME \
     FROM information_schema.APPLICABLE_ROLES WHERE IS_DEFAULT = 'YES' LIMIT 1)";

impl Connection {
    /// Resets the session on the server (one round trip). Then restores what the server's reset
    /// leaves: the default database and the role where they may have changed, and what the login
    /// did. At the end a connection that may be out of sync proves that it is not.
    pub(crate) fn reset(&mut self, opts: &Opts, login: &Login) -> Result<()> {
        let effects = self.state.history.effects();
        if effects.contains(SessionEffects::LASTING) {
            let text = "a statement switched `profiling` on or changed the session's resource group, \
                 and no reset undoes that";
            return Err(cannot_undo(text.to_owned()));
        }

        self.run(|conn| (conn.reset(), Ok(())))?;
        self.state.prepared.reset();
        self.conn.set_local_infile_handler(None);
        self.restore_database(opts.get_db_name(), login, effects)?;
        if effects.contains(SessionEffects::ROLE) && !login.sets_role() {
            self.restore_role()?;
        }
        if !self.repeat_login(login)? {
            let text = "the server has an `init_connect`, and does not tell whether it runs it for this \
                 user, because the user has roles: grant `CONNECTION ADMIN` to the user itself, or give \
                 the user no roles";
            return Err(cannot_undo(text.to_owned()));
        }
        if self.state.may_be_out_of_sync() {
            self.prove_sync()?;
        }
        if effects.contains(SessionEffects::ALL) {
            self.ensure_no_profiles()?;
        }
        self.state.history.reset();
        self.begin_session();
        Ok(())
    }

    fn restore_database(
        &mut self,
        configured: Option<&str>,
        login: &Login,
        effects: SessionEffects,
    ) -> Result<()> {
        let is_same = !effects.contains(SessionEffects::DATABASE) && !login.may_change_database();
        match configured {
            // What `init` chooses, it chooses again.
            _ if login.begins_with_use() => return Ok(()),
            None if !effects.contains(SessionEffects::DATABASE) || login.uses_database() => {
                return Ok(());
            }
            // The reset keeps the database, and takes the server's default character set for the
            // database's.
            Some(_) if is_same && self.state.history.has_same_collation() => return Ok(()),
            Some(database) => return self.select_db(database),
            None => {}
        }
        // As bytes: the session may have any character set now.
        let current: Option<Option<Vec<u8>>> = self.query_first("SELECT DATABASE()")?;
        match current.flatten() {
            None => Ok(()),
            Some(database) => Err(cannot_undo(format!(
                "the default database was changed to `{}`, and no statement changes it back to none: \
                 configure a database, or do not change it",
                String::from_utf8_lossy(&database)
            ))),
        }
    }

    /// Fails if the session keeps texts of statements: a procedure may have switched `profiling`
    /// on, and no reset removes them.
    fn ensure_no_profiles(&mut self) -> Result<()> {
        const QUESTION: &str = "SELECT COUNT(*) FROM information_schema.PROFILING";
        match self.query_first::<u64, _>(QUESTION) {
            Ok(None | Some(0)) | Err(mysql::Error::MySqlError(_)) => Ok(()),
            Ok(Some(_)) => {
                let text = "`profiling` is on, so the server keeps the texts of its statements";
                Err(cannot_undo(text.to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    fn restore_role(&mut self) -> Result<()> {
        match self.server_version() {
            // MariaDB 10 says 5.5.5 in its handshake, later ones their own version.
            (5, 5, 5) | (10.., ..) => self.restore_mariadb_role(),
            (8.., ..) => self.restore_mysql_roles(),
            _ => Ok(()),
        }
    }

    fn restore_mariadb_role(&mut self) -> Result<()> {
        // Bytes: the session may have any character set now.
        type Name = Option<Vec<u8>>;
        let roles: Option<(Name, Name)> = self.query_first(MARIADB_ROLES)?;
        let (current, default) = roles.unwrap_or_default();
        if current == default {
            return Ok(());
        }
        match default.map(String::from_utf8) {
            None => self.query_drop("SET ROLE NONE"),
            Some(Ok(role)) => self.query_drop(format!("SET ROLE `{}`", role.replace('`', "``"))),
            Some(Err(_)) => {
                let text = "the name of the user's default role is not UTF-8 in this session";
                Err(cannot_undo(text.to_owned()))
            }
        }
    }

    fn restore_mysql_roles(&mut self) -> Result<()> {
        let all: Option<u8> = self.query_first("SELECT @@GLOBAL.activate_all_roles_on_login")?;
        self.query_drop(if all == Some(1) { "SET ROLE ALL" } else { "SET ROLE DEFAULT" })
    }
}

/// The error of a session that cannot be made like a new one.
pub(super) fn cannot_undo(text: String) -> mysql::Error {
    let text = format!("the session cannot be reset: {text}");
    io::Error::new(ErrorKind::Unsupported, text).into()
}
