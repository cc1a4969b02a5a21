//! Chromium, driven over its DevTools protocol: JSON over a WebSocket, which is all that is needed
//! to open pages, type, look and take pictures.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// A browser with its own profile. Dropping this value removes both.
pub(crate) struct Browser {
    line: Rc<RefCell<Line>>,
    child: Child,
    _profile: tempfile::TempDir,
}

/// A page that shares neither storage nor cookies with the others.
pub(crate) struct Page {
    line: Rc<RefCell<Line>>,
    session: String,
}

struct Line {
    socket: WebSocket<TcpStream>,
    asked: u64,
    events: Vec<Value>,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let named = std::env::var("CHROMIUM").into_iter();
        let usual = ["chromium", "chromium-browser", "google-chrome"].map(String::from);
        let answers = |program: &String| Command::new(program).arg("--version").output().is_ok();
        let program = named.chain(usual).find(answers);
        let program = program.expect("Chromium is needed: `just setup browser`, or set CHROMIUM");
        let profile = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(program)
            // Chromium runs without its sandbox, which root and most containers cannot have. The
            // page is the project's own.
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-extensions", "--disable-quic"])
            .args(["--disable-dev-shm-usage", "--disable-background-timer-throttling"])
            .args(["--disable-renderer-backgrounding", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it answered before");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let url = loop {
            let mut line = String::new();
            let read = log.read_line(&mut line).expect("text");
            assert!(read > 0, "Chromium ended");
            if let Some((_, url)) = line.split_once("DevTools listening on ") {
                break url.trim().to_owned();
            }
        };
        std::thread::spawn(move || log.read_to_end(&mut Vec::new())); // so that it is never full
        let authority = url.trim_start_matches("ws://").split('/').next().expect("an address");
        let stream = TcpStream::connect(authority).expect("the browser");
        stream.set_read_timeout(Some(Duration::from_secs(240))).expect("a socket");
        let (socket, _) = tungstenite::client(&url, stream).expect("a WebSocket");
        let line = Rc::new(RefCell::new(Line { socket, asked: 0, events: Vec::new() }));
        Self { line, child, _profile: profile }
    }

    /// Opens a page as another person would, on another machine.
    pub(crate) fn open(&self, url: &str) -> Page {
        let ask = |method, parameters| self.line.borrow_mut().ask(None, method, parameters);
        let context = ask("Target.createBrowserContext", json!({}))["browserContextId"].take();
        let blank = json!({ "url": "about:blank", "browserContextId": context });
        let target = ask("Target.createTarget", blank)["targetId"].take();
        let attach = json!({ "targetId": target, "flatten": true });
        let session = ask("Target.attachToTarget", attach)["sessionId"].take();
        let session = session.as_str().expect("a session").to_owned();
        let page = Page { line: Rc::clone(&self.line), session };
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            page.ask(domain, json!({}));
        }
        page.go(url);
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // If the browser is asked to end, it ends its own processes. If it is killed, it may leave
        // some.
        let _ = self
            .line
            .borrow_mut()
            .socket
            .send(Message::text(json!({ "id": 0, "method": "Browser.close" }).to_string()));
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50)); // `std` has no other wait with an end
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Page {
    /// The value of an expression.
    pub(crate) fn eval(&self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.ask("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true, for two minutes.
    pub(crate) fn wait(&self, expression: &str) {
        let wait = format!(
            "new Promise((done) => {{ const end = Date.now() + 120000; const look = () => {{ \
             if ({expression}) done(true); else if (Date.now() > end) done(false); \
             else setTimeout(look, 10); }}; look(); }})"
        );
        if self.eval(&wait) != true {
            let text = self.eval("document.body.innerText");
            panic!("{expression} did not come true; the page: {text}");
        }
    }

    /// Types into whatever has the focus.
    pub(crate) fn insert(&self, text: &str) {
        self.ask("Input.insertText", json!({ "text": text }));
    }

    /// Presses a key: `Enter`, `Escape`, `Tab`.
    pub(crate) fn press(&self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            _ => 9,
        };
        let mut event = json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code });
        if key == "Enter" {
            event["text"] = "\r".into();
        }
        self.ask("Input.dispatchKeyEvent", event);
        let up = json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code });
        self.ask("Input.dispatchKeyEvent", up);
    }

    /// Opens another address, or the same one again.
    pub(crate) fn go(&self, url: &str) {
        self.eval("window.isOld = true");
        self.ask("Page.navigate", json!({ "url": url }));
        self.wait("!window.isOld && document.readyState === 'complete'");
    }

    pub(crate) fn reload(&self) {
        self.eval("window.isOld = true");
        self.ask("Page.reload", json!({}));
        self.wait("!window.isOld && document.readyState === 'complete'");
    }

    /// Sets the size of the window, and light or dark.
    pub(crate) fn show(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500
        });
        self.ask("Emulation.setDeviceMetricsOverride", size);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.ask("Emulation.setEmulatedMedia", features);
    }

    pub(crate) fn picture(&self, to: &Path) {
        let answer = self.ask("Page.captureScreenshot", json!({ "format": "png" }));
        let data = answer["data"].as_str().expect("a picture");
        std::fs::write(to, BASE64.decode(data.as_bytes()).expect("base64")).expect("a file");
    }

    /// The page's errors so far: its own, and those that the browser logs about it (for example a
    /// violation of its Content-Security-Policy).
    pub(crate) fn errors(&self) -> Vec<String> {
        self.eval("0"); // what happened before was reported before
        let line = self.line.borrow();
        let mine = line.events.iter().filter(|event| event["sessionId"] == *self.session);
        let errors = mine.filter(|event| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            _ => false,
        });
        errors.map(|event| event["params"].to_string()).collect()
    }

    fn ask(&self, method: &str, parameters: Value) -> Value {
        self.line.borrow_mut().ask(Some(&self.session), method, parameters)
    }
}

impl Line {
    fn ask(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(session) = session {
            question["sessionId"] = session.into();
        }
        self.socket.send(Message::text(question.to_string())).expect("the browser");
        loop {
            let message = self.socket.read().unwrap_or_else(|error| panic!("{method}: {error}"));
            let Message::Text(text) = message else { continue };
            let mut answer: Value = serde_json::from_str(&text).expect("JSON");
            if answer["id"] == self.asked {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }
}
