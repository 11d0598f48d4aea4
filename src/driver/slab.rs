//! A slab that gives its memory back: values by number, in pages, and an empty page is freed.
//!
//! New values go to a page that has room, and one is allocated where none has. One empty page
//! stays, so a page is allocated and freed after as many insertions and removals as it has places:
//! amortised, each of them costs a constant. A slab that had several pages keeps nothing when its
//! last value goes, not even the list of its pages.

use std::mem;
use std::ops::{Index, IndexMut};

/// Places of a page.
pub(crate) const PAGE: usize = 256;

/// No page, no place.
const NIL: u32 = u32::MAX;

/// Values by number.
pub(crate) struct Slab<T> {
    pages: Vec<Page<T>>,
    /// The first of the pages that have memory and room.
    roomy: u32,
    /// The first of the pages without memory.
    absent: u32,
    /// Whether a page is empty and has memory. There is one such at most.
    spare: bool,
    len: usize,
}

struct Page<T> {
    /// Grows up to [`PAGE`]; has no memory where the page is absent.
    places: Vec<Place<T>>,
    used: u32,
    /// The first place that was given up.
    free: u32,
    /// The neighbours in the list of pages with room, or of absent ones.
    next: u32,
    prev: u32,
}

enum Place<T> {
    Used(T),
    /// And the next one of the same page.
    Free(u32),
}

impl<T> Slab<T> {
    /// Without a value, and without memory.
    pub(crate) const fn new() -> Self {
        Self {
            pages: Vec::new(),
            roomy: NIL,
            absent: NIL,
            spare: false,
            len: 0,
        }
    }

    /// How many values it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// For how many values it has memory.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.pages.iter().map(|page| page.places.capacity()).sum()
    }

    /// Adds a value; its number is not that of another one as long as it is there.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let at = match self.roomy {
            NIL => self.add_page(),
            at => at,
        };
        let page = &mut self.pages[at as usize];
        let place = match page.free {
            NIL => {
                page.places.push(Place::Used(value));
                page.places.len() as u32 - 1
            }
            place => {
                let before = mem::replace(&mut page.places[place as usize], Place::Used(value));
                if let Place::Free(next) = before {
                    page.free = next;
                }
                place
            }
        };
        self.spare &= page.used > 0;
        page.used += 1;
        if page.used as usize == PAGE {
            self.unlist(at);
        }
        self.len += 1;
        at * PAGE as u32 + place
    }

    /// The values of a page; `None` behind the last one.
    pub(crate) fn page(&self, page: usize) -> Option<impl Iterator<Item = &T>> {
        let places = self.pages.get(page)?.places.iter();
        Some(places.filter_map(|place| match place {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }))
    }

    /// The value of that number, if there is one.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let (page, place) = split(number);
        match self.pages.get(page)?.places.get(place)? {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    /// As [`Slab::get`].
    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (page, place) = split(number);
        match self.pages.get_mut(page)?.places.get_mut(place)? {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    /// Takes a value out, if there is one of that number.
    #[inline]
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let (at, place) = split(number);
        let page = self.pages.get_mut(at)?;
        let slot = page.places.get_mut(place)?;
        if matches!(slot, Place::Free(_)) {
            return None;
        }
        let before = mem::replace(slot, Place::Free(page.free));
        page.free = place as u32;
        page.used -= 1;
        self.len -= 1;
        if page.used as usize == PAGE - 1 || page.used == 0 {
            self.has_room(at as u32);
        }
        match before {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    /// A page was full, or is empty now.
    #[cold]
    fn has_room(&mut self, at: u32) {
        match self.pages[at as usize].used {
            0 => self.emptied(at),
            _ => self.list(at),
        }
    }

    /// A page with memory and room, where there is none.
    #[cold]
    fn add_page(&mut self) -> u32 {
        let at = match self.absent {
            NIL => {
                // The number of the last place of a page is not `NIL` either.
                let most = NIL as usize / PAGE;
                assert!(self.pages.len() < most, "more than four billion values");
                self.pages.push(Page {
                    places: Vec::new(),
                    used: 0,
                    free: NIL,
                    next: NIL,
                    prev: NIL,
                });
                self.pages.len() as u32 - 1
            }
            at => {
                self.absent = self.pages[at as usize].next;
                at
            }
        };
        self.pages[at as usize].places.reserve_exact(PAGE);
        self.spare = true;
        self.list(at);
        at
    }

    /// A page is empty now: one that is empty stays.
    fn emptied(&mut self, at: u32) {
        if self.len == 0 && self.pages.len() > 1 {
            // The list of pages does not outlive a burst either.
            *self = Self::new();
            return;
        }
        if !mem::replace(&mut self.spare, true) {
            return;
        }
        self.unlist(at);
        let absent = mem::replace(&mut self.absent, at);
        let page = &mut self.pages[at as usize];
        page.places = Vec::new();
        page.free = NIL;
        page.next = absent;
    }

    /// Puts a page in front of those with room.
    fn list(&mut self, at: u32) {
        let next = mem::replace(&mut self.roomy, at);
        if next != NIL {
            self.pages[next as usize].prev = at;
        }
        let page = &mut self.pages[at as usize];
        page.next = next;
        page.prev = NIL;
    }

    /// Takes a page out of those with room.
    fn unlist(&mut self, at: u32) {
        let Page { next, prev, .. } = self.pages[at as usize];
        if next != NIL {
            self.pages[next as usize].prev = prev;
        }
        match prev {
            NIL => self.roomy = next,
            prev => self.pages[prev as usize].next = next,
        }
    }
}

/// A value that is there.
impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, number: u32) -> &T {
        self.get(number).expect("there is a value")
    }
}

/// As above.
impl<T> IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut T {
        self.get_mut(number).expect("there is a value")
    }
}

fn split(number: u32) -> (usize, usize) {
    (number as usize / PAGE, number as usize % PAGE)
}
