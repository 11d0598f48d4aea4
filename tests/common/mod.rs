//! What the tests of promises share.
#![allow(dead_code, clippy::allow_attributes, reason = "each file uses a part")]

use spinney::time::ManualClock;
use spinney::{Runtime, RuntimeBuilder, Unobserved, group};
use std::any::Any;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

pub(crate) const NOW: Duration = Duration::ZERO;
pub(crate) const NEVER: Duration = Duration::MAX;
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Calls a closure when it is dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

pub(crate) fn on_drop<F: FnOnce()>(f: F) -> OnDrop<F> {
    OnDrop(Some(f))
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// What a runtime's hook was given.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    /// The texts so far, sorted: workers report in no order.
    pub(crate) fn texts(&self) -> Vec<String> {
        let mut texts = self.0.lock().unwrap().clone();
        texts.sort();
        texts
    }
}

/// The text of a payload; `?` is one without a text.
pub(crate) fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
}

/// A runtime whose hook notes the texts of payloads.
pub(crate) fn noting(builder: RuntimeBuilder) -> (Runtime, Seen) {
    noting_as(builder, |failure| text(&*failure.payload).to_owned())
}

/// A runtime whose hook notes what `say` makes of each failure.
pub(crate) fn noting_as(
    builder: RuntimeBuilder,
    say: impl Fn(&Unobserved) -> String + Send + Sync + 'static,
) -> (Runtime, Seen) {
    let seen = Seen::default();
    let hook = seen.clone();
    let builder = builder.on_unobserved(move |failure| {
        let said = say(&failure);
        hook.0.lock().unwrap().push(said);
    });
    (builder.build().unwrap(), seen)
}

pub(crate) fn workers(workers: usize) -> (Runtime, Seen) {
    noting(Runtime::builder().workers(workers))
}

/// A runtime on whose one worker everything runs, one poll after the other.
pub(crate) fn one_by_one() -> (Runtime, Seen) {
    noting(Runtime::builder().workers(1).callers_take_part(false))
}

/// A runtime whose time stands still until the test moves it.
pub(crate) fn clocked(workers: usize) -> (Runtime, ManualClock, Seen) {
    let clock = ManualClock::new();
    let (runtime, seen) = noting(Runtime::builder().workers(workers).clock(&clock));
    (runtime, clock, seen)
}

/// Calls `f` while guests have every seat that a spare worker could take.
pub(crate) fn without_spares(runtime: &Runtime, f: impl FnOnce()) {
    let (release, released) = async_channel::bounded::<()>(1);
    let (ready, is_ready) = mpsc::channel();
    thread::scope(|threads| {
        for _ in 0..16 {
            let (ready, released) = (ready.clone(), released.clone());
            threads.spawn(move || {
                runtime.block_on(group(async |g| {
                    g.spawn(async {}).await;
                    ready.send(()).unwrap();
                    let _ = released.recv().await;
                }))
            });
        }
        for _ in 0..16 {
            is_ready.recv().unwrap();
        }
        f();
        // Also if `f` panics.
        drop(release);
    });
}

/// Polls once, with the waker of the caller.
pub(crate) async fn once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Polls once, outside everything.
pub(crate) fn poll_alone<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Is ready when the cell has a value: polled again and again.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        spinney::yield_now().await;
    }
}

/// Waits on a thread: others need a moment to get there.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// How many entries a folder of the system has.
pub(crate) fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Runs the test of that name alone, in a process that knows so, through a shell command.
pub(crate) fn in_a_child(test: &str, shell: &str) -> Output {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(shell)
        .arg(&program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("SPINNEY_TEST_CHILD", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub(crate) fn is_child() -> bool {
    std::env::var_os("SPINNEY_TEST_CHILD").is_some()
}

/// The text of the panic of `f`.
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else {
        panic!("it did not panic");
    };
    text(&*payload).to_owned()
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    pub(crate) fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    pub(crate) fn has(&self, what: &'static str) -> bool {
        self.0.lock().unwrap().contains(&what)
    }

    pub(crate) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(crate) fn local(&self, what: &'static str) -> Local {
        Local(self.clone(), what)
    }

    /// A future that never ends, and notes its drop.
    pub(crate) fn never(&self, what: &'static str) -> impl Future<Output = ()> + Send + use<> {
        let local = self.local(what);
        async move {
            let _local = local;
            pending().await
        }
    }
}

/// Notes its drop.
pub(crate) struct Local(pub(crate) Log, &'static str);

impl Drop for Local {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Count(pub(crate) AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A future that panics when it is dropped, wherever it came to.
pub(crate) struct Armed<F>(pub(crate) Pin<Box<F>>);

impl<F: Future> Armed<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Armed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<F> Drop for Armed<F> {
    fn drop(&mut self) {
        panic_any("drop");
    }
}

/// Counts itself as long as it lives.
pub(crate) struct Alive(Arc<AtomicUsize>);

impl Alive {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Never ends, and is counted as long as it lives.
pub(crate) fn never(alive: &Arc<AtomicUsize>) -> impl Future<Output = ()> + Send + use<> {
    let alive = Alive::new(alive);
    async move {
        let _alive = alive;
        pending().await
    }
}
