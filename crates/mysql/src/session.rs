//! What a session has run, what may be left in it, and how it is made fresh for the next user.
//!
//! | file | holds |
//! |---|---|
//! | [`tokens`] | the tokens of a statement's text |
//! | [`statement`] | whether a statement has side effects on its session, by its text |
//! | [`functions`] | the server's functions that have no side effects |
//! | [`schema`] | which names are views or have triggers, by the server's answer |
//! | [`effects`] | which parts of the session a statement with side effects may change |
//! | [`setup`] | whether a statement of `init` or a hook changes what later texts mean |
//! | [`transaction_control`] | statements that begin or end a transaction |
//! | [`commits`] | what a statement may commit, so that an error leaves it unknown |
//! | [`history`] | what ran since the session began |
//! | [`prepared`] | the prepared statements of a connection |
//! | [`status`] | the server's status flags: transaction, autocommit |
//! | [`login`] | what a login does and the server's reset does not |
//! | [`reset`] | the reset itself |
//!
//! `DESIGN.md` of this crate gives the reasons.

pub(crate) mod commits;
pub(crate) mod effects;
pub(crate) mod functions;
pub(crate) mod history;
pub(crate) mod login;
pub(crate) mod prepared;
mod reset;
pub(crate) mod schema;
mod setup;
mod statement;
mod status;
mod tokens;
mod transaction_control;

use self::schema::Schema;
use self::status::StatusFlags;
use crate::Connection;
use crate::connection::ConnState;

impl Connection {
    /// The next user's session begins here. What ran until now belongs to every session.
    pub(crate) fn begin_session(&mut self) {
        if self.state.history.has_run() {
            self.state.history.begin_session(self.status_flags());
        }
        self.state.asked_for_read_only = false;
        self.state.prepared.begin_session();
    }

    /// Whether anything ran that may have changed the session, by what the names mean on this server.
    pub(crate) fn has_changed(&mut self, schema: &Schema) -> bool {
        let ConnState { history, prepared, .. } = &self.state;
        if history.has_changed() || self.state.may_be_out_of_sync() || prepared.has_left_open() {
            return true;
        }
        if history.has_unverified() && !history.is_clean_in(schema) {
            return true;
        }
        if history.has_transaction_control() && !history.agrees_with(self.status_flags()) {
            return true;
        }
        self.state.history.mark_unchanged();
        false
    }

    /// Whether a transaction may be open: by the texts of the statements, and if these do not
    /// decide it, by the server's own status flags. If the connection is out of use, its
    /// transaction is over, and its user has got the error.
    pub(crate) fn may_be_in_transaction(&self) -> bool {
        self.state.is_usable()
            && self.state.history.may_be_in_transaction()
            && self.status_flags().is_none_or(|flags| flags.in_transaction)
    }

    /// The status flags of the server's last answer, if the driver still has them.
    fn status_flags(&self) -> Option<StatusFlags> {
        // After an error the driver has forgotten them, and unseen use may have ended with an error.
        if self.state.has_failed || self.state.may_be_out_of_sync() {
            return None;
        }
        StatusFlags::of(&self.conn)
    }
}
