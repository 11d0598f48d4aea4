//! A queue whose elements keep a key, by which each of them can be taken out before its turn.
//!
//! Elements are in slots, oldest first, with rising numbers. One that is taken out leaves an empty
//! slot; empty slots at either end go at once, and those in between when they outnumber the
//! elements. A key knows the slot of its element. After gaps were closed it knows it no more, and
//! is put right by one binary search over the numbers.
//!
//! So each operation costs the same among ten elements and among a million, on average: a gap is
//! closed once, by a move of at most as many elements, and as many keys are put right. Memory is
//! given back, down to four times what the elements need.

use std::collections::VecDeque;
use std::mem;

/// Empty slots, and room, that are worth no effort.
const SLACK: usize = 16;

/// What an element is found by, until it is taken out; it is worth nothing afterwards.
#[derive(Debug)]
pub(crate) struct Key {
    number: u64,
    /// Where the slot was when this key was used last, counted from the first slot there ever was.
    at: usize,
}

#[derive(Debug)]
struct Slot<T> {
    number: u64,
    value: Option<T>,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct KeyedQueue<T> {
    slots: VecDeque<Slot<T>>,
    /// Slots that have gone from the front; wraps.
    gone: usize,
    /// Slots with an element.
    len: usize,
    next: u64,
}

impl<T> Default for KeyedQueue<T> {
    fn default() -> Self {
        Self::new(0)
    }
}

impl<T> KeyedQueue<T> {
    /// An empty queue, whose elements get numbers from `next` on.
    pub(crate) const fn new(next: u64) -> Self {
        Self {
            slots: VecDeque::new(),
            gone: 0,
            len: 0,
            next,
        }
    }

    /// The number that the next element will have.
    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The key that the next element will have.
    pub(crate) fn next_key(&self) -> Key {
        Key {
            number: self.next,
            at: self.gone.wrapping_add(self.slots.len()),
        }
    }

    /// Adds an element at the end.
    pub(crate) fn push(&mut self, value: T) -> Key {
        let key = self.next_key();
        self.next += 1;
        self.slots.push_back(Slot {
            number: key.number,
            value: Some(value),
        });
        self.len += 1;
        key
    }

    /// The element of a key, unless it was taken out.
    pub(crate) fn get_mut(&mut self, key: &mut Key) -> Option<&mut T> {
        let index = self.find(key)?;
        self.slots.get_mut(index)?.value.as_mut()
    }

    /// Takes out the element of a key, unless it was taken out before.
    pub(crate) fn remove(&mut self, mut key: Key) -> Option<T> {
        let index = self.find(&mut key)?;
        let value = self.slots.get_mut(index)?.value.take()?;
        self.len -= 1;
        self.tidy();
        Some(value)
    }

    /// Takes out the oldest element.
    pub(crate) fn pop(&mut self) -> Option<T> {
        // The first slot is never an empty one.
        let value = self.slots.pop_front()?.value;
        self.gone = self.gone.wrapping_add(1);
        self.len -= 1;
        self.tidy();
        value
    }

    /// Takes out all elements.
    pub(crate) fn take(&mut self) -> Self {
        let next = Self::new(self.next);
        mem::replace(self, next)
    }

    /// The elements in the queue, oldest first.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }

    /// The elements, oldest first.
    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.slots.into_iter().filter_map(|slot| slot.value)
    }

    /// The slot of a key.
    fn find(&self, key: &mut Key) -> Option<usize> {
        let index = key.at.wrapping_sub(self.gone);
        if self
            .slots
            .get(index)
            .is_some_and(|slot| slot.number == key.number)
        {
            return Some(index);
        }
        let search = self
            .slots
            .binary_search_by_key(&key.number, |slot| slot.number);
        let index = search.ok()?;
        key.at = self.gone.wrapping_add(index);
        Some(index)
    }

