//! Deques as weak as crossbeam's: a push is a release fence before a relaxed store, a steal an
//! acquire and a compare-exchange that may fail (`Retry`). Places are used once, so that no buffer
//! grows.
//!
//! crossbeam writes SeqCst on some accesses; the model checker knows SeqCst fences only, so those
//! are acquire and release here, which is weaker. The mutants of a model leave this file alone:
//! crossbeam is trusted.

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use loom::sync::atomic::{AtomicUsize, fence};
use std::sync::Arc;

/// Pushes to one deque in one execution of a model.
const PLACES: usize = 8;

/// What came of an attempt to steal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steal<T> {
    Empty,
    Success(T),
    Retry,
}

impl<T> Steal<T> {
    pub fn or_else(self, f: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Empty => f(),
            Self::Success(_) => self,
            Self::Retry => match f() {
                Self::Success(value) => Self::Success(value),
                Self::Empty | Self::Retry => Self::Retry,
            },
        }
    }
}

struct Buffer<T> {
    front: AtomicUsize,
    back: AtomicUsize,
    places: [UnsafeCell<Option<T>>; PLACES],
}

// SAFETY: the places may be reached from any thread, because the model checker watches their
// accesses.
unsafe impl<T: Send> Sync for Buffer<T> {}
// SAFETY: it owns its values, which are `Send`.
unsafe impl<T: Send> Send for Buffer<T> {}

impl<T> Buffer<T> {
    fn take(&self, at: usize) -> T {
        // SAFETY: the caller has claimed the place, so no other thread uses it.
        let value = self.places[at].with_mut(|place| unsafe { (*place).take() });
        value.expect("a claimed place is full")
    }

    fn steal(&self) -> Steal<T> {
        let front = self.front.load(Acquire);
        fence(SeqCst);
        let back = self.back.load(Acquire);
        if back <= front {
            return Steal::Empty;
        }
        match self
            .front
            .compare_exchange(front, front + 1, AcqRel, Relaxed)
        {
            Ok(_) => Steal::Success(self.take(front)),
            Err(_) => Steal::Retry,
        }
    }
}

/// The owner's end.
pub struct Worker<T> {
    buffer: Arc<Buffer<T>>,
    lifo: bool,
}

/// A thief's end.
pub struct Stealer<T>(Arc<Buffer<T>>);

impl<T> Worker<T> {
    fn new(lifo: bool) -> Self {
        Self {
            buffer: Arc::new(Buffer {
                front: AtomicUsize::new(0),
                back: AtomicUsize::new(0),
                places: std::array::from_fn(|_| UnsafeCell::new(None)),
            }),
            lifo,
        }
    }

    pub fn new_lifo() -> Self {
        Self::new(true)
    }

    pub fn new_fifo() -> Self {
        Self::new(false)
    }

    pub fn stealer(&self) -> Stealer<T> {
        Stealer(Arc::clone(&self.buffer))
    }

    pub fn push(&self, value: T) {
        let back = self.buffer.back.load(Relaxed);
        // SAFETY: the owner's own place, which no thief may claim before `back` says so.
        self.buffer.places[back].with_mut(|place| unsafe { *place = Some(value) });
        fence(Release);
        self.buffer.back.store(back + 1, Relaxed);
    }

    pub fn pop(&self) -> Option<T> {
        let buffer = &*self.buffer;
        let back = buffer.back.load(Relaxed);
        if !self.lifo {
            let front = buffer.front.fetch_add(1, AcqRel);
            if front >= back {
                buffer.front.store(front, Relaxed);
                return None;
            }
            return Some(buffer.take(front));
        }
        let back = back.checked_sub(1)?;
        buffer.back.store(back, Relaxed);
        fence(SeqCst);
        let front = buffer.front.load(Relaxed);
        if front > back {
            buffer.back.store(back + 1, Relaxed);
            return None;
        }
        if front == back {
            let won = buffer
                .front
                .compare_exchange(front, front + 1, AcqRel, Relaxed);
            buffer.back.store(back + 1, Relaxed);
            if won.is_err() {
                return None;
            }
        }
        Some(buffer.take(back))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn len(&self) -> usize {
        let back = self.buffer.back.load(Relaxed);
        back.saturating_sub(self.buffer.front.load(Acquire))
    }
}

impl<T> Stealer<T> {
    pub fn steal(&self) -> Steal<T> {
        self.0.steal()
    }

