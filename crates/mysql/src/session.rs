//! Makes a used session as a new one is.

use std::io::{self, ErrorKind};

use mysql::prelude::Queryable;
use mysql::{Opts, Result};

use crate::Connection;
use crate::login::Login;
use crate::traces::Traces;

/// The role that is active, and the one that a login makes active. A login that has roles but no
/// default one has none active.
const MARIADB_ROLES: &str = "SELECT CURRENT_ROLE(), (SELECT ROLE_NAME \
     FROM information_schema.APPLICABLE_ROLES WHERE IS_DEFAULT = 'YES' LIMIT 1)";

impl Connection {
    /// Resets the session on the server (one round trip), then what that leaves: the default
    /// database and the role, where they may have changed, and what the login did. Lets a connection
    /// that is in doubt prove itself in the end.
    pub(crate) fn reset(&mut self, opts: &Opts, login: &Login) -> Result<()> {
        // These statements run again, so what they set is set.
        let set_by_init = login.init.iter().fold(Traces::NONE, |mut traces, statement| {
            traces |= Traces::of(statement);
            traces
        });
        let traces = self.watch.record.traces().without(set_by_init);
        if traces.contains(Traces::LASTING) {
            let text = "a statement had the server keep the texts of statements (`profiling`) or \
                 changed the session's resource group, and no reset undoes that";
            return Err(cannot_undo(text.to_owned()));
        }

        self.run(|conn| (conn.reset(), Ok(())))?;
        self.watch.statements.forget();
        self.conn.set_local_infile_handler(None);
        self.restore_database(opts.get_db_name(), traces)?;
        if traces.contains(Traces::ROLE) {
            self.restore_role()?;
        }
        if !self.begin_as_logged_in(login)? {
            return Err(cannot_undo(
                "the server has an `init_connect`, and cannot tell whether it runs that for this user \
                 at each login, since the user has roles: grant the user `CONNECTION ADMIN` itself, or \
                 none"
                    .to_owned(),
            ));
        }
        if self.watch.is_in_doubt() {
            self.prove()?;
        }
        if traces.contains(Traces::ALL) {
            self.ensure_no_profiles()?;
        }
        self.watch.record.forget();
        self.begin_session();
        Ok(())
    }

    fn restore_database(&mut self, configured: Option<&str>, traces: Traces) -> Result<()> {
        let is_same = !traces.contains(Traces::DATABASE);
        match configured {
            None if is_same => return Ok(()),
            // The reset leaves the database, and makes the server's default character set the
            // database's.
            Some(_) if is_same && self.watch.record.has_same_collation() => return Ok(()),
            Some(database) => return self.select_db(database),
            None => {}
        }
        let current: Option<Option<String>> = self.query_first("SELECT DATABASE()")?;
        match current.flatten() {
            None => Ok(()),
            Some(database) => Err(cannot_undo(format!(
                "the default database was changed to `{database}`, and no statement changes it \
                 back to none"
            ))),
        }
    }

    /// A procedure may have had the server keep the texts of statements, which no reset removes.
    fn ensure_no_profiles(&mut self) -> Result<()> {
        const QUESTION: &str = "SELECT COUNT(*) FROM information_schema.PROFILING";
        match self.query_first::<u64, _>(QUESTION) {
            Ok(None | Some(0)) | Err(mysql::Error::MySqlError(_)) => Ok(()),
            Ok(Some(_)) => {
                let text = "the server keeps the texts of its statements (`profiling`)";
                Err(cannot_undo(text.to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    fn restore_role(&mut self) -> Result<()> {
        match self.server_version() {
            // MariaDB, which says 5.5.5 for its versions 10, and its own version since.
            (5, 5, 5) | (10.., ..) => self.restore_mariadb_role(),
            (8.., ..) => self.restore_mysql_roles(),
            _ => Ok(()),
        }
    }

    fn restore_mariadb_role(&mut self) -> Result<()> {
        let roles: Option<(Option<String>, Option<String>)> = self.query_first(MARIADB_ROLES)?;
        let (current, default) = roles.unwrap_or_default();
        match default {
            _ if current == default => Ok(()),
            None => self.query_drop("SET ROLE NONE"),
            Some(role) => self.query_drop(format!("SET ROLE `{}`", role.replace('`', "``"))),
        }
    }

    fn restore_mysql_roles(&mut self) -> Result<()> {
        let all: Option<u8> = self.query_first("SELECT @@GLOBAL.activate_all_roles_on_login")?;
        self.query_drop(if all == Some(1) { "SET ROLE ALL" } else { "SET ROLE DEFAULT" })
    }
}

fn cannot_undo(text: String) -> mysql::Error {
    let text = format!("the session cannot be made as new: {text}");
    io::Error::new(ErrorKind::Unsupported, text).into()
}
