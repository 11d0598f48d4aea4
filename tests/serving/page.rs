//! The page of the tasks in a browser. `ci/browser` calls these tests.

use crate::browser::Browser;
use crate::running::{Running, echo, patient, start, until};
use spinney::serve::{Routes, service_fn};
use spinney::{Group, GroupBuilder, Never, yield_now};
use std::thread::{self, JoinHandle};

struct Shown {
    server: Running,
    browser: Browser,
}

/// Opens the page of a server.
fn shown() -> Shown {
    let server = patient();
    let routes = Routes::new(server.handle()).tasks("/debug/tasks");
    let server = start(server, routes.around(service_fn(echo)));
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/debug/tasks", server.address));
    Shown { server, browser }
}

impl Shown {
    /// Lets time go on, and with it the events, until the page is as wanted.
    fn until(&mut self, wanted: impl Fn(&mut Browser) -> bool) {
        while !wanted(&mut self.browser) {
            self.server.advance(1);
            thread::yield_now();
        }
    }

    /// Lets the page be drawn so many times more.
    fn draws(&mut self, times: u64) {
        let drawn = "Number(document.getElementById('tree').dataset.drawn)";
        let enough = self.browser.number(drawn) + times;
        self.until(|browser| browser.number(drawn) >= enough);
    }

    /// A group of this name beside the server, with children of these names, until it is to end.
    fn group(&self, name: &'static str, children: Vec<&'static str>) -> Beside {
        let (end, ended) = async_channel::bounded::<()>(1);
        let runtime = self.server.runtime.clone();
        let count = children.len();
        let thread = thread::spawn(move || {
            let group = GroupBuilder::new().name(name);
            let group = group.run(async |g: Group<'_, '_, Never>| {
                for child in children {
                    let ended = ended.clone();
                    g.spawn_named(child, async move {
                        _ = ended.recv().await;
                        Ok(())
                    });
                }
                Ok(())
            });
            runtime.block_on(group).unwrap();
        });
        // All of them wait, and are in the list of their group.
        until(|| {
            let dump = self.server.runtime.dump();
            let mut groups = dump.groups().iter();
            groups.any(|group| group.name.as_deref() == Some(name) && group.tasks.len() == count)
        });
        Beside { end, thread }
    }

    fn end(self) {
        assert!(self.browser.thrown.is_empty(), "{:?}", self.browser.thrown);
        let own = format!("http://{}/debug/tasks", self.server.address);
        for address in &self.browser.loaded {
            let is_icon = address.ends_with("/favicon.ico"); // asked for by the browser
            assert!(is_icon || address.starts_with(&own), "{address}");
        }
        drop(self.browser);
        self.server.stop();
    }
}

struct Beside {
    end: async_channel::Sender<()>,
    thread: JoinHandle<()>,
}

impl Beside {
    fn end(self) {
        drop(self.end);
        self.thread.join().unwrap();
    }
}

/// The texts of what is on the page.
const TASKS: &str =
    "[...document.querySelectorAll('#tree li')].map(e => e.textContent).join('\\n')";
const GROUPS: &str =
    "[...document.querySelectorAll('#tree summary')].map(e => e.textContent).join('\\n')";

#[test]
#[ignore = "needs a browser: ci/browser"]
fn the_page_shows_the_tree_and_the_times() {
    let mut shown = shown();
    // As many jobs as it takes until some were measured.
    shown.server.runtime.block_on(spinney::group(async |g| {
        g.spawn(async {
            for _ in 0..10_000 {
                yield_now().await;
            }
        });
    }));
    shown.until(|browser| {
        let groups = browser.text(GROUPS);
        groups.contains("group server at ") && groups.contains("group conn at ")
    });
    let list = "document.getElementById('list').checkVisibility()";
    assert_eq!(shown.browser.value(list), false, "the tree replaces it");
    shown.until(|browser| {
        let bars = "[...document.querySelectorAll('#times svg')].map(e => e.querySelectorAll('rect').length)";
        let bars = browser.value(bars);
        bars[0].as_u64() > Some(0) && bars[1].as_u64() > Some(0)
    });
    let browser = &mut shown.browser;
    let times = browser.text("document.getElementById('times').textContent");
    assert!(
        times.contains("tasks wait in queues for: 50 % within "),
        "{times}"
    );
    assert!(times.contains("polls take: 50 % within "), "{times}");
    // Every bar is within its plot.
    let outside = "[...document.querySelectorAll('#times rect')].filter(e => {
        const { x, y, width, height } = e.getBBox();
        return !(x >= 0 && y >= 0 && x + width <= 400 && y + height <= 85.01 && height > 0);
    }).length";
    assert_eq!(browser.number(outside), 0);
    let server = browser.text("document.getElementById('server').textContent");
    assert!(server.starts_with("Ready: "), "{server}");
    shown.end();
}

