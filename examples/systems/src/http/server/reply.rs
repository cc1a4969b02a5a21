//! The answer of a handler, and what the server does after it.

use ureq_proto::http::{HeaderName, HeaderValue, Response, StatusCode, Version};

/// An answer, and what the server does after it.
pub struct Reply {
    pub(super) what: What,
    pub(super) then: Then,
}

pub(super) enum What {
    Answer {
        head: Response<()>,
        body: Vec<u8>,
        is_chunked: bool,
    },
    /// Exactly these bytes, even if they are not HTTP.
    Raw(Vec<u8>),
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
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::from_u16(status).expect("a status");
        let what = What::Answer { head, body: body.into(), is_chunked: false };
        Self { what, then: Then::KeepOpen }
    }

    /// An answer of raw bytes, which need not be HTTP.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { what: What::Raw(bytes.into()), then: Then::KeepOpen }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let What::Answer { head, .. } = &mut self.what {
            let value = HeaderValue::from_str(value).expect("a header's value");
            head.headers_mut().append(HeaderName::from_static(name), value);
        }
        self
    }

    /// Answers in HTTP/1.0.
    #[must_use]
    pub fn http_1_0(mut self) -> Self {
        if let What::Answer { head, .. } = &mut self.what {
            *head.version_mut() = Version::HTTP_10;
        }
        self
    }

    /// Sends the body in chunks, without its length.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        if let What::Answer { is_chunked, .. } = &mut self.what {
            *is_chunked = true;
        }
        self
    }

    /// Marks the body as HTML.
    #[must_use]
    pub fn html(self) -> Self {
        self.header("content-type", "text/html; charset=utf-8")
    }

    /// Sets what the server does after the answer.
    #[must_use]
    pub fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }
}
