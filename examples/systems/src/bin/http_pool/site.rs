//! The server of the walk: a page for each thing that an answer can do to its connection.

use threadwise_systems::http::server::{Asked, Reply, Then};

pub(crate) fn answer(asked: &Asked) -> Reply {
    let who = format!("connection {}, request {}", asked.connection, asked.nth);
    match asked.request.uri().path() {
        "/" => Reply::new(200, who),
        "/chunked" => Reply::new(200, who).chunked(),
        "/small" => Reply::new(200, vec![b'x'; 10_000]),
        "/large" => Reply::new(200, vec![b'x'; 1_000_000]),
        "/last" => Reply::new(200, who).header("connection", "close"),
        // The answer did not announce this.
        "/quit" => Reply::new(200, who).then(Then::Close),
        // The client's request may arrive just as the server closes the idle connection.
        "/race" if asked.nth > 1 => Reply::raw("").then(Then::Close),
        "/race" => Reply::new(200, who),
        _ => Reply::new(404, "no such page"),
    }
}
