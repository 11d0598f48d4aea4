//! The program in a terminal of its own, beside a real server.

use hyper::body::Bytes;
use hyper::{Request, Response};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use spinney::net::{TcpListener, UnixListener};
use spinney::serve::{Accept, RequestBody, Routes, Server, ServerHandle, service_fn};
use spinney::{Runtime, group};
use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs::File;
use std::future::pending;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spinney-top");

/// A server with a task beside it.
struct Beside {
    handle: ServerHandle,
    thread: JoinHandle<()>,
}

impl Beside {
    fn start<A: Accept + Send + 'static>(runtime: Runtime, listener: A) -> Self {
        let server = Server::new();
        let handle = server.handle();
        let routes = Routes::new(server.handle()).tasks("/debug/tasks");
        let thread = thread::spawn(move || {
            runtime.block_on(group(async |g| {
                let ledger = g.spawn_named("writes the ledger", pending::<Result<(), _>>());
                let service = routes.around(service_fn(async |_: Request<RequestBody>| {
                    Ok::<_, Infallible>(Response::new(http_body_util::Full::<Bytes>::default()))
                }));
                server.serve(listener, service).await;
                ledger.cancel().await;
            }));
        });
        Self { handle, thread }
    }

    fn end(self) {
        self.handle.stop();
        self.thread.join().unwrap();
    }
}

/// The program, and what its terminal shows.
struct Top {
    child: Child,
    terminal: File,
    screen: vt100::Parser,
}

impl Top {
    fn start(server: &OsStr) -> Self {
        let (lines, columns) = (24, 120);
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let name = OsStr::from_bytes(name.as_bytes());
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let size = Winsize {
            ws_row: lines,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&slave, size).unwrap();
        let child = Command::new(PROGRAM)
            .arg(server)
            .args(["--every", "0.05"])
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        Self {
            child,
            terminal: File::from(master),
            screen: vt100::Parser::new(lines, columns, 0),
        }
    }

    fn press(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads what it draws until the screen shows all of this.
    fn until(&mut self, texts: &[&str]) {
        let mut bytes = [0; 4096];
        loop {
            let shown = self.screen.screen().contents();
            if texts.iter().all(|text| shown.contains(text)) {
                return;
            }
            let count = self.terminal.read(&mut bytes);
            let count = count.unwrap_or_else(|error| panic!("{error}, and it shows\n{shown}"));
            self.screen.process(&bytes[..count]);
        }
    }

    /// Reads to the end; the screen of the program is gone then.
    fn end(mut self) {
        let mut bytes = [0; 4096];
        // The end of a terminal is an error.
        while let Ok(count @ 1..) = self.terminal.read(&mut bytes) {
            self.screen.process(&bytes[..count]);
        }
        assert!(self.child.wait().unwrap().success());
        assert!(!self.screen.screen().alternate_screen());
    }
}

#[test]
fn it_shows_filters_sorts_folds_freezes_and_survives_the_end_of_the_server() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Beside::start(runtime, listener);
    let mut top = Top::start(OsStr::new(&address));
    top.until(&[
        "Ready", "worker 0", "worker 1", "others", "jobs/s", "p99.9", "polled",
    ]);
    top.until(&["- group server at ", "writes the ledger", "by tree"]);
    top.press("/ledger\r");
    top.until(&["1 by tree with \"ledger\""]);
    top.press("s");
    top.until(&["1 by age with \"ledger\""]);
    top.press("ss");
    top.until(&["1 by tree with \"ledger\""]);
    top.press("\x1b[B"); // an arrow; Esc alone could begin one
    top.press("/\x7f\x7f\x7f\x7f\x7f\x7fgroup\r\r"); // the first group is folded
    top.until(&["+ group at "]);
    top.press("f");
    top.until(&["FROZEN"]);
    server.end();
    top.until(&["Connection refused", "FROZEN", "Ready"]);
    top.press("q");
    top.end();
}

#[test]
fn it_reads_a_unix_socket() {
    let folder = std::env::temp_dir().join(format!("spinney-top-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("debug");
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let listener = runtime
        .block_on(async { UnixListener::bind(&path) })
        .unwrap();
    let server = Beside::start(runtime, listener);
    let mut top = Top::start(path.as_os_str());
    top.until(&["Ready", "writes the ledger"]);
    top.press("q");
    top.end();
    server.end();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn without_a_terminal_it_says_so() {
    let mut command = Command::new(PROGRAM);
    command.arg("127.0.0.1:1").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("spinney-top: "), "{text}");
}

#[test]
fn it_does_not_ask_without_a_pause() {
    let output = Command::new(PROGRAM).args(["x:1", "--every", "0"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("at least 0.05"), "{text}");
}
