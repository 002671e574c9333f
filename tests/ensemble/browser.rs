//! A headless Chromium driven through its debugging pipe: the rendered text and screenshots of a page.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// Timeout for a browser command, including a slow start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser with one tab, closed on drop.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    sent: u64,
    session: String,
    _profile: tempfile::TempDir,
}

/// A rendered page.
#[derive(Debug)]
pub struct Sight {
    /// The text of the body as laid out.
    pub text: String,
    /// The title of the tab.
    pub title: String,
    /// The targets of all links.
    pub links: Vec<String>,
    /// Names of elements that can run or load something.
    pub active: Vec<String>,
    /// Number of pixels by which the page is wider than the screen.
    pub overflow: i64,
}

/// Screen sizes of a desktop and a phone.
pub const DESK: (u32, u32) = (1280, 800);
pub const PHONE: (u32, u32) = (375, 740);

impl Browser {
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser reads commands from descriptor 3 and writes replies to descriptor 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 >/dev/null </dev/null", "sh"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-extensions"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        let commands = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                let read = serde_json::from_slice(message.strip_suffix(&[0]).unwrap_or(&message)).unwrap_or_default();
                if sender.send(read).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self { child, commands, messages, sent: 0, session: String::new(), _profile: profile };
        let tab = browser.ask("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.ask("Target.attachToTarget", &json!({"targetId": tab["targetId"], "flatten": true}));
        attached["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        browser.ask("Page.enable", &json!({}));
        browser
    }

    /// Opens an address on a screen of this size and returns the rendered page.
    pub fn open(&mut self, address: &str, screen: (u32, u32)) -> Sight {
        let (width, height) = screen;
        let phone = screen == PHONE;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.ask("Emulation.setDeviceMetricsOverride", &metrics);
        let opened = self.ask("Page.navigate", &json!({"url": address}));
        assert_eq!(opened["errorText"], Value::Null, "{address}");
        self.wait("the page", |message| message["method"] == "Page.loadEventFired");
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        let list =
            |value: Value| value.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect();
        Sight {
            text: text(self.evaluate("document.body.innerText")),
            title: text(self.evaluate("document.title")),
            links: list(self.evaluate("[...document.links].map(link => link.href)")),
            active: list(self.evaluate(
                "[...document.querySelectorAll('script,img,iframe,object,embed,form,style,[style],[onerror],[onload]')]\
                 .map(element => element.localName)",
            )),
            overflow: self.evaluate("document.documentElement.scrollWidth").as_i64().unwrap() - i64::from(width),
        }
    }

    /// A screenshot of the whole open page, as PNG.
    pub fn picture(&mut self, dark: bool) -> Vec<u8> {
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.ask("Emulation.setEmulatedMedia", &media);
        let picture = self.ask("Page.captureScreenshot", &json!({"captureBeyondViewport": true}));
        BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.ask("Runtime.evaluate", &json!({"expression": expression, "returnByValue": true}));
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.sent += 1;
        let id = self.sent;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).expect("the browser lives");
        let answer = self.wait(method, |message| message["id"] == id);
        assert_eq!(answer["error"], Value::Null, "{method}");
        answer["result"].clone()
    }

    fn wait(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).unwrap_or_else(|why| panic!("no answer to {what}: {why}"));
            if fits(&message) {
                return message;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
