//! A request's head, which requests are allowed, and the page.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tungstenite::Error;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};

/// The longest head that the server reads. Browsers send shorter ones.
const MAX_HEAD: usize = 8 * 1024;

/// The time for a client to send a whole head, and the time for it to take an answer.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// The page may load scripts, styles and sockets of this server only, and its text may contain none
/// of them: even if the page showed a message as HTML by mistake, the browser would run nothing in
/// it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// An answer other than a WebSocket.
#[derive(Debug)]
pub(crate) struct Answer {
    status: &'static str,
    kind: &'static str,
    body: &'static str,
}

impl Answer {
    const fn error(status: &'static str, body: &'static str) -> Self {
        Self { status, kind: "text/plain", body }
    }
}

/// Reads a request's head, within limits of size and time. Returns `None` if the client sent none.
pub(crate) fn read_request(stream: &mut TcpStream) -> Result<Option<Request>, Answer> {
    let end = Instant::now() + HEAD_TIME;
    let mut head = Vec::new();
    let mut part = [0; 1024];
    loop {
        let rest = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let read = stream.set_read_timeout(Some(rest)).and_then(|()| stream.read(&mut part));
        match read {
            Ok(0) => return Ok(None),
            Ok(n) => head.extend_from_slice(&part[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Answer::error("408 Request Timeout", "no request in time\n")),
        }
        match Request::try_parse(&head) {
            Ok(Some((_, request))) => return Ok(Some(request)),
            Ok(None) if head.len() > MAX_HEAD => {
                let status = "431 Request Header Fields Too Large";
                return Err(Answer::error(status, "the head is too long\n"));
            }
            Ok(None) if Instant::now() >= end => {
                return Err(Answer::error("408 Request Timeout", "no request in time\n"));
            }
            Ok(None) => {}
            Err(Error::Protocol(ProtocolError::WrongHttpMethod)) => {
                return Err(Answer::error("405 Method Not Allowed", "use GET\n"));
            }
            Err(_) => return Err(Answer::error("400 Bad Request", "that is not HTTP/1.1\n")),
        }
    }
}

/// What the server has at this path; `None` if it is the room itself.
pub(crate) fn find(path: &str) -> Option<Answer> {
    let (kind, body) = match path {
        "/" => ("text/html", include_str!("page/index.html")),
        "/chat.js" => ("text/javascript", include_str!("page/chat.js")),
        "/chat.css" => ("text/css", include_str!("page/chat.css")),
        "/icon.svg" => ("image/svg+xml", include_str!("page/icon.svg")),
        "/ws" => return None,
        _ => return Some(Answer::error("404 Not Found", "the page is at /, the room at /ws\n")),
    };
    Some(Answer { status: "200 OK", kind, body })
}

/// Makes a WebSocket of the request, if it asks for one and is allowed to.
pub(crate) fn upgrade(
    request: &Request,
    stream: &mut TcpStream,
    address: SocketAddr,
    others: &[String],
) -> Result<(), Answer> {
    // A browser lets any page open a socket to any server, and names the origin of that page here.
    // A client that is not a browser has no page that could act without its user's knowledge.
    if let Some(origin) = request.headers().get("Origin")
        && !origin.to_str().is_ok_and(|origin| is_ours(origin, address, others))
    {
        return Err(Answer::error(
            "403 Forbidden",
            "pages of this origin may not chat here; the server's --origin allows it\n",
        ));
    }
    let response = create_response(request).map_err(|_| {
        Answer::error("426 Upgrade Required", "this is for WebSockets, version 13\n")
    })?;
    let sent = write_response(stream, &response);
    sent.map_err(|_| Answer::error("500 Internal Server Error", "")) // it is gone
}

/// Whether a page of this origin came from this server. A foreign name that resolves to this
/// address does not count.
fn is_ours(origin: &str, address: SocketAddr, others: &[String]) -> bool {
    let port = address.port();
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = if scheme == "http" { ":80" } else { "" };
    let authority = match authority.rsplit_once(':') {
        Some((_, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            authority.to_owned()
        }
        _ => format!("{authority}{default}"),
    };
    let hosts = [address.ip().to_string(), format!("[{}]", address.ip())];
    let usual = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
    let is_here = |host: &String| authority == format!("{host}:{port}");
    let is_named =
        others.iter().any(|other| other.trim_end_matches('/').eq_ignore_ascii_case(origin));
    is_named || scheme == "http" && hosts.iter().chain(&usual).any(is_here)
}

/// Sends the answer and hangs up.
pub(crate) fn answer(stream: &mut TcpStream, answer: &Answer) {
    let Answer { status, kind, body } = answer;
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n\
         Content-Security-Policy: {POLICY}\r\nX-Content-Type-Options: nosniff\r\n\
         Referrer-Policy: no-referrer\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.set_write_timeout(Some(HEAD_TIME));
    let _ = stream.write_all(text.as_bytes()); // the client may be gone
    hang_up(stream);
}

/// Ends the output, and waits a second for the other side to end its own. If this side closed a
/// socket with unread input, the system would throw away the last bytes that it sent.
pub(crate) fn hang_up(stream: &mut TcpStream) {
    let end = Instant::now() + Duration::from_secs(1);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
    let mut rest = [0; 1024];
    while Instant::now() < end && stream.read(&mut rest).is_ok_and(|n| n > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_from_here_and_named_ones_may_chat() {
        let address = "127.0.0.1:8080".parse().unwrap();
        let others = ["https://chat.example.org/".to_owned()];
        let is_ours = |origin| is_ours(origin, address, &others);
        for good in ["http://127.0.0.1:8080", "http://localhost:8080", "https://chat.example.org"] {
            assert!(is_ours(good), "{good}");
        }
        for bad in [
            "null",
            "http://localhost",
            "http://localhost:8081",
            "https://localhost:8080",
            "http://localhost.evil.example:8080",
            "http://evil.example:8080",
            "https://chat.example.org.evil.example",
        ] {
            assert!(!is_ours(bad), "{bad}");
        }
    }

    #[test]
    fn a_browser_leaves_out_the_usual_port() {
        assert!(is_ours("http://localhost", "127.0.0.1:80".parse().unwrap(), &[]));
    }
}