#[test]
#[ignore = "needs a browser: ci/browser"]
fn the_page_is_filtered() {
    let mut shown = shown();
    let fruit = shown.group("fruit", vec!["apple", "pear"]);
    shown.until(|browser| {
        let tasks = browser.text(TASKS);
        tasks.contains("apple ") && tasks.contains("pear ")
    });
    let browser = &mut shown.browser;
    browser.value("document.getElementById('filter').focus()");
    browser.write("APPLE");
    let tasks = browser.text(TASKS);
    assert!(
        tasks.starts_with("apple ") && tasks.lines().count() == 1,
        "{tasks}"
    );
    let groups = browser.text(GROUPS);
    assert!(
        groups.starts_with("group fruit at ") && groups.lines().count() == 1,
        "{groups}"
    );
    // The next pictures are filtered, too, and what is typed is not lost.
    shown.draws(2);
    assert_eq!(shown.browser.text(TASKS).lines().count(), 1);
    shown.browser.write("s");
    assert_eq!(shown.browser.text(GROUPS), "", "there are no apples");
    fruit.end();
    shown.end();
}

#[test]
#[ignore = "needs a browser: ci/browser"]
fn a_task_appears_on_the_page_and_goes() {
    let mut shown = shown();
    shown.until(|browser| browser.text(GROUPS).contains("group server at "));
    assert!(!shown.browser.text(TASKS).contains("visitor "));
    let visit = shown.group("visit", vec!["visitor"]);
    shown.until(|browser| browser.text(TASKS).contains("visitor "));
    visit.end();
    shown.until(|browser| {
        !browser.text(TASKS).contains("visitor ") && !browser.text(GROUPS).contains("visit")
    });
    shown.end();
}

#[test]
#[ignore = "needs a browser: ci/browser"]
fn ten_thousand_tasks_are_folded() {
    const ELEMENTS: &str = "document.querySelectorAll('#tree *').length";
    let mut shown = shown();
    let crowd = shown.group(
        "crowd",
        (0..10_000)
            .map(|n| &*format!("child-{n:05}").leak())
            .collect(),
    );
    shown.until(|browser| browser.text(GROUPS).contains("group crowd at "));
    assert!(!shown.browser.text(TASKS).contains("child-"));
    assert!(shown.browser.number(ELEMENTS) < 300);
    let title = "[...document.querySelectorAll('#tree summary')]
        .find(e => e.textContent.startsWith('group crowd at '))";
    shown.browser.value(&format!("{title}.click()"));
    let children = |browser: &mut Browser| {
        let tasks = browser.text(TASKS);
        tasks
            .lines()
            .filter(|line| line.starts_with("child-"))
            .count()
    };
    assert_eq!(children(&mut shown.browser), 50);
    // It stays open in the next pictures, and has a button for the rest.
    shown.draws(2);
    assert_eq!(children(&mut shown.browser), 50);
    assert!(shown.browser.number(ELEMENTS) < 300);
    let more = format!("{title}.parentElement.querySelector('button')");
    assert_eq!(
        shown.browser.text(&format!("{more}.textContent")),
        "9950 more"
    );
    shown.browser.value(&format!("{more}.click()"));
    assert_eq!(children(&mut shown.browser), 10_000);
    shown.browser.value(&format!("{title}.click()"));
    assert_eq!(children(&mut shown.browser), 0);
    // One of them is found among all.
    shown
        .browser
        .value("document.getElementById('filter').focus()");
    shown.browser.write("child-07777");
    assert_eq!(children(&mut shown.browser), 1);
    crowd.end();
    shown.end();
}

#[test]
#[ignore = "needs a browser: ci/browser"]
fn without_scripts_the_page_is_a_list() {
    let mut shown = shown();
    let quiet = shown.group("quiet", vec!["<reader>"]);
    let browser = &mut shown.browser;
    browser.call(
        "Emulation.setScriptExecutionDisabled",
        serde_json::json!({ "value": true }),
    );
    shown.server.advance(1); // a picture is given out again for a while
    browser.open(&format!("http://{}/debug/tasks", shown.server.address));
    shown.until(|browser| {
        let text = browser.text("document.body?.innerText");
        text.contains("This list is as of") && text.contains("\ngroup quiet at ")
    });
    let text = shown.browser.text("document.body?.innerText");
    assert!(text.contains("\n  <reader> "), "{text}");
    assert!(text.contains("\npolls take: "), "{text}");
    quiet.end();
    shown.end();
}
