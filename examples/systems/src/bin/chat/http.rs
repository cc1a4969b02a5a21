//! Which requests are allowed, and the page.

use std::net::SocketAddr;

use threadwise_systems::http::header::{HeaderValue, ORIGIN};
use threadwise_systems::http::{Answer, Method, Request, StatusCode};
use tungstenite::handshake::server::create_response_with_body;
use url::Url;

/// The page may load scripts, styles and sockets of this server only, and its text may contain none
/// of them: even if the page showed a message as HTML by mistake, the browser would run nothing in
/// it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The answer to a request: a file of the page, an error, or the switch to a WebSocket.
pub(crate) fn answer<B>(request: &Request<B>, address: SocketAddr, others: &[String]) -> Answer {
    if request.method() != Method::GET {
        return error(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
    }
    let (kind, body) = match request.uri().path() {
        "/" => ("text/html", include_str!("page/index.html")),
        "/chat.js" => ("text/javascript", include_str!("page/chat.js")),
        "/chat.css" => ("text/css", include_str!("page/chat.css")),
        "/icon.svg" => ("image/svg+xml", include_str!("page/icon.svg")),
        "/ws" => return upgrade(request, address, others),
        _ => return error(StatusCode::NOT_FOUND, "the page is at /, the room at /ws\n"),
    };
    last(StatusCode::OK, kind, body)
}

/// Makes a WebSocket of the request, if it asks for one and is allowed to.
fn upgrade<B>(request: &Request<B>, address: SocketAddr, others: &[String]) -> Answer {
    // A browser lets any page open a socket to any server, and names the origin of that page here.
    // A client that is not a browser has no page that could act without its user's knowledge.
    if let Some(origin) = request.headers().get(ORIGIN)
        && !origin.to_str().is_ok_and(|origin| is_ours(origin, address, others))
    {
        let why = "pages of this origin may not chat here; the server's --origin allows it\n";
        return error(StatusCode::FORBIDDEN, why);
    }
    create_response_with_body(request, String::new).unwrap_or_else(|_| {
        error(StatusCode::UPGRADE_REQUIRED, "this is for WebSockets, version 13\n")
    })
}

/// Whether a page of this origin came from this server. A foreign name that resolves to this
/// address does not count.
fn is_ours(origin: &str, address: SocketAddr, others: &[String]) -> bool {
    let is_named = |other: &String| other.trim_end_matches('/').eq_ignore_ascii_case(origin);
    if others.iter().any(is_named) {
        return true;
    }
    let Ok(url) = Url::parse(origin) else { return false };
    let host = url.host_str().unwrap_or_default();
    let hosts = [&*address.ip().to_string(), "localhost", "127.0.0.1", "::1"];
    let is_here = hosts.contains(&host.trim_matches(['[', ']']));
    url.scheme() == "http" && is_here && url.port_or_known_default() == Some(address.port())
}

fn error(status: StatusCode, why: &str) -> Answer {
    last(status, "text/plain", why)
}

/// The last answer on its connection.
fn last(status: StatusCode, kind: &str, body: &str) -> Answer {
    let mut answer = Answer::new(body.to_owned());
    *answer.status_mut() = status;
    let kind = format!("{kind}; charset=utf-8");
    for (name, value) in [
        ("content-type", &*kind),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
        ("connection", "close"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_str(value).expect("a valid value"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_leaves_out_the_usual_port() {
        assert!(is_ours("http://localhost", "127.0.0.1:80".parse().unwrap(), &[]));
    }
}
