//! One request after the other on one socket.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::http::{self, HeaderMap, HeaderValue, Method, Request, header};
use ureq_proto::{BodyMode, Error as Protocol};

use super::socket::{Socket, Stuck};
use super::{Error, Limits, Response};

/// A connection to one server. It sends one request after the other: a new one may begin when the
/// answer to the last one is complete.
pub struct Connection {
    socket: Socket,
    host: HeaderValue,
    limits: Limits,
    state: State,
    kept_until: Option<Instant>, // as the server has announced
}

enum State {
    /// The connection can send the next request.
    Idle,
    /// The body of an answer is not yet complete.
    Body(Box<Body>),
    /// The connection cannot be used again, for this reason.
    Over(&'static str),
}

struct Body {
    call: Call<RecvBody>,
    received: u64,
    end: Instant, // of the exchange
    doubt: Option<&'static str>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, server: &str, limits: Limits) -> Result<Self, Error> {
        let host = HeaderValue::from_str(server)
            .map_err(|_| Error::Unsupported(format!("{server:?} cannot be the name of a host")))?;
        let socket = Socket::new(stream, limits)
            .map_err(|source| Error::Unreachable { server: server.to_owned(), source })?;
        Ok(Self { socket, host, limits, state: State::Idle, kept_until: None })
    }

