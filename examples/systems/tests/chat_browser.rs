//! The chat's page in a real browser, as people meet it. `just look` runs it; it needs Chromium.
//! Pictures are left in the target directory (`tmp/look`).

mod common;
mod devtools;

use std::collections::HashSet;
use std::path::PathBuf;

use common::Server;
use devtools::{Browser, Page};

const CHAT: &str = env!("CARGO_BIN_EXE_chat");

fn chat(arguments: &[&str]) -> Server {
    Server::start(CHAT, arguments)
}

/// A user who opens the page, enters a name, and is in the room.
fn enter(browser: &Browser, server: &Server, name: &str) -> Page {
    let page = browser.open(&format!("http://{}/", server.address()));
    page.eval("document.getElementById('name').focus()");
    page.insert(name);
    page.press("Enter");
    is_live(&page);
    page
}

fn is_live(page: &Page) {
    page.wait("document.getElementById('state').dataset.state === 'live'");
}

fn say(page: &Page, text: &str) {
    page.eval("document.getElementById('text').focus()");
    page.insert(text);
    page.press("Enter");
    page.wait("document.getElementById('text').value === ''");
}

/// Chooses the recipient, as a click does.
fn choose(page: &Page, name: &str) {
    let button = format!(
        "[...document.querySelectorAll('#present button')].find((b) => b.textContent === '{name}')"
    );
    page.wait(&button);
    page.eval(&format!("{button}.click()"));
}

/// Waits until the page shows exactly these texts, saved, and in this order.
fn shows(page: &Page, texts: &[&str]) {
    let texts = serde_json::to_string(texts).expect("text");
    page.wait(&format!(
        "!document.querySelector('.pending, .failed') && JSON.stringify([...document.querySelectorAll\
         ('.message .text')].map((text) => text.textContent)) === {}",
        serde_json::to_string(&texts).expect("text")
    ));
}