    /// Takes one, and half of the others to the thief's own deque: `limit` at most.
    pub fn steal_batch_with_limit_and_pop(&self, thief: &Worker<T>, limit: usize) -> Steal<T> {
        let stolen = self.0.steal();
        if let Steal::Success(_) = stolen {
            let left = self
                .0
                .back
                .load(Acquire)
                .saturating_sub(self.0.front.load(Acquire));
            for _ in 0..(left / 2).min(limit - 1) {
                match self.0.steal() {
                    Steal::Success(more) => thief.push(more),
                    Steal::Empty | Steal::Retry => break,
                }
            }
        }
        stolen
    }

    pub fn is_empty(&self) -> bool {
        let front = self.0.front.load(Acquire);
        fence(SeqCst);
        self.0.back.load(Acquire) <= front
    }

    pub fn len(&self) -> usize {
        let front = self.0.front.load(Acquire);
        fence(SeqCst);
        self.0.back.load(Acquire).saturating_sub(front)
    }
}

/// The queue for outsiders.
pub struct Injector<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    written: [AtomicUsize; PLACES],
    places: [UnsafeCell<Option<T>>; PLACES],
}

// SAFETY: the places may be reached from any thread, because the model checker watches their
// accesses.
unsafe impl<T: Send> Sync for Injector<T> {}
// SAFETY: it owns its values, which are `Send`.
unsafe impl<T: Send> Send for Injector<T> {}

impl<T> Injector<T> {
    #[expect(clippy::new_without_default, reason = "the real one is used by `new`")]
    pub fn new() -> Self {
        Self {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            written: std::array::from_fn(|_| AtomicUsize::new(0)),
            places: std::array::from_fn(|_| UnsafeCell::new(None)),
        }
    }

    pub fn push(&self, value: T) {
        // A guess and a compare-exchange in one: a place of its own for each pusher.
        let at = self.tail.fetch_add(1, AcqRel);
        // SAFETY: the place is this pusher's alone, until `written` says otherwise.
        self.places[at].with_mut(|place| unsafe { *place = Some(value) });
        self.written[at].store(1, Release);
    }

    pub fn steal(&self) -> Steal<T> {
        let head = self.head.load(Acquire);
        fence(SeqCst);
        if self.tail.load(Relaxed) <= head {
            return Steal::Empty;
        }
        if self
            .head
            .compare_exchange(head, head + 1, AcqRel, Relaxed)
            .is_err()
        {
            return Steal::Retry;
        }
        while self.written[head].load(Acquire) == 0 {
            super::thread::yield_now();
        }
        // SAFETY: the compare-exchange claimed the place for this thread alone, and `written` says
        // that the pusher has left it.
        let value = self.places[head].with_mut(|place| unsafe { (*place).take() });
        Steal::Success(value.expect("written"))
    }

    /// Takes one, and one more to the thief's own deque if there is one, and `limit` allows it.
    pub fn steal_batch_with_limit_and_pop(&self, thief: &Worker<T>, limit: usize) -> Steal<T> {
        let stolen = self.steal();
        if let (Steal::Success(_), 2..) = (&stolen, limit) {
            if let Steal::Success(more) = self.steal() {
                thief.push(more);
            }
        }
        stolen
    }

    pub fn is_empty(&self) -> bool {
        self.head.load(Acquire) >= self.tail.load(Acquire)
    }
}