    /// Asks for `target`: a path, and a query if there is one.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn get(&mut self, target: &str) -> Result<Response<'_>, Error> {
        self.ask(Method::GET, target, &[])
    }

    /// Asks for the head of what `get` would return.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn head(&mut self, target: &str) -> Result<Response<'_>, Error> {
        self.ask(Method::HEAD, target, &[])
    }

    /// Sends `body` to `target`.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn post(&mut self, target: &str, body: &[u8]) -> Result<Response<'_>, Error> {
        self.ask(Method::POST, target, body)
    }

    fn ask(&mut self, method: Method, target: &str, body: &[u8]) -> Result<Response<'_>, Error> {
        let request = Request::builder().method(method).uri(target).body(());
        self.send(
            request.map_err(|error| Error::Unsupported(format!("{target:?}: {error}")))?,
            body,
        )
    }

    /// Sends any request, and returns as soon as the answer's head is there.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn send(&mut self, request: Request<()>, body: &[u8]) -> Result<Response<'_>, Error> {
        self.make_ready()?;
        let end = Instant::now() + self.limits.exchange;
        let method = request.method().clone();
        let (call, bytes) = written(request, &self.host, body)?;
        // From here on, after any error, the client does not know where the next answer would
        // begin.
        self.state = State::Over("an answer was not received");
        let doubt = match self.socket.write(&bytes, end) {
            Ok(()) => None,
            // A server may answer and close before it has read the whole request, for example if
            // the body is too large.
            Err(Stuck::Failed(_)) => Some("a request was not sent to its end"),
            Err(Stuck::TimedOut(error)) => return Err(error),
        };
        let (call, head) = self.receive_head(call, &method, end)?;
        self.begin_body(call, &head, doubt, end);
        Ok(Response::new(head, self))
    }

    /// Whether the connection is known to be useless for another request. It does not wait.
    pub(super) fn has_broken(&mut self) -> bool {
        match self.state {
            State::Idle => self.is_expired() || !self.socket.is_quiet(),
            State::Body(_) => false, // `drain` will tell
            State::Over(_) => true,
        }
    }

    pub(super) fn is_in_body(&self) -> bool {
        matches!(self.state, State::Body(_))
    }

    // ANCHOR: drain
    /// Reads the rest of an answer that its user has not read, if the rest is small and comes soon.
    pub(super) fn drain(&mut self) -> Result<(), Error> {
        self.drain_within(self.limits.rest_within)
    }

    /// Like `drain`, within the shorter of `limit` and the connection's own limit.
    pub(super) fn drain_within(&mut self, limit: Duration) -> Result<(), Error> {
        let State::Body(body) = &mut self.state else { return Ok(()) };
        let limit = limit.min(self.limits.rest_within);
        body.end = body.end.min(Instant::now() + limit);
        let too_much = match body.call.body_mode() {
            BodyMode::LengthDelimited(rest) => rest > self.limits.rest,
            BodyMode::CloseDelimited => true, // it ends with the connection
            BodyMode::NoBody | BodyMode::Chunked => false,
        };
        let most = body.received + self.limits.rest;
        let mut part = [0; 8 * 1024];
        while let State::Body(body) = &self.state {
            if too_much || body.received > most {
                return Err(self.fail(Error::Spent("much of an answer was left unread")));
            }
            self.read_body(&mut part)?;
        }
        Ok(())
    }
    // ANCHOR_END: drain

    fn make_ready(&mut self) -> Result<(), Error> {
        let _ = self.drain(); // the state tells whether that went well
        match self.state {
            State::Over(why) => return Err(Error::Spent(why)),
            State::Idle | State::Body(_) => {}
        }
        if self.has_broken() { Err(Error::Spent("the server has closed it")) } else { Ok(()) }
    }

    fn receive_head(
        &mut self,
        mut call: Call<RecvResponse>,
        method: &Method,
        end: Instant,
    ) -> Result<(Call<RecvResponse>, http::Response<()>), Error> {
        let mut used = 0; // by heads: the server may send others before (`103 Early Hints`)
        loop {
            let (part, head) =
                call.try_response(&self.socket.input, false).map_err(Error::Malformed)?;
            self.socket.input.drain(..part);
            used += part;
            let size = used + if head.is_none() { self.socket.input.len() } else { 0 };
            if size > self.limits.head {
                return Err(Error::HeadTooLarge(self.limits.head));
            }
            if let Some(head) = head {
                return Ok((call, head));
            }
            if part > 0 {
                continue;
            }
            let ended = match self.socket.fill(end) {
                Ok(0) => None,
                Ok(_) => continue,
                Err(Stuck::Failed(error)) => Some(error),
                Err(Stuck::TimedOut(error)) => return Err(error),
            };
            return Err(match size {
                0 => Error::Unanswered { method: method.clone(), source: ended },
                _ => Error::Truncated(ended),
            });
        }
    }

    fn begin_body(
        &mut self,
        call: Call<RecvResponse>,
        head: &http::Response<()>,
        doubt: Option<&'static str>,
        end: Instant,
    ) {
        self.kept_until = announced(head.headers());
        let doubt = doubt.or_else(|| ambiguity(head.headers()));
        match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => {
                self.state = State::Body(Box::new(Body { call, received: 0, end, doubt }));
            }
            Some(RecvResponseResult::Redirect(call)) => self.settle(doubt.or(call.close_reason())),
            Some(RecvResponseResult::Cleanup(call)) => self.settle(doubt.or(call.close_reason())),
            None => self.settle(Some("an answer has no end")),
        }
    }

    /// Reads more of the body into `out`, which has room. Returns whether the body is complete.
    pub(super) fn read_body(&mut self, out: &mut [u8]) -> Result<(usize, bool), Error> {
        loop {
            let body = match &mut self.state {
                State::Body(body) => body,
                State::Over(why) => return Err(Error::Spent(why)),
                State::Idle => return Ok((0, true)),
            };
            let (used, read) = match body.call.read(&self.socket.input, out) {
                Ok(progress) => progress,
                Err(error) => return Err(self.fail(Error::Malformed(error))),
            };
            self.socket.input.drain(..used);
            body.received += read as u64;
            let more = match body.call.body_mode() {
                BodyMode::LengthDelimited(rest) => rest,
                _ => 0,
            };
            if body.received.saturating_add(more) > self.limits.body {
                return Err(self.fail(Error::BodyTooLarge(self.limits.body)));
            }
            let is_over = has_ended(&body.call);
            if is_over {
                self.finish_body();
            }
            if read > 0 || is_over {
                return Ok((read, is_over));
            }
            if used == 0 {
                self.fill_body()?;
                if !self.is_in_body() {
                    return Ok((0, true));
                }
            }
        }
    }

    /// Waits for more of a body. The end of the connection may be the end of the body.
    fn fill_body(&mut self) -> Result<(), Error> {
        let State::Body(body) = &self.state else { return Ok(()) };
        let (end, mode, has_last) = (body.end, body.call.body_mode(), body.call.is_ended_chunked());
        if self.socket.input.len() > self.limits.head {
            // The input contains a chunk's length or a trailer that does not end.
            return Err(self.fail(Error::HeadTooLarge(self.limits.head)));
        }
        match self.socket.fill(end) {
            Ok(0) if mode == BodyMode::CloseDelimited || has_last => {
                self.settle(Some("it ended with its answer"));
                Ok(())
            }
            Ok(0) => Err(self.fail(Error::Truncated(None))),
            Ok(_) => Ok(()),
            Err(Stuck::Failed(error)) => Err(self.fail(Error::Truncated(Some(error)))),
            Err(Stuck::TimedOut(error)) => Err(self.fail(error)),
        }
    }

    fn finish_body(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Idle);
        let State::Body(body) = state else { return };
        let reason = match body.call.proceed() {
            Some(RecvBodyResult::Redirect(call)) => call.close_reason(),
            Some(RecvBodyResult::Cleanup(call)) => call.close_reason(),
            None => Some("an answer has no end"),
        };
        self.settle(body.doubt.or(reason));
    }

    /// Called at the end of an answer. Decides whether the connection can send another request.
    fn settle(&mut self, close: Option<&'static str>) {
        self.state = match close {
            Some(why) => State::Over(why), // `Connection: close`, HTTP/1.0, …
            None if self.socket.input.is_empty() => State::Idle,
            None => State::Over("the server said more than it was asked"),
        };
    }

    fn fail(&mut self, error: Error) -> Error {
        self.state = State::Over("an answer was not received to its end");
        error
    }

    fn is_expired(&self) -> bool {
        self.kept_until.is_some_and(|end| Instant::now() >= end)
    }
}

