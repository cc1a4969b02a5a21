//! Reads one request and sends its answer, then the next.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use ureq_proto::http::{HeaderValue, Request, Response, StatusCode, header};
use ureq_proto::server::state::{Cleanup, ProvideResponse, RecvBody, SendBody};
use ureq_proto::server::{RecvRequestResult, Reply as Exchange, SendResponseResult};

use super::Asked;
use super::reply::What;

const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 1024 * 1024;

pub(super) struct Exchanges<'s> {
    stream: &'s TcpStream,
    input: Vec<u8>, // received, and not used yet
    nth: usize,
}

/// A request that the server does not hand to its handler.
enum Bad {
    /// The client gets this status.
    Told(StatusCode),
    /// The client is gone.
    Gone,
}

impl<'s> Exchanges<'s> {
    pub(super) fn new(stream: &'s TcpStream) -> Self {
        Self { stream, input: Vec::new(), nth: 0 }
    }

    /// The next request; `None` if the connection has to end.
    pub(super) fn next_request(&mut self) -> Option<(Exchange<ProvideResponse>, Asked)> {
        match self.receive() {
            Ok(asked) => Some(asked),
            Err(Bad::Gone) => None,
            Err(Bad::Told(status)) => {
                let head =
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                let _ = self.stream.write_all(head.as_bytes());
                self.linger();
                None
            }
        }
    }

    /// Sends an answer. Returns whether another request may follow.
    pub(super) fn answer(
        &mut self,
        exchange: Exchange<ProvideResponse>,
        what: What,
    ) -> io::Result<bool> {
        match what {
            What::Raw(bytes) => self.stream.write_all(&bytes).map(|()| true),
            What::Answer { head, body, is_chunked } => {
                let (exchange, bytes) = rendered(exchange, head, &body, is_chunked)?;
                self.stream.write_all(&bytes)?;
                Ok(!exchange.must_close_connection())
            }
        }
    }

    fn receive(&mut self) -> Result<(Exchange<ProvideResponse>, Asked), Bad> {
        let malformed = |_| Bad::Told(StatusCode::BAD_REQUEST);
        let mut exchange = Exchange::new().map_err(malformed)?;
        let request = loop {
            let (used, request) = exchange.try_request(&self.input).map_err(malformed)?;
            self.input.drain(..used);
            if let Some(request) = request {
                break request;
            }
            if self.input.len() > MAX_HEAD {
                return Err(Bad::Told(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
            }
            self.fill()?;
        };
        let mut body = Vec::new();
        let exchange = match exchange.proceed() {
            Some(RecvRequestResult::ProvideResponse(exchange)) => exchange,
            Some(RecvRequestResult::RecvBody(exchange)) => {
                self.receive_body(exchange, &mut body)?
            }
            Some(RecvRequestResult::Send100(exchange)) => {
                let mut bytes = [0; 64];
                let (used, exchange) = exchange.accept(&mut bytes).map_err(malformed)?;
                self.stream.write_all(&bytes[..used]).map_err(|_| Bad::Gone)?;
                self.receive_body(exchange, &mut body)?
            }
            None => return Err(Bad::Told(StatusCode::BAD_REQUEST)),
        };
        self.nth += 1;
        let asked = Asked { request: as_asked(request), body, connection: 0, nth: self.nth };
        Ok((exchange, asked))
    }

    fn receive_body(
        &mut self,
        mut exchange: Exchange<RecvBody>,
        body: &mut Vec<u8>,
    ) -> Result<Exchange<ProvideResponse>, Bad> {
        let mut part = [0; 8 * 1024];
        while !exchange.is_ended() {
            let (used, read) = exchange
                .read(&self.input, &mut part)
                .map_err(|_| Bad::Told(StatusCode::BAD_REQUEST))?;
            self.input.drain(..used);
            body.extend_from_slice(&part[..read]);
            if body.len() > MAX_BODY || self.input.len() > MAX_HEAD {
                return Err(Bad::Told(StatusCode::PAYLOAD_TOO_LARGE));
            }
            if used == 0 && !exchange.is_ended() {
                self.fill()?;
            }
        }
        exchange.proceed().map_err(|_| Bad::Told(StatusCode::BAD_REQUEST))
    }

    fn fill(&mut self) -> Result<(), Bad> {
        let mut part = [0; 8 * 1024];
        loop {
            match self.stream.read(&mut part) {
                Ok(read) if read > 0 => {
                    self.input.extend_from_slice(&part[..read]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A timeout closes an idle connection silently, as all servers do. Within a request
                // the client gets an error.
                Err(_) if !self.input.is_empty() => {
                    return Err(Bad::Told(StatusCode::REQUEST_TIMEOUT));
                }
                Ok(_) | Err(_) => return Err(Bad::Gone),
            }
        }
    }

    /// Lets the client read the last answer, because a close with unread input would cut it off.
    fn linger(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(500)));
        let mut part = [0; 8 * 1024];
        for _ in 0..256 {
            if !self.stream.read(&mut part).is_ok_and(|read| read > 0) {
                return;
            }
        }
    }
}

/// The target without the `http://host` that some clients put before it.
fn as_asked(mut request: Request<()>) -> Request<()> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    if let Ok(target) = target.parse() {
        *request.uri_mut() = target;
    }
    request
}

fn rendered(
    exchange: Exchange<ProvideResponse>,
    mut head: Response<()>,
    body: &[u8],
    is_chunked: bool,
) -> io::Result<(Exchange<Cleanup>, Vec<u8>)> {
    let status = head.status();
    let has_length = !status.is_informational()
        && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    let headers = head.headers_mut();
    if has_length && is_chunked {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else if has_length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let mut exchange = exchange.provide(head).map_err(io::Error::other)?;
    let mut bytes = vec![0; MAX_HEAD];
    let used = exchange.write(&mut bytes).map_err(io::Error::other)?;
    bytes.truncate(used);
    let exchange = match exchange.proceed() {
        SendResponseResult::Cleanup(exchange) => exchange,
        SendResponseResult::SendBody(exchange) => with_body(exchange, body, &mut bytes)?,
    };
    Ok((exchange, bytes))
}

fn with_body(
    mut exchange: Exchange<SendBody>,
    body: &[u8],
    bytes: &mut Vec<u8>,
) -> io::Result<Exchange<Cleanup>> {
    let mut part = vec![0; 32 * 1024];
    let mut rest = body;
    loop {
        let most = exchange.calculate_max_input(part.len()).min(rest.len());
        let (used, written) = exchange.write(&rest[..most], &mut part).map_err(io::Error::other)?;
        bytes.extend_from_slice(&part[..written]);
        rest = &rest[used..];
        if exchange.is_finished() {
            return Ok(exchange.proceed());
        }
    }
}
