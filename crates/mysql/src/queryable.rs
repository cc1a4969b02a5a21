//! The driver's query interface. Each answer is read to its end, and each error is recorded.
//!
//! The driver's own versions of these methods drop the rest of an answer, and with it the errors
//! that show only there. So each method is written out here, on top of [`Connection::text`] and
//! [`Connection::binary`].

use mysql::prelude::{AsStatement, FromRow, Protocol, Queryable};
use mysql::{
    Binary, FromRowError, Params, QueryResult, Result, Row, Statement, Text, from_row, from_row_opt,
};

use crate::Connection;
use crate::connection::ConnState;
use crate::error;
use crate::watchdog::WatchHandle;

/// The result of the `_opt` methods for a row.
type Converted<T> = std::result::Result<T, FromRowError>;

impl Connection {
    /// Runs a statement's text, then runs `read` on the answer.
    fn text<T>(
        &mut self,
        query: impl AsRef<str>,
        read: impl FnOnce(&mut Rows<'_, '_, '_, '_, Text>) -> Result<T>,
    ) -> Result<T> {
        let query = query.as_ref();
        self.ensure_in_sync()?;
        self.state.text_starts(query, self.conn.no_backslash_escape());
        self.ensure_open()?;
        let outcome =
            self.run_watched(|conn, watch| read_to_end(conn.query_iter(query), watch, read));
        self.state.history.statement_ended(error::ending(&outcome));
        outcome
    }

    /// Runs a prepared statement, or prepares a text and runs it. Then runs `read` on the answer.
    fn binary<T>(
        &mut self,
        statement: impl AsStatement,
        params: impl Into<Params>,
        read: impl FnOnce(&mut Rows<'_, '_, '_, '_, Binary>) -> Result<T>,
    ) -> Result<T> {
        let statement = statement.as_statement(self)?;
        self.check_own(&statement)?;
        self.ensure_in_sync()?;
        self.state.history.prepared_starts(statement.id());
        self.ensure_open()?;
        let outcome = self.run_watched(|conn, watch| {
            read_to_end(conn.exec_iter(statement.as_ref(), params), watch, read)
        });
        self.state.history.statement_ended(error::ending(&outcome));
        self.state.prepared.release(statement);
        outcome
    }

    /// Fails if the statement belongs to another connection, or is from before a reset.
    fn check_own(&self, statement: &Statement) -> Result<()> {
        self.state.prepared.check(statement, self.connection_id())
    }
}

impl ConnState {
    /// Records a text that is about to run.
    fn text_starts(&mut self, text: &str, no_backslash_escape: bool) {
        self.history.text_starts(text, no_backslash_escape);
        if !self.asked_for_read_only && error::asks_for_read_only(text) {
            self.asked_for_read_only = true;
        }
    }
}

