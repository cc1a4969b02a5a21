//! Requests out of bytes, and bytes out of responses.
//!
//! The protocol itself is `ureq-proto`'s, which knows HTTP/1.1 and has no sockets.

use serde::Serialize;
use ureq_proto::http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, TRANSFER_ENCODING,
};
use ureq_proto::http::{Method, Request, Response, StatusCode, Version};
use ureq_proto::server::state::ProvideResponse;
use ureq_proto::server::{RecvRequestResult, Reply, SendResponseResult};

/// The most bytes of a request, and of its URL.
pub(crate) const MAX_REQUEST: usize = 8 * 1024;
pub(crate) const MAX_URL: usize = 1024;
/// More bytes than the head of any answer has.
const MAX_HEAD: usize = 1024;

/// A request that waits for its response.
pub(crate) struct Exchange {
    pub(crate) request: Request<()>,
    reply: Reply<ProvideResponse>,
}

/// A request that the server cannot read. The server must close the connection, because it does not
/// know where the next request begins.
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) why: String,
}

/// Reads a request. Returns its length and the request, or `None` if it is not whole yet.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(usize, Exchange)>, Refused> {
    let mut reply = Reply::new().expect("it has nothing to fail at");
    let read = reply.try_request(bytes);
    let (used, request) = read.map_err(|error| Refused::bad(format!("not HTTP: {error}")))?;
    if request.as_ref().map_or(bytes.len(), |_| used) > MAX_REQUEST {
        return Err(Refused::too_long(bytes));
    }
    let Some(request) = request else { return Ok(None) };
    check(&request)?;
    match reply.proceed() {
        Some(RecvRequestResult::ProvideResponse(reply)) => {
            Ok(Some((used, Exchange { request, reply })))
        }
        _ => Err(Refused::bad("a request with a body")),
    }
}

fn check(request: &Request<()>) -> Result<(), Refused> {
    let headers = request.headers();
    if request.method() != Method::GET {
        let why = "only GET is understood here".to_owned();
        return Err(Refused { status: StatusCode::METHOD_NOT_ALLOWED, why });
    }
    if request.uri().to_string().len() > MAX_URL {
        return Err(Refused::too_long_url());
    }
    if request.version() == Version::HTTP_11 && headers.get_all(HOST).iter().count() != 1 {
        return Err(Refused::bad("a request without one `Host`"));
    }
    // An unread body would look like the next request.
    let has_length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_length || headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refused::bad("a GET with a body"));
    }
    Ok(())
}

impl Refused {
    fn bad(why: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, why: why.into() }
    }

    fn too_long(bytes: &[u8]) -> Self {
        if !bytes[..MAX_REQUEST].contains(&b'\n') {
            return Self::too_long_url();
        }
        let why = format!("more than {MAX_REQUEST} bytes of headers");
        Self { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why }
    }

    fn too_long_url() -> Self {
        let why = format!("a URL longer than {MAX_URL} bytes");
        Self { status: StatusCode::URI_TOO_LONG, why }
    }

    /// The bytes of the answer.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut response = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => unavailable(&self.why),
            status => error(status, &self.why),
        };
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, "GET".parse().expect("a value"));
        }
        response.headers_mut().insert(CONNECTION, "close".parse().expect("a value"));
        // There is no valid request, so this answers as to a plain one.
        let request = read(b"GET / HTTP/1.0\r\n\r\n");
        let (_, exchange) = request.ok().flatten().expect("a whole request");
        exchange.answer(response).0
    }
}

impl Exchange {
    /// The bytes of the answer, and whether the client may ask again after it.
    pub(crate) fn answer(self, response: Response<String>) -> (Vec<u8>, bool) {
        let (mut head, body) = response.into_parts();
        head.headers.insert(CONTENT_LENGTH, body.len().into());
        let head = Response::from_parts(head, ());
        let mut bytes = vec![0; MAX_HEAD + body.len()];
        // The server's own heads are short and valid, so none of this can fail.
        let mut reply = self.reply.provide(head).expect("a head that fits its body");
        let mut used = reply.write(&mut bytes).expect("room for the head");
        let ended = match reply.proceed() {
            SendResponseResult::SendBody(mut reply) => {
                used += reply.write(body.as_bytes(), &mut bytes[used..]).expect("room").1;
                reply.proceed()
            }
            SendResponseResult::Cleanup(reply) => reply,
        };
        bytes.truncate(used);
        (bytes, !ended.must_close_connection())
    }
}

/// A response in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<String> {
    let body = serde_json::to_string(value).expect("names and numbers") + "\n";
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = "application/json".parse().expect("a value");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A JSON error.
pub(crate) fn error(status: StatusCode, why: &str) -> Response<String> {
    #[derive(Serialize)]
    struct Body<'w> {
        error: &'w str,
    }
    json(status, &Body { error: why })
}

/// The error 503, which asks the client to try again after a second.
pub(crate) fn unavailable(why: &str) -> Response<String> {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(RETRY_AFTER, 1.into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> u16 {
        read(bytes).err().expect("a refusal").status.as_u16()
    }

    #[test]
    fn a_request_is_whole_when_its_last_byte_is_there() {
        let bytes = b"GET /score/5 HTTP/1.1\r\nHost: here\r\n\r\nGET /next";
        let whole = bytes.len() - "GET /next".len();
        for end in 0..whole {
            assert!(matches!(read(&bytes[..end]), Ok(None)), "{end}");
        }
        let (used, exchange) = read(bytes).ok().flatten().expect("a request");
        assert_eq!((used, exchange.request.uri().path()), (whole, "/score/5"));
        let (answer, stays) = exchange.answer(Response::new("fine".to_owned()));
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nfine"));
        assert!(stays, "{answer}");
    }

    #[test]
    fn what_cannot_be_answered_is_refused_with_its_reason() {
        assert_eq!(refused(b"\xff\xfe\r\n\r\n"), 400);
        assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n"), 400, "no host");
        assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
        assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"), 400);
        assert_eq!(refused(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
        assert_eq!(refused(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"), 405);
        assert_eq!(refused(b"DELETE / HTTP/1.0\r\n\r\n"), 405);
        let long = format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(MAX_URL));
        assert_eq!(refused(long.as_bytes()), 414);
        assert_eq!(refused(format!("GET /{}", "x".repeat(MAX_REQUEST)).as_bytes()), 414);
        let head = format!("GET / HTTP/1.0\r\nA: {}", "x".repeat(MAX_REQUEST));
        assert_eq!(refused(head.as_bytes()), 431);
        assert_eq!(refused(format!("{head}\r\n\r\n").as_bytes()), 431, "whole, and still too long");
    }
}
