//! The driver's query interface, with every answer read to its end and every error noted.
//!
//! The driver's own versions of these methods drop what is left of an answer, and with it the
//! errors that show only there. So each is written out here, on top of [`Connection::text`] and
//! [`Connection::binary`].

use mysql::prelude::{AsStatement, FromRow, Protocol, Queryable};
use mysql::{
    Binary, FromRowError, Params, QueryResult, Result, Row, Statement, Text, from_row, from_row_opt,
};

use crate::Connection;
use crate::connection::Watch;
use crate::error;
use crate::watchdog::Lead;

/// A row as the `_opt` methods give it.
type Converted<T> = std::result::Result<T, FromRowError>;

impl Connection {
    /// Runs a statement given as text, and `read` on its answer.
    fn text<T>(
        &mut self,
        query: impl AsRef<str>,
        read: impl FnOnce(&mut Rows<'_, '_, '_, '_, Text>) -> Result<T>,
    ) -> Result<T> {
        let query = query.as_ref();
        self.watch.runs(query, self.conn.no_backslash_escape());
        let outcome =
            self.run_watched(|conn, lead| read_to_end(conn.query_iter(query), lead, read));
        self.watch.record.ended();
        outcome
    }

    /// Runs a prepared statement, or prepares and runs one, and `read` on its answer.
    fn binary<T>(
        &mut self,
        statement: impl AsStatement,
        params: impl Into<Params>,
        read: impl FnOnce(&mut Rows<'_, '_, '_, '_, Binary>) -> Result<T>,
    ) -> Result<T> {
        let statement = statement.as_statement(self)?;
        self.own(&statement)?;
        self.watch.record.executes(statement.id());
        let outcome = self.run_watched(|conn, lead| {
            read_to_end(conn.exec_iter(statement.as_ref(), params), lead, read)
        });
        self.watch.record.ended();
        self.watch.statements.is_done_with(statement);
        outcome
    }

    /// Fails if the statement is not one of this connection and this session.
    fn own(&self, statement: &Statement) -> Result<()> {
        self.watch.statements.check(statement, self.connection_id())
    }
}

impl Watch {
    /// A statement with this text is about to run.
    fn runs(&mut self, text: &str, no_backslash_escape: bool) {
        self.record.runs(text, no_backslash_escape);
        if !self.is_read_only_by_request && error::asks_for_read_only(text) {
            self.is_read_only_by_request = true;
        }
    }
}

impl Queryable for Connection {
    fn query_iter<Q: AsRef<str>>(&mut self, query: Q) -> Result<QueryResult<'_, '_, '_, Text>> {
        let query = query.as_ref();
        self.get_ready()?;
        self.watch.runs(query, self.conn.no_backslash_escape());
        self.watch.out_of_sight();
        self.watch.begin();
        let answer = self.conn.query_iter(query);
        self.watch.end();
        self.watch.has_answered();
        answer.map_err(|error| self.watch.note(error))
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
        self.text(query, drain)
    }

    fn prep<Q: AsRef<str>>(&mut self, query: Q) -> Result<Statement> {
        let query = query.as_ref();
        // The driver has it already, or asks the server.
        let statement = self.run_unanswered(|conn, _| (conn.prep(query), Ok(())))?;
        let no_backslash_escape = self.conn.no_backslash_escape();
        self.watch.record.prepares(statement.id(), query, no_backslash_escape);
        self.watch.statements.prepares(&statement);
        Ok(statement)
    }

    fn close(&mut self, statement: Statement) -> Result<()> {
        self.own(&statement)?;
        self.watch.statements.closes();
        self.run_unanswered(|conn, _| (conn.close(statement), Ok(()))) // the server says nothing
    }

    fn exec_iter<S, P>(&mut self, stmt: S, params: P) -> Result<QueryResult<'_, '_, '_, Binary>>
    where
        S: AsStatement,
        P: Into<Params>,
    {
        let statement = stmt.as_statement(self)?;
        self.own(&statement)?;
        self.get_ready()?;
        self.watch.record.executes(statement.id());
        self.watch.out_of_sight();
        self.watch.begin();
        let answer = self.conn.exec_iter(statement.as_ref(), params);
        self.watch.end();
        self.watch.has_answered();
        self.watch.statements.is_done_with(statement);
        answer.map_err(|error| self.watch.note(error))
    }

    fn exec_batch<S, P, I>(&mut self, stmt: S, params: I) -> Result<()>
    where
        S: AsStatement,
        P: Into<Params>,
        I: IntoIterator<Item = P>,
    {
        let statement = stmt.as_statement(self)?;
        self.own(&statement)?;
        self.watch.record.executes(statement.id());
        if statement.num_columns() > 0 {
            // The driver drops the rows, and their errors.
            self.watch.out_of_sight();
        }
        // Without parameters, nothing is asked of the server.
        let outcome =
            self.run_unanswered(|conn, _| (conn.exec_batch(statement.as_ref(), params), Ok(())));
        self.watch.record.ended();
        self.watch.statements.is_done_with(statement);
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
        self.binary(stmt, params, drain)
    }
}

/// An answer whose rows are waited for under the eyes of the watchdog.
struct Rows<'r, 'c, 't, 'tc, P: Protocol> {
    answer: &'r mut QueryResult<'c, 't, 'tc, P>,
    lead: &'r mut Lead,
}

impl<P: Protocol> Rows<'_, '_, '_, '_, P> {
    /// Reads and forgets all that is left, of this result set and of those of later statements.
    fn drain(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        while let Some(mut set) = self.answer.iter() {
            while let Some(row) = watched(self.lead, || set.next()) {
                outcome = outcome.and(row.map(drop));
            }
        }
        outcome
    }
}

impl<P: Protocol> Iterator for Rows<'_, '_, '_, '_, P> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        watched(self.lead, || self.answer.next())
    }
}

/// Waits for a row. What is done with it afterwards takes its own time.
fn watched<T>(lead: &mut Lead, wait: impl FnOnce() -> T) -> T {
    lead.resume();
    let row = wait();
    lead.end();
    row
}

/// What `read` makes of an answer, and the first error in what it left unread.
fn read_to_end<P: Protocol, T>(
    answer: Result<QueryResult<'_, '_, '_, P>>,
    lead: &mut Lead,
    read: impl FnOnce(&mut Rows<'_, '_, '_, '_, P>) -> Result<T>,
) -> (Result<T>, Result<()>) {
    match answer {
        Ok(mut answer) => {
            lead.end();
            let mut rows = Rows { answer: &mut answer, lead };
            let value = read(&mut rows);
            (value, rows.drain())
        }
        Err(error) => (Err(error), Ok(())),
    }
}

fn drain<P: Protocol>(rows: &mut Rows<'_, '_, '_, '_, P>) -> Result<()> {
    rows.drain()
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