fn has_no_errors(page: &Page) {
    assert_eq!(page.errors(), [""; 0]);
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn two_pages_talk_to_all_and_in_private_and_what_they_say_stays_text() {
    let (server, browser) = (chat(&[]), Browser::start());
    let (ann, bob) = (enter(&browser, &server, "Ann"), enter(&browser, &server, "bob"));
    let eve = enter(&browser, &server, "eve");
    ann.wait("document.getElementById('count').textContent === '3'");
    let hostile =
        "<img src=x onerror=\"window.hacked = 1\"><script>window.hacked = 1</script>&amp;";
    say(&ann, "hello, all");
    shows(&bob, &["hello, all"]); // so that the next one is second
    say(&bob, hostile);
    shows(&ann, &["hello, all", hostile]);
    choose(&ann, "bob");
    say(&ann, "psst");
    for page in [&ann, &bob] {
        shows(page, &["hello, all", hostile, "psst"]);
        assert_eq!(page.eval("document.querySelectorAll('.message.private').length"), 1);
        assert_eq!(
            page.eval("document.querySelectorAll('#messages img, #messages script').length"),
            0
        );
        assert_eq!(page.eval("typeof window.hacked"), "undefined");
    }
    assert_eq!(bob.eval("document.querySelector('.private .whom').textContent"), "only to you");
    assert_eq!(ann.eval("document.querySelector('.private .whom').textContent"), "only to bob");
    ann.press("Escape"); // to all again
    say(&ann, "bye");
    shows(&eve, &["hello, all", hostile, "bye"]);
    shows(&bob, &["hello, all", hostile, "psst", "bye"]);
    [&ann, &bob, &eve].into_iter().for_each(has_no_errors);
    drop(browser);
    server.finish();
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn history_comes_back_after_a_reload_and_pages_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = format!("sqlite:{}", folder.path().join("chat.db").display());
    let (server, browser) = (chat(&["--db", &db]), Browser::start());
    let address = server.address().to_string();
    let (ann, bob) = (enter(&browser, &server, "ann"), enter(&browser, &server, "bob"));
    say(&ann, "one");
    shows(&bob, &["one"]);
    say(&bob, "two");
    shows(&ann, &["one", "two"]);
    ann.reload(); // the name is in the address, its token in the browser's storage
    is_live(&ann);
    shows(&ann, &["one", "two"]);
    assert_eq!(ann.eval("document.querySelector('.message.own .text').textContent"), "one");

    server.finish();
    for page in [&ann, &bob] {
        page.wait("document.getElementById('state').dataset.state === 'away'");
    }
    say(&ann, "three"); // while it is away: it waits in the page
    ann.wait("document.querySelector('.pending .text').textContent === 'three'");
    let server = chat(&["--db", &db, "--listen", &address]);
    is_live(&ann);
    is_live(&bob);
    for page in [&ann, &bob] {
        shows(page, &["one", "two", "three"]);
    }
    server.kill9();
    drop(server);
    let server = chat(&["--db", &db, "--listen", &address]);
    is_live(&ann);
    say(&ann, "four");
    is_live(&bob);
    shows(&bob, &["one", "two", "three", "four"]);
    drop(browser);
    server.finish();
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn an_absent_user_is_written_to_by_name_and_reads_it_later() {
    let (server, browser) = (chat(&[]), Browser::start());
    let (ann, bob) = (enter(&browser, &server, "ann"), enter(&browser, &server, "bob"));
    say(&bob, "I have to go");
    shows(&ann, &["I have to go"]);
    bob.go("about:blank");
    ann.wait("document.getElementById('count').textContent === '1'");
    ann.eval("document.querySelector('button.who').click()");
    say(&ann, "a word for later");
    shows(&ann, &["I have to go", "a word for later"]);
    bob.go(&format!("http://{}/?nick=bob", server.address()));
    shows(&bob, &["I have to go", "a word for later"]);
    [&ann, &bob].into_iter().for_each(has_no_errors);
    drop(browser);
    server.finish();
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn ten_pages_hear_each_other_once() {
    let (server, browser) = (chat(&[]), Browser::start());
    let names: Vec<_> = (0..10).map(|number| format!("page{number}")).collect();
    let pages: Vec<_> = names.iter().map(|name| enter(&browser, &server, name)).collect();
    for (page, name) in pages.iter().zip(&names) {
        page.wait("document.getElementById('count').textContent === '10'");
        say(page, &format!("I am {name}"));
    }
    choose(&pages[3], "page7");
    pages[3].wait("!document.querySelector('.pending')");
    say(&pages[3], "only you");
    pages[7].wait("document.querySelector('.private .text')?.textContent === 'only you'");
    for (number, page) in pages.iter().enumerate() {
        let expected = 10 + usize::from(number == 3 || number == 7);
        page.wait(&format!(
            "document.querySelectorAll('.message:not(.pending)').length === {expected}"
        ));
        let texts = page.eval("[...document.querySelectorAll('.text')].map((t) => t.textContent)");
        for name in &names {
            let count = texts.as_array().unwrap().iter().filter(|t| **t == *format!("I am {name}"));
            assert_eq!(count.count(), 1, "{name} on page {number}: {texts}");
        }
        has_no_errors(page);
    }
    drop(browser);
    server.finish();
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn a_name_has_letters_of_any_script() {
    let (server, browser) = (chat(&[]), Browser::start());
    let page = enter(&browser, &server, "小A");
    page.wait("document.getElementById('state').textContent === 'connected as 小a'");
    page.reload(); // the name in the address has the same token
    is_live(&page);
    drop(browser);
    server.finish();
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn the_name_of_another_user_and_a_refused_message_are_shown() {
    let (server, browser) = (chat(&["--rate", "1"]), Browser::start());
    let ann = enter(&browser, &server, "ann");
    let other = browser.open(&format!("http://{}/?nick=ann", server.address()));
    other.wait("document.getElementById('door-error').textContent.includes('another user')");
    ann.eval(
        "for (let n = 0; n < 20; n++) { document.getElementById('text').value = `no. ${n}`; \
         document.getElementById('say').requestSubmit(); }",
    );
    ann.wait("document.querySelector('.failed .fate')?.textContent.includes('too fast')");
    ann.wait("document.querySelectorAll('.message[data-id], .failed').length === 20");
    drop(browser);
    server.finish();
}

/// Two people, as the guide's pictures show them.
fn conversation(ann: &Page, bob: &Page) {
    for (page, text) in [
        (ann, "Good morning! Did the move to the new server work out?"),
        (bob, "It did. Two hundred people in here yesterday, and four connections were plenty."),
        (ann, "Four? I would have given each of them one."),
        (bob, "They talk for a moment and read for minutes. Nobody needs a connection to read :)"),
        (ann, "And when the database was restarted?"),
        (
            bob,
            "\"Not saved, send again\" on those that were under way. None was lost, none came twice.",
        ),
    ] {
        say(page, text);
        for page in [ann, bob] {
            let text = serde_json::to_string(text).expect("text");
            page.wait(&format!(
                "[...document.querySelectorAll('.message[data-id] .text')].at(-1)?.textContent === {text}"
            ));
        }
    }
    choose(bob, "ann");
    say(bob, "Between us: I had not tried that before.");
    ann.wait("document.querySelector('.private')");
    choose(ann, "bob");
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn the_page_fits_a_phone_and_a_desk_in_light_and_dark() {
    let (server, browser) = (chat(&[]), Browser::start());
    let (ann, bob) = (enter(&browser, &server, "ann"), enter(&browser, &server, "bob"));
    let _more = [enter(&browser, &server, "carla"), enter(&browser, &server, "dev-team")];
    conversation(&ann, &bob);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("look");
    std::fs::create_dir_all(&directory).expect("a folder");
    for (width, height) in [(1440, 800), (390, 780)] {
        for scheme in ["light", "dark"] {
            ann.show(width, height, scheme);
            ann.eval(
                "document.getElementById('messages').scrollTo({ top: 1e9, behavior: 'instant' })",
            );
            let fits = "document.documentElement.scrollWidth <= innerWidth && \
                        document.documentElement.scrollHeight <= innerHeight";
            assert_eq!(ann.eval(fits), true, "at {width} px");
            let picture = directory.join(format!("chat-{width}-{scheme}.png"));
            ann.picture(&picture);
            println!("{}", picture.display());
        }
    }
    let door = browser.open(&format!("http://{}/", server.address()));
    door.show(390, 780, "light");
    door.picture(&directory.join("chat-door.png"));
    has_no_errors(&ann);
    has_no_errors(&door);
    drop(browser);
    server.finish();
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn the_keyboard_reaches_everything() {
    let (server, browser) = (chat(&[]), Browser::start());
    let ann = enter(&browser, &server, "ann");
    let _bob = enter(&browser, &server, "bob");
    ann.wait("document.querySelectorAll('#present button').length === 2");
    let mut reached = HashSet::new();
    for _ in 0..8 {
        ann.press("Tab");
        let what = ann.eval("document.activeElement.id || document.activeElement.textContent");
        reached.insert(what.as_str().expect("text").to_owned());
    }
    for what in ["bob", "messages", "text", "send"] {
        assert!(reached.contains(what), "{what}: {reached:?}");
    }
    drop(browser);
    server.finish();
}
