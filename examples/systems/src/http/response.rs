//! An answer. Its user reads the body as it comes.

use ureq_proto::http;

use super::{Connection, Error, HeaderMap, StatusCode};

/// An answer. Its user may drop it before the end of the body: the connection remembers how much of
/// the body is still to come.
pub struct Response<'c> {
    head: http::Response<()>,
    conn: &'c mut Connection,
    is_over: bool,
}

impl<'c> Response<'c> {
    pub(super) fn new(head: http::Response<()>, conn: &'c mut Connection) -> Self {
        let is_over = !conn.is_in_body();
        Self { head, conn, is_over }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status()
    }

    /// The headers of the answer.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// A header, if it exists and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name)?.to_str().ok()
    }

    /// Reads more of the body into `out`. Returns 0 at the end.
    ///
    /// # Errors
    ///
    /// If the body is too large, does not come in time, ends early or is malformed. The connection
    /// is of no further use then, and its pool closes it.
    pub fn read_some(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        if self.is_over || out.is_empty() {
            return Ok(0);
        }
        let (read, is_over) = self.conn.read_body(out)?;
        self.is_over = is_over;
        Ok(read)
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// The same as [`read_some`](Self::read_some).
    pub fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        let mut part = [0; 8 * 1024];
        while !self.is_over {
            let read = self.read_some(&mut part)?;
            body.extend_from_slice(&part[..read]);
        }
        Ok(body)
    }

    /// The whole body as text; bytes that are not UTF-8 become `�`.
    ///
    /// # Errors
    ///
    /// The same as [`read_some`](Self::read_some).
    pub fn text(self) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }
}
