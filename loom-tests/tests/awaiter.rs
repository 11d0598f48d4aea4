//! Models of `src/task/awaiter.rs`: the handle registers, registers again and forgets; the
//! completer closes.
//!
//! There is one handle by the protocol; it waits with two different wakers, one of each kind.

use loom_tests::run::{explore, mutants};
use loom_tests::sync;
use std::task::{Wake, Waker};
use sync::cell::{Racy, UnsafeCell};
use sync::{Arc, thread};

/// Nothing is contained here: a panic of the model checker must come out.
mod waiters {
    use std::task::Waker;

    pub fn discard(wakers: impl IntoIterator<Item = Waker>) {
        wakers.into_iter().for_each(drop);
    }
}

#[path = "../../src/task"]
mod task {
    pub mod awaiter;

    /// Stands for the wakers of tasks: other tables, the same word.
    pub mod waker {
        use crate::Note;
        use crate::sync::Arc;
        use std::ptr;
        use std::task::{RawWaker, RawWakerVTable, Waker};

        static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);
        static TOLD: RawWakerVTable = RawWakerVTable::new(clone_told, wake, wake_by_ref, release);

        pub const MARK: usize = 2;

        pub fn mark_of(waker: &Waker) -> Option<usize> {
            let table: *const RawWakerVTable = waker.vtable();
            let marks = [(&raw const TABLE, 0), (&raw const TOLD, MARK)];
            let mark = marks.iter().find(|mark| ptr::eq(mark.0, table))?;
            Some(mark.1)
        }

        pub fn table_of(mark: usize) -> &'static RawWakerVTable {
            if mark == 0 { &TABLE } else { &TOLD }
        }

        unsafe fn clone_told(data: *const ()) -> RawWaker {
            // SAFETY: the data of a waker with this table is that of a counted note.
            unsafe { Arc::increment_strong_count(data.cast::<Note>()) };
            RawWaker::new(data, &TOLD)
        }

        unsafe fn clone(data: *const ()) -> RawWaker {
            // SAFETY: the data of a waker with this table is that of a counted note.
            unsafe { Arc::increment_strong_count(data.cast::<Note>()) };
            RawWaker::new(data, &TABLE)
        }

        unsafe fn wake(data: *const ()) {
            // SAFETY: the data of a waker with this table is that of a counted note; the waker's
            // count is taken over.
            unsafe { Arc::from_raw(data.cast::<Note>()) }.ring();
        }

        unsafe fn wake_by_ref(data: *const ()) {
            // SAFETY: the data of a waker with this table is that of a counted note, which the
            // waker keeps.
            unsafe { &*data.cast::<Note>() }.ring();
        }

        unsafe fn release(data: *const ()) {
            // SAFETY: the data of a waker with this table is that of a counted note; the waker's
            // count is given up.
            drop(unsafe { Arc::from_raw(data.cast::<Note>()) });
        }

        pub fn of(note: &Arc<Note>) -> Waker {
            with(note, &TABLE)
        }

        pub fn told(note: &Arc<Note>) -> Waker {
            with(note, &TOLD)
        }

        fn with(note: &Arc<Note>, table: &'static RawWakerVTable) -> Waker {
            let data = Arc::into_raw(Arc::clone(note)).cast();
            // SAFETY: the functions of the table keep the contract of `RawWaker`, and the count of
            // the note is the waker's.
            unsafe { Waker::new(data, table) }
        }
    }
}

use task::awaiter::Awaiter;

/// The memory that a waker touches: the handle writes it before it registers, the caller of the
/// waker reads it.
pub struct Note {
    written: UnsafeCell<u32>,
    rung: Racy,
}

// SAFETY: it may be shared, because the model checker watches every access.
unsafe impl Sync for Note {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Note {}

impl Note {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            written: UnsafeCell::new(0),
            rung: Racy::default(),
        })
    }

    fn write(&self) {
        self.written.with_mut(|written| unsafe { *written = 1 });
    }

    fn ring(&self) {
        self.written
            .with(|written| assert_eq!(unsafe { *written }, 1));
        self.rung.set(1);
    }
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// A task as far as its awaiter is concerned.
struct Task {
    awaiter: Awaiter,
    output: UnsafeCell<u32>,
}

