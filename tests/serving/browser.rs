//! A browser without a window, driven by its protocol for developers over two pipes.
//!
//! `SPINNEY_BROWSER` names the program, a Chromium: `ci/browser` finds one, and calls the tests
//! that need it.

use crate::running::until;
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

pub(crate) struct Browser {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    profile: PathBuf,
    session: Option<String>,
    sent: u64,
    /// The addresses of all that it loaded.
    pub(crate) loaded: Vec<String>,
    /// What scripts have thrown.
    pub(crate) thrown: Vec<String>,
}

impl Browser {
    /// Starts one with an empty page.
    pub(crate) fn start() -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let program = env::var_os("SPINNEY_BROWSER").expect("ci/browser says which one");
        let name = format!(
            "browser-{}-{}",
            std::process::id(),
            STARTED.fetch_add(1, SeqCst)
        );
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        // The pipes of the protocol are its third and fourth descriptor. It sees this page alone,
        // so it does without the sandbox, which a container has not.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--remote-debugging-pipe", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Self {
            input: process.stdin.take().unwrap(),
            output: BufReader::new(process.stdout.take().unwrap()),
            process,
            profile,
            session: None,
            sent: 0,
            loaded: Vec::new(),
            thrown: Vec::new(),
        };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let to = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", to);
        browser.session = session["sessionId"].as_str().map(String::from);
        browser.call("Network.enable", json!({}));
        browser.call("Runtime.enable", json!({}));
        browser
    }

    /// Calls a method of the protocol.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.input
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        loop {
            let mut bytes = Vec::new();
            self.output.read_until(0, &mut bytes).unwrap();
            assert_eq!(bytes.pop(), Some(0), "the browser has gone");
            let message: Value = serde_json::from_slice(&bytes).unwrap();
            let said = &message["params"];
            match message["method"].as_str() {
                Some("Network.requestWillBeSent") => {
                    self.loaded.push(text(&said["request"]["url"]));
                }
                Some("Runtime.exceptionThrown") => self.thrown.push(said.to_string()),
                _ => {}
            }
            if message["id"] == self.sent {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    pub(crate) fn open(&mut self, url: &str) {
        let gone = self.call("Page.navigate", json!({ "url": url }));
        assert!(gone["errorText"].is_null(), "{gone}");
    }

    /// The value of an expression on the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{result}");
        result["result"]["value"].clone()
    }

    pub(crate) fn text(&mut self, expression: &str) -> String {
        text(&self.value(expression))
    }

    pub(crate) fn number(&mut self, expression: &str) -> u64 {
        let value = self.value(expression);
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{expression}: {value}"))
    }

    /// Types into what has the focus.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its helpers end after it, and write there until then.
        until(|| !self.profile.exists() || fs::remove_dir_all(&self.profile).is_ok());
    }
}