impl Queryable for Connection {
    fn query_iter<Q: AsRef<str>>(&mut self, query: Q) -> Result<QueryResult<'_, '_, '_, Text>> {
        let query = query.as_ref();
        self.ensure_in_sync()?;
        self.state.text_starts(query, self.conn.no_backslash_escape());
        self.ensure_open()?;
        self.state.use_goes_unseen();
        self.state.begin();
        let answer = self.conn.query_iter(query);
        self.state.end();
        self.state.has_answered();
        let answer = answer.map_err(|error| self.state.note(error));
        self.state.history.statement_goes_unseen();
        answer
    }

    fn query<T, Q>(&mut self, query: Q) -> Result<Vec<T>>
    where
        Q: AsRef<str>,
        T: FromRow,
    {
        self.text(query, |rows| collect(rows, from_row))
    }

    fn query_opt<T, Q>(&mut self, query: Q) -> Result<Vec<Converted<T>>>
    where
        Q: AsRef<str>,
        T: FromRow,
    {
        self.text(query, |rows| collect(rows, from_row_opt))
    }

    fn query_first<T, Q>(&mut self, query: Q) -> Result<Option<T>>
    where
        Q: AsRef<str>,
        T: FromRow,
    {
        self.text(query, |rows| first(rows, from_row))
    }

    fn query_first_opt<T, Q>(&mut self, query: Q) -> Result<Option<Converted<T>>>
    where
        Q: AsRef<str>,
        T: FromRow,
    {
        self.text(query, |rows| first(rows, from_row_opt))
    }

    fn query_map<T, F, Q, U>(&mut self, query: Q, mut f: F) -> Result<Vec<U>>
    where
        Q: AsRef<str>,
        T: FromRow,
        F: FnMut(T) -> U,
    {
        self.text(query, |rows| collect(rows, |row| f(from_row(row))))
    }

    fn query_map_opt<T, F, Q, U>(&mut self, query: Q, mut f: F) -> Result<Vec<U>>
    where
        Q: AsRef<str>,
        T: FromRow,
        F: FnMut(Converted<T>) -> U,
    {
        self.text(query, |rows| collect(rows, |row| f(from_row_opt(row))))
    }

    fn query_fold<T, F, Q, U>(&mut self, query: Q, init: U, mut f: F) -> Result<U>
    where
        Q: AsRef<str>,
        T: FromRow,
        F: FnMut(U, T) -> U,
    {
        self.text(query, |rows| fold(rows, init, |sum, row| f(sum, from_row(row))))
    }

    fn query_fold_opt<T, F, Q, U>(&mut self, query: Q, init: U, mut f: F) -> Result<U>
    where
        Q: AsRef<str>,
        T: FromRow,
        F: FnMut(U, Converted<T>) -> U,
    {
        self.text(query, |rows| fold(rows, init, |sum, row| f(sum, from_row_opt(row))))
    }

    fn query_drop<Q>(&mut self, query: Q) -> Result<()>
    where
        Q: AsRef<str>,
    {
        self.text(query, read_rest)
    }

    fn prep<Q: AsRef<str>>(&mut self, query: Q) -> Result<Statement> {
        let query = query.as_ref();
        // The driver has it in its cache, or asks the server.
        let statement = self.run_unanswered(|conn, _| (conn.prep(query), Ok(())))?;
        let no_backslash_escape = self.conn.no_backslash_escape();
        self.state.history.prepared(statement.id(), query, no_backslash_escape);
        self.state.prepared.add(&statement);
        Ok(statement)
    }

    fn close(&mut self, statement: Statement) -> Result<()> {
        self.check_own(&statement)?;
        self.state.prepared.closed_by_user();
        self.run_unanswered(|conn, _| (conn.close(statement), Ok(()))) // the server does not answer
    }

    fn exec_iter<S, P>(&mut self, stmt: S, params: P) -> Result<QueryResult<'_, '_, '_, Binary>>
    where
        S: AsStatement,
        P: Into<Params>,
    {
        let statement = stmt.as_statement(self)?;
        self.check_own(&statement)?;
        self.ensure_in_sync()?;
        self.state.history.prepared_starts(statement.id());
        self.ensure_open()?;
        self.state.use_goes_unseen();
        self.state.begin();
        let answer = self.conn.exec_iter(statement.as_ref(), params);
        self.state.end();
        self.state.has_answered();
        self.state.prepared.release(statement);
        let answer = answer.map_err(|error| self.state.note(error));
        self.state.history.statement_goes_unseen();
        answer
    }

    fn exec_batch<S, P, I>(&mut self, stmt: S, params: I) -> Result<()>
    where
        S: AsStatement,
        P: Into<Params>,
        I: IntoIterator<Item = P>,
    {
        let statement = stmt.as_statement(self)?;
        self.check_own(&statement)?;
        self.ensure_in_sync()?;
        self.state.history.prepared_starts(statement.id());
        self.ensure_open()?;
        if statement.num_columns() > 0 {
            // The driver drops the rows and their errors.
            self.state.use_goes_unseen();
        }
        // Without parameters the driver asks the server nothing.
        let outcome =
            self.run_unanswered(|conn, _| (conn.exec_batch(statement.as_ref(), params), Ok(())));
        self.state.history.statement_ended(error::ending(&outcome));
        self.state.prepared.release(statement);
        outcome
    }

    fn exec<T, S, P>(&mut self, stmt: S, params: P) -> Result<Vec<T>>
    where
        S: AsStatement,
        P: Into<Params>,
        T: FromRow,
    {
        self.binary(stmt, params, |rows| collect(rows, from_row))
    }

    fn exec_opt<T, S, P>(&mut self, stmt: S, params: P) -> Result<Vec<Converted<T>>>
    where
        S: AsStatement,
        P: Into<Params>,
        T: FromRow,
    {
        self.binary(stmt, params, |rows| collect(rows, from_row_opt))
    }

    fn exec_first<T, S, P>(&mut self, stmt: S, params: P) -> Result<Option<T>>
    where
        S: AsStatement,
        P: Into<Params>,
        T: FromRow,
    {
        self.binary(stmt, params, |rows| first(rows, from_row))
    }

    fn exec_first_opt<T, S, P>(&mut self, stmt: S, params: P) -> Result<Option<Converted<T>>>
    where
        S: AsStatement,
        P: Into<Params>,
        T: FromRow,
    {
        self.binary(stmt, params, |rows| first(rows, from_row_opt))
    }

    fn exec_map<T, S, P, F, U>(&mut self, stmt: S, params: P, mut f: F) -> Result<Vec<U>>
    where
        S: AsStatement,
        P: Into<Params>,
        T: FromRow,
        F: FnMut(T) -> U,
    {
        self.binary(stmt, params, |rows| collect(rows, |row| f(from_row(row))))
    }

    fn exec_map_opt<T, S, P, F, U>(&mut self, stmt: S, params: P, mut f: F) -> Result<Vec<U>>
    where
        S: AsStatement,
        P: Into<Params>,
        T: FromRow,
        F: FnMut(Converted<T>) -> U,
    {
        self.binary(stmt, params, |rows| collect(rows, |row| f(from_row_opt(row))))
    }

    fn exec_fold<T, S, P, U, F>(&mut self, stmt: S, params: P, init: U, mut f: F) -> Result<U>
    where
        S: AsStatement,
        P: Into<Params>,
        T: FromRow,
        F: FnMut(U, T) -> U,
    {
        self.binary(stmt, params, |rows| fold(rows, init, |sum, row| f(sum, from_row(row))))
    }

    fn exec_fold_opt<T, S, P, U, F>(&mut self, stmt: S, params: P, init: U, mut f: F) -> Result<U>
    where
        S: AsStatement,
        P: Into<Params>,
        T: FromRow,
        F: FnMut(U, Converted<T>) -> U,
    {
        self.binary(stmt, params, |rows| fold(rows, init, |sum, row| f(sum, from_row_opt(row))))
    }

    fn exec_drop<S, P>(&mut self, stmt: S, params: P) -> Result<()>
    where
        S: AsStatement,
        P: Into<Params>,
    {
        self.binary(stmt, params, read_rest)
    }
}