// SAFETY: it may be shared, because the model checker watches every access to the output.
unsafe impl Sync for Task {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Task {}

fn complete(task: &Task) {
    task.output.with_mut(|output| unsafe { *output = 1 });
    if let Some(waker) = task.awaiter.close() {
        waker.wake();
    }
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            awaiter: Awaiter::new(),
            output: UnsafeCell::new(0),
        })
    }
}

/// Registers; whether the task is still to complete. If it has, its output is there.
fn register(task: &Task, note: &Note, waker: &Waker) -> bool {
    note.write();
    let waits = task.awaiter.register(waker);
    if !waits {
        task.output.with(|output| assert_eq!(unsafe { *output }, 1));
    }
    waits
}

/// A waker that was registered before the close is woken, a handle that came later is told; no
/// waker is lost or kept.
fn one_waker(make: fn(&Arc<Note>) -> Waker) {
    explore(move || {
        let task = Task::new();
        let note = Note::new();
        let theirs = Arc::clone(&task);
        let completer = thread::spawn(move || complete(&theirs));
        let waker = make(&note);
        let waits = register(&task, &note, &waker);
        drop(waker);
        completer.join().unwrap();
        assert_eq!(note.rung.get(), u32::from(waits));
        assert_eq!(Arc::strong_count(&note), 1);
    });
}

#[test]
fn model_a_task_waits() {
    one_waker(task::waker::of);
}

/// Of which a subscriber is told: it comes out with the table with which it went in, and is woken
/// by the address without the mark.
#[test]
fn model_a_task_with_a_span_waits() {
    one_waker(task::waker::told);
    explore(|| {
        let (awaiter, note) = (Awaiter::new(), Note::new());
        let waker = task::waker::told(&note);
        assert!(awaiter.register(&waker));
        assert_eq!(awaiter.address(), Some(waker.data().addr()));
        assert!(awaiter.close().unwrap().will_wake(&waker));
    });
}

#[test]
fn model_a_stranger_waits() {
    one_waker(|note| Waker::from(Arc::clone(note)));
}

/// Of wakers that were registered one after the other the last one is called, and all are given
/// back.
#[test]
fn model_register_again() {
    explore(|| {
        let task = Task::new();
        let [first, second] = [Note::new(), Note::new()];
        let theirs = Arc::clone(&task);
        let completer = thread::spawn(move || complete(&theirs));
        let waits = register(&task, &first, &task::waker::of(&first));
        let waits = waits && register(&task, &second, &Waker::from(Arc::clone(&second)));
        completer.join().unwrap();
        assert!(!waits || second.rung.get() == 1, "a wake is lost");
        for note in [first, second] {
            assert_eq!(Arc::strong_count(&note), 1, "given back once");
        }
    });
}

/// A handle that goes away takes its waker back, unless it was called; the close does not come
/// undone.
#[test]
fn model_forget() {
    explore(|| {
        let task = Task::new();
        let notes = [Note::new(), Note::new()];
        let theirs = Arc::clone(&task);
        let completer = thread::spawn(move || complete(&theirs));
        let waits = register(&task, &notes[0], &task::waker::of(&notes[0]));
        task.awaiter.forget();
        // Forgotten or closed: another one takes its place, or is told.
        let waits_again = waits && register(&task, &notes[1], &Waker::from(Arc::clone(&notes[1])));
        task.awaiter.forget();
        completer.join().unwrap();
        for note in &notes {
            assert_eq!(Arc::strong_count(note), 1, "given back once");
        }
        assert!(notes[1].rung.get() == 0 || waits_again);
        let waker = Waker::noop();
        assert!(!task.awaiter.register(waker), "closed for good");
    });
}

#[test]
fn mutants_die() {
    mutants(&["src/task/awaiter.rs"], &[]);
}
