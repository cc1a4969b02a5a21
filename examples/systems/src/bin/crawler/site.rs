//! The site that is crawled: some shelves of pages with images, and the traps of real sites.

use threadwise_systems::http::server::{Asked, Reply, Then};

const BOOKS: usize = 12;

/// A PNG of one transparent pixel.
const PIXEL: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\rIDATx\xdac\xfc\xff\xff\xff\x7f\0\t\xfb\x03\xfd\x05CE\xca\0\0\0\0IEND\xaeB`\x82";

/// A site with this number of shelves. Each shelf has a dozen books.
pub(crate) fn with(shelves: usize) -> impl Fn(&Asked) -> Reply {
    move |asked| answer(shelves, asked)
}

fn answer(number: usize, asked: &Asked) -> Reply {
    let path = asked.request.uri().path();
    let query = asked.request.uri().query().unwrap_or_default();
    match path.split('/').skip(1).collect::<Vec<_>>()[..] {
        [""] => page("a library", &format!("{}<a href=traps>traps</a>", shelves(number))),
        ["shelf", shelf] => page("a shelf", &books(shelf)),
        ["shelf", shelf, book] => page("a book", &leaves(shelf, book)),
        ["img", _] => Reply::new(200, PIXEL).header("content-type", "image/png"),
        ["traps"] => page("traps", TRAPS),
        _ => trap(path, query, asked.nth),
    }
}

fn shelves(number: usize) -> String {
    (1..=number).map(|shelf| format!("<p><a href='/shelf/{shelf}'>shelf {shelf}</a>")).collect()
}

fn books(shelf: &str) -> String {
    (1..=BOOKS).map(|book| format!("<p><a href='{shelf}/{book}'>book {book}</a>")).collect()
}

/// A page that links to itself, to its shelf and to the next book. It has two images; all pages
/// share one of them.
fn leaves(shelf: &str, book: &str) -> String {
    let next = book.parse::<usize>().map_or(1, |book| book % BOOKS + 1);
    format!(
        "<img src=/img/logo.png><img src='../../img/{shelf}-{book}.png'><a href='{book}'>this</a>\
         <a href='../{shelf}'>back</a><a href='./{next}#top'>next</a>{}",
        "<p>Once upon a time.".repeat(100)
    )
}

const TRAPS: &str = "
    <a href=/missing>not there</a>
    <a href=/moved>moved</a> <a href=/circle>a redirect to itself</a>
    <a href=/away>a redirect to another site</a>
    <a href=http://example.org/>another site</a> <a href=https://example.org/>another</a>
    <a href=mailto:somebody@example.org>mail</a> <a href='javascript:alert(1)'>script</a>
    <a href=/in/pieces>in pieces</a> <a href=/last>the last answer of its connection</a>
    <a href=/quit>a connection that closes after it</a> <a href=/race>and one before it</a>
    <a href=/old>HTTP/1.0</a> <a href=/large>too large</a> <a href=/large/in/pieces>too</a>
    <a href=/cut>cut short</a> <a href=/garbage>not HTTP</a>
    <a href=/page?x=1#one>a part</a> <a href=/page?x=1#two>the same page</a> <a href=/page?x=2>no</a>
    <a href=/broken>broken HTML</a> <a href=/text>HTML that says it is text</a>
    <a href=/bytes>not UTF-8</a> <a href=/nothing>no content</a>
    <a href=/calendar?month=1>a calendar without end</a>";

fn trap(path: &str, query: &str, nth: usize) -> Reply {
    match path {
        "/moved" => Reply::new(301, "").header("location", "/moved/here"),
        "/circle" => Reply::new(302, "").header("location", "circle"),
        "/away" => Reply::new(302, "").header("location", "//example.org/"),
        "/in/pieces" => page("in pieces", "<a href=pieces/next>next</a>").chunked(),
        "/last" => page("the last", "").header("connection", "close"),
        "/quit" => page("closing", "").then(Then::Close),
        // The request of the client may arrive just as the server closes the idle connection.
        "/race" if nth > 1 => Reply::raw("").then(Then::Close),
        "/old" => page("old", "").http_1_0(),
        "/large" => page("large", &"large ".repeat(500_000)),
        "/large/in/pieces" => page("large", &"large ".repeat(500_000)).chunked(),
        "/cut" => {
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nno more").then(Then::Close)
        }
        "/garbage" => Reply::raw("220 mail.example.org ESMTP\r\n").then(Then::Close),
        "/broken" => {
            Reply::new(200, "<p <a href=/never><A HREF='/found\n'>x<!-- <a href=/never>").html()
        }
        "/text" => Reply::new(200, "<a href=/never>").header("content-type", "text/plain"),
        "/bytes" => Reply::new(200, b"\xff\xfe<a href=/after/bytes>\xff".as_slice()).html(),
        "/nothing" => Reply::new(204, ""),
        "/calendar" => {
            let month = query.strip_prefix("month=").and_then(|month| month.parse::<u32>().ok());
            let next = month.unwrap_or(0).saturating_add(1);
            page("a month", &format!("<a href='?month={next}'>next</a>"))
        }
        "/moved/here" | "/race" | "/page" | "/in/pieces/next" | "/found" | "/after/bytes" => {
            page(path, "")
        }
        _ => Reply::new(404, "<p>no such page <a href=/never>").html(),
    }
}

fn page(title: &str, body: &str) -> Reply {
    Reply::new(200, format!("<!doctype html><title>{title}</title>{body}")).html()
}
