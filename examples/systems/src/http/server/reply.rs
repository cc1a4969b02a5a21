//! The answer of a handler, and what the server does after it.

use ureq_proto::http::StatusCode;

/// The size of a chunk.
const CHUNK: usize = 16 * 1024;

/// An answer, and what the server does after it.
pub struct Reply {
    status: u16,
    minor: u8, // of HTTP/1
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    coding: Coding,
    pub(super) then: Then,
}

/// How the body is sent.
#[derive(PartialEq, Eq)]
enum Coding {
    Length,
    Chunked,
    /// The body is all that is sent, even if it is not HTTP.
    Raw,
}

/// What the server does with the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It reads the next request, unless one side has sent `Connection: close`.
    KeepOpen,
    /// It closes the connection, whatever the headers say.
    Close,
    /// It leaves the connection open, and does nothing more.
    Hang,
    /// It sends these bytes again and again, slowly, until the client is gone.
    Dribble(&'static [u8]),
}

impl Reply {
    /// An answer with this status and body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (headers, body) = (Vec::new(), body.into());
        Self { status, minor: 1, headers, body, coding: Coding::Length, then: Then::KeepOpen }
    }

    /// An answer of raw bytes, which need not be HTTP.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { coding: Coding::Raw, ..Self::new(200, bytes) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Answers in HTTP/1.0.
    #[must_use]
    pub fn http_1_0(self) -> Self {
        Self { minor: 0, ..self }
    }

    /// Sends the body in chunks, without its length.
    #[must_use]
    pub fn chunked(self) -> Self {
        Self { coding: Coding::Chunked, ..self }
    }

    /// Marks the body as HTML.
    #[must_use]
    pub fn html(self) -> Self {
        self.header("content-type", "text/html; charset=utf-8")
    }

    /// Sets what the server does after the answer.
    #[must_use]
    pub fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// Whether the answer says that the server closes the connection after it.
    pub(super) fn is_last(&self) -> bool {
        let says = |text| self.headers.contains(&("connection", String::from(text)));
        self.coding != Coding::Raw && (says("close") || self.minor == 0 && !says("keep-alive"))
    }

    /// The bytes of the answer; without its body, if the client asked for the head only.
    pub(super) fn bytes(&self, is_head_only: bool) -> Vec<u8> {
        if self.coding == Coding::Raw {
            return self.body.clone();
        }
        let reason = StatusCode::from_u16(self.status).ok();
        let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or_default();
        let mut head = format!("HTTP/1.{} {} {reason}\r\n", self.minor, self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let has_body = ![204, 304].contains(&self.status);
        let is_chunked = self.coding == Coding::Chunked;
        if has_body && is_chunked {
            head += "transfer-encoding: chunked\r\n";
        } else if has_body {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        if !has_body || is_head_only {
            return bytes;
        }
        if !is_chunked {
            bytes.extend(&self.body);
            return bytes;
        }
        for chunk in self.body.chunks(CHUNK) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }
}