/// The bytes of the request, and the state that reads its answer.
fn written(
    mut request: Request<()>,
    host: &HeaderValue,
    body: &[u8],
) -> Result<(Call<RecvResponse>, Vec<u8>), Error> {
    let target = request.uri().path_and_query().map_or(1, |target| target.as_str().len());
    let headers = request.headers_mut();
    headers.entry(header::HOST).or_insert_with(|| host.clone());
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("threadwise-systems"));
    headers.remove(header::TRANSFER_ENCODING); // the body is here, so it has a length
    headers.remove(header::EXPECT);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let takes_a_body = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
    if body.is_empty() && !takes_a_body {
        request.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let room: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut bytes = vec![0; room + target + 64]; // the method, the version and two line ends
    let unsendable = |error: Protocol| Error::Unsupported(format!("the request: {error}"));
    let mut call = Call::new(request).map_err(unsendable)?.proceed();
    let head = call.write(&mut bytes).map_err(unsendable)?;
    bytes.truncate(head);
    bytes.extend_from_slice(body);
    let call = match call.proceed().map_err(unsendable)? {
        Some(SendRequestResult::RecvResponse(call)) => Some(call),
        Some(SendRequestResult::SendBody(mut call)) => {
            call.consume_direct_write(body.len()).map_err(unsendable)?;
            call.proceed()
        }
        Some(SendRequestResult::Await100(_)) | None => None,
    };
    Ok((call.ok_or_else(|| unsendable(Protocol::OutputOverflow))?, bytes))
}

fn has_ended(call: &Call<RecvBody>) -> bool {
    call.can_proceed() && call.body_mode() != BodyMode::CloseDelimited
}

/// The reason not to use this connection again if two readers may understand its headers
/// differently. Then a reader that finds another end of this answer takes the rest for the next one
/// (RFC 9112, 6.3).
fn ambiguity(headers: &HeaderMap) -> Option<&'static str> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next()?;
    let is_plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    let is_clear = is_plain && !headers.contains_key(header::CONTENT_LENGTH);
    (!is_clear).then_some("the length of an answer was in doubt")
}

/// The moment until which the server keeps an idle connection (`Keep-Alive: timeout=5`), less the
/// time that a request may take to arrive.
fn announced(headers: &HeaderMap) -> Option<Instant> {
    let fields = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = fields.split(',').find_map(|field| field.trim().strip_prefix("timeout="))?;
    let kept = Duration::from_secs(seconds.trim_matches('"').parse::<u32>().ok()?.into());
    Some(Instant::now() + kept.saturating_sub(Duration::from_secs(1)).max(kept / 2))
}
