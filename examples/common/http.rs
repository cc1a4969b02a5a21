//! The HTTP of an endpoint that has one page.

use std::io::{self, Write};
use std::{error::Error, net::TcpStream, thread};

use tiny_http::{Header, Request, Response, Server};

// ANCHOR: serve
/// Answers requests for `/metrics` until `meanwhile` returns, which gets the server's address.
/// Use it on this machine only: it limits neither the number of clients nor their time.
pub(crate) fn serve<T>(
    metrics: impl Fn() -> String + Sync,
    meanwhile: impl FnOnce(&str) -> T,
) -> Result<T, Box<dyn Error + Send + Sync>> {
    let server = Server::http("127.0.0.1:0")?; // on any port that is free
    let address = server.server_addr().to_string();
    Ok(thread::scope(|threads| {
        threads.spawn(|| server.incoming_requests().for_each(|request| answer(request, &metrics)));
        let _stop = AtEnd(|| server.unblock()); // ends the thread, also if `meanwhile` panics
        meanwhile(&address)
    }))
}

fn answer(request: Request, metrics: impl Fn() -> String) {
    let format = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    let format: Header = format.parse().expect("a header");
    // The client may be gone, which does not matter.
    let _ = match request.url() {
        "/metrics" => request.respond(Response::from_string(metrics()).with_header(format)),
        _ => request.respond(Response::empty(404)),
    };
}
// ANCHOR_END: serve

/// Asks as Prometheus does. Returns the whole answer.
pub(crate) fn scrape(address: &str) -> io::Result<String> {
    let mut server = TcpStream::connect(address)?;
    server.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    io::read_to_string(server)
}

struct AtEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