/// An answer. The watchdog watches each wait for a row.
struct Rows<'r, 'c, 't, 'tc, P: Protocol> {
    answer: &'r mut QueryResult<'c, 't, 'tc, P>,
    watch: &'r mut WatchHandle,
}

impl<P: Protocol> Rows<'_, '_, '_, '_, P> {
    /// Reads and drops all that is left, of this result set and of those of later statements.
    fn read_rest(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        while let Some(mut set) = self.answer.iter() {
            while let Some(row) = watched(self.watch, || set.next()) {
                outcome = outcome.and(row.map(drop));
            }
        }
        outcome
    }
}

impl<P: Protocol> Iterator for Rows<'_, '_, '_, '_, P> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        watched(self.watch, || self.answer.next())
    }
}

/// Waits for a row, while the watchdog watches. The time that the user spends on the row does not
/// count.
fn watched<T>(watch: &mut WatchHandle, wait: impl FnOnce() -> T) -> T {
    watch.begin_next();
    let row = wait();
    watch.end();
    row
}

/// Returns the value of `read`, and the first error in what it left unread.
fn read_to_end<P: Protocol, T>(
    answer: Result<QueryResult<'_, '_, '_, P>>,
    watch: &mut WatchHandle,
    read: impl FnOnce(&mut Rows<'_, '_, '_, '_, P>) -> Result<T>,
) -> (Result<T>, Result<()>) {
    match answer {
        Ok(mut answer) => {
            watch.end();
            let mut rows = Rows { answer: &mut answer, watch };
            let value = read(&mut rows);
            (value, rows.read_rest())
        }
        Err(error) => (Err(error), Ok(())),
    }
}

fn read_rest<P: Protocol>(rows: &mut Rows<'_, '_, '_, '_, P>) -> Result<()> {
    rows.read_rest()
}

fn first<P: Protocol, T>(
    rows: &mut Rows<'_, '_, '_, '_, P>,
    convert: impl FnOnce(Row) -> T,
) -> Result<Option<T>> {
    rows.next().transpose().map(|row| row.map(convert))
}

fn collect<P: Protocol, T>(
    rows: &mut Rows<'_, '_, '_, '_, P>,
    mut convert: impl FnMut(Row) -> T,
) -> Result<Vec<T>> {
    rows.map(|row| row.map(&mut convert)).collect()
}

fn fold<P: Protocol, T>(
    rows: &mut Rows<'_, '_, '_, '_, P>,
    init: T,
    mut f: impl FnMut(T, Row) -> T,
) -> Result<T> {
    rows.try_fold(init, |sum, row| row.map(|row| f(sum, row)))
}