    /// Gives back what is empty.
    fn tidy(&mut self) {
        while let Some(Slot { value: None, .. }) = self.slots.front() {
            self.slots.pop_front();
            self.gone = self.gone.wrapping_add(1);
        }
        while let Some(Slot { value: None, .. }) = self.slots.back() {
            self.slots.pop_back();
        }
        if self.slots.len() > 2 * self.len + SLACK {
            self.slots.retain(|slot| slot.value.is_some());
        }
        if self.slots.capacity() > 4 * self.slots.len() + SLACK {
            self.slots.shrink_to(2 * self.slots.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyedQueue};

    /// A queue and its model: the keys of what is in it, with the values, oldest first.
    struct Both {
        queue: KeyedQueue<u64>,
        model: Vec<(Key, u64)>,
        pushed: u64,
        random: u64,
    }

    impl Both {
        fn new() -> Self {
            Self {
                queue: KeyedQueue::new(7),
                model: Vec::new(),
                pushed: 0,
                random: 1,
            }
        }

        fn random(&mut self, below: usize) -> usize {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            (self.random % below as u64) as usize
        }

        fn push(&mut self) {
            let key = self.queue.push(self.pushed);
            self.model.push((key, self.pushed));
            self.pushed += 1;
        }

        fn remove(&mut self, at: usize) {
            let (key, value) = self.model.remove(at);
            assert_eq!(self.queue.remove(key), Some(value));
            self.check_room();
        }

        fn pop(&mut self) {
            let value = match self.model.is_empty() {
                true => None,
                false => Some(self.model.remove(0).1),
            };
            assert_eq!(self.queue.pop(), value);
            self.check_room();
        }

        fn replace(&mut self, at: usize) {
            let (key, value) = &mut self.model[at];
            *value += 1_000_000;
            *self.queue.get_mut(key).unwrap() += 1_000_000;
        }

        fn check_room(&self) {
            assert_eq!(self.queue.len, self.model.len());
            let room = self.queue.slots.capacity();
            assert!(room <= 8 * self.model.len() + 200, "{room} slots are kept");
        }

        fn end(self) {
            let values = self.queue.into_values();
            assert!(values.eq(self.model.into_iter().map(|entry| entry.1)));
        }
    }

    #[test]
    fn it_does_what_a_vector_does() {
        let mut both = Both::new();
        // It grows, shrinks and grows again: gaps come everywhere, and are closed.
        for growing in [60, 30, 55, 20, 70, 10] {
            for _ in 0..2_000 {
                let len = both.model.len();
                match both.random(100) {
                    pick if pick < growing || len == 0 => both.push(),
                    pick if pick % 4 == 0 => both.pop(),
                    pick if pick % 4 == 1 => {
                        let at = both.random(len);
                        both.replace(at);
                    }
                    _ => {
                        let at = both.random(len);
                        both.remove(at);
                    }
                }
            }
        }
        both.end();
    }

    #[test]
    fn a_key_of_what_is_gone_finds_nothing() {
        let mut queue = KeyedQueue::new(0);
        let mut keys: Vec<Key> = (0..100).map(|value| queue.push(value)).collect();
        let last = keys.pop().unwrap();
        for _ in 0..99 {
            queue.pop();
        }
        for mut key in keys {
            assert!(queue.get_mut(&mut key).is_none());
            assert!(queue.remove(key).is_none());
        }
        assert_eq!(queue.remove(last), Some(99));
        assert!(queue.is_empty());
        let key = queue.push(100);
        assert!(queue.take().into_values().eq([100]));
        let next = queue.push(101);
        assert!(queue.remove(key).is_none());
        assert_eq!((next.number, queue.next_number()), (101, 102));
    }

    /// Oldest first, newest first and every other one: the memory goes with the elements.
    #[test]
    fn memory_is_given_back_in_every_order() {
        for order in 0..3 {
            let mut queue = KeyedQueue::new(0);
            let mut keys: Vec<Key> = (0..10_000).map(|value| queue.push(value)).collect();
            match order {
                0 => {}
                1 => keys.reverse(),
                _ => keys.sort_by_key(|key| (key.number % 2, key.number % 1_000)),
            }
            let left = keys.split_off(9_990);
            keys.into_iter()
                .for_each(|key| assert!(queue.remove(key).is_some()));
            assert!(queue.slots.capacity() < 200);
            left.into_iter()
                .for_each(|key| assert!(queue.remove(key).is_some()));
            assert!(queue.slots.capacity() <= 32);
        }
    }
}
