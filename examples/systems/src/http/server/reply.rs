//! What a handler wants said, and what is to happen after it.

use ureq_proto::http::{HeaderName, HeaderValue, Response, StatusCode, Version};

/// What is said, and what then.
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
    /// These bytes and no others, HTTP or not.
    Raw(Vec<u8>),
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next request may come, unless one side has said `Connection: close`.
    KeepOpen,
    /// It is closed, whatever was said.
    Close,
    /// It stays open, and nothing more is said or done.
    Hang,
    /// These bytes again and again, slowly, until the client has gone.
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

    /// An answer that is not one.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { what: What::Raw(bytes.into()), then: Then::KeepOpen }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let What::Answer { head, .. } = &mut self.what {
            let value = HeaderValue::from_str(value).expect("a header's value");
            head.headers_mut().append(HeaderName::from_static(name), value);
        }
        self
    }

    /// Of HTTP/1.0.
    #[must_use]
    pub fn http_1_0(mut self) -> Self {
        if let What::Answer { head, .. } = &mut self.what {
            *head.version_mut() = Version::HTTP_10;
        }
        self
    }

    /// In pieces, without saying how long it will be.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        if let What::Answer { is_chunked, .. } = &mut self.what {
            *is_chunked = true;
        }
        self
    }

    /// As HTML.
    #[must_use]
    pub fn html(self) -> Self {
        self.header("content-type", "text/html; charset=utf-8")
    }

    /// What is to happen after it.
    #[must_use]
    pub fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }
}
