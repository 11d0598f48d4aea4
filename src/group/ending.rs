//! The ending of a group, as one state machine under the node's lock: body, children, services,
//! defers, early drop, cut.
//!
//! Each event is a verb here, which answers with the next duty of its caller, outside the lock
//! (`duties`). What an ending still has to do is decided in this file alone, from fields that no
//! other file reads. `tree` (`leave`, `cut`, `cascade`, `host_end`, `owner`, `root`) and
//! `task::closer` carry the answers out.
//!
//! # States
//!
//! [`Phase`] is how far the owner has come; [`Closer`] whether the task exists that ends the
//! services and runs the defers; [`Reach`] what the group knows of the poller of its future;
//! [`Door`] whether handles are admitted. *Work* is all that is counted in the join word but the
//! closer and the node of the services. The *tail* is what comes after the work: services that are
//! counted, and defers.
//!
//! | event (verb) | `Body` | `Joining` | `Orphaned` | `Ended` |
//! |---|---|---|---|---|
//! | first poll | this is how it begins | cannot be: opened once | as before | as before |
//! | body pending (`register`) | keeps the owner's waker | cannot be: no body | cannot be: no owner | cannot be |
//! | body ready, panicked or cut (`join`) | -> `Joining`, and as there | no work, a tail and no closer: start the closer. Nothing counted: close, -> `Ended`. Else wait | cannot be: no owner | answers `Closed` again |
//! | early drop (`abandon`) | -> `Joining`, and as there | no work, a tail and no closer: start the closer, and again. Else -> `Orphaned`; nothing counted: close, the caller ends the group | cannot be: dropped once | the owner does not ask |
//! | future forgotten | no event: no code runs. Its host ends | no event | cannot be: no owner | no event |
//! | child left (`depart`) | the count falls | the count falls | the count falls | cannot be: nothing is counted |
//! | last of the work left (`depart`) | wake the joiners (`take_joiners`), in every phase, and the closer that waits. Zero: wake the host that is cut, and the owner with it. Services without a closer are left: wake that host | a tail and no closer: its count becomes the closer's. Else wake the closer that waits. Zero: wake owner and host | as in `Joining`. Zero: close, too; the caller ends the group | cannot be |
//! | last service left (`depart`, for the services' node) | as a child | as the last of the work | as the last of the work | cannot be |
//! | defer, service (`defer`, `serve`) | kept | kept: it comes from a child, a service or a defer, which is counted and leaves later | as in `Joining` | cannot be: the code that registers it is counted |
//! | a joiner of the open group asks (`join_open`) | no work: go on. Else: wait | as in `Body`, for a service | as in `Joining` | cannot be: it is a part of the group |
//! | the closer asks what to do next (`next`) | work: wait. Services: one by one. Defers: only in a group that was given up | services, then defers; then it leaves like a child | as in `Joining` | cannot be: it is counted |
//! | failure (`fail`, `panic`) | noted | noted | noted; the end reports it | cannot be: the body, a child or a counted handle fails |
//! | cancel (`cancel`) | wake the owner; no poller (`Left`): end the services | as in `Body` | no owner to wake: children are cut by the reaper | nothing is left |
//! | host is cut (`announce`) | keeps the host's waker | keeps the host's waker | it left the host meanwhile: keeps the waker, and wakes it in vain | gives the waker back: it left meanwhile |
//! | quiet? (`is_quiet`, `judge`) | see [`Reach`] | see [`Reach`]: a failure must come out | it left the host meanwhile: as in `Joining` | the same |
//! | a poll reached the owner (`reach`) | -> `Polled`; in another host: wake the one that is cut | as in `Body` | cannot be: no owner | the owner does not ask |
//! | a poll did not reach the owner (`judge`) | see [`Reach`] | see [`Reach`] | it left the host meanwhile: as in `Joining` | the same |
//! | host ended (`lose_host`) | -> `Left`; cancelled: end the services | -> `Left`: the closer exists, or work is left that brings it | cannot be | cannot be |
//! | parent ended (`seal`) | the door is sealed | the door is sealed | the door is sealed | cannot be: an ended group is not adopted |
//! | runtime ended | no event: its root cancels, a caretaker runs the closer | as before | as before | as before |
//!
//! # Which actor may do what
//!
//! Everything is under the node's lock, and the lock is held for one verb at a time. Wakers,
//! services, defers and payloads that a verb takes out are handed to the caller, and woken, dropped
//! or run after the unlock: they are user code. A leaver touches nothing of the node after
//! `depart`, unless the answer says that it is still counted, or has to end it. The owner alone
//! calls `register`, `join`, `abandon`, `reach`; the closer alone `next`; the host that is cut
//! alone `announce` and `judge`.

use crate::group::duties::{Abandon, Defer, Departure, Join, Judgement, Leaver, Next, Remains};
use crate::group::services::{Services, Serving};
use crate::group::word::JoinWord;
use crate::keyed_queue::{Key, KeyedQueue};
use crate::sync::decided;
use crate::unwind::Payload;
use std::mem;
use std::task::Waker;

/// How far the owner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The body is there.
    Body,
    /// The body is gone, and the owner waits for children, services and defers.
    Joining,
    /// The owner is gone: the last leaver ends the group.
    Orphaned,
    /// The word is closed.
    Ended,
}

/// The task that ends the services and runs the defers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closer {
    None,
    /// It exists, and counts as one.
    Runs,
    /// This is the node of services: the closer of their group ends them, and is told of each that
    /// left.
    OfGroup,
}

/// What the group knows of the poller of its future. A cut host may be dropped once its groups are
/// quiet. What only the owner can bring about (it drops the body before the defers run; a failure
/// comes out of it) is waited for only if a poll reaches it, and that cannot be known of a poll
/// that was not asked for: a combinator polls the futures that were woken.
///
/// | from | event | to |
/// |---|---|---|
/// | any | a poll reaches the owner | `Polled` |
/// | any | its host ends | `Left` |
/// | `Polled`, `Left` | after a poll of the cut host only the owner is waited for | `Asked` |
/// | `Asked` | the same after the next poll, which did not reach the owner | `GivenUp` |
///
/// In `Asked` the owner is woken, and the host is polled again. In `GivenUp` the tail goes on
/// without the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Polled,
    Left,
    Asked,
    GivenUp,
}

/// Whether children come in through handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    /// Services or defers are ending, or the parent has ended: for good.
    Sealed,
}

/// What went wrong.
enum Failure {
    None,
    /// An error is in the list of the typed node, or the panic was taken.
    Recorded,
    /// The first panic.
    Panicked(Payload),
}

/// What comes after the work.
pub(crate) struct Tail<R> {
    /// How many of the counts are held by the node of the services. They are two for a moment if it
    /// enters anew before its last leaver has given the former one back.
    served: usize,
    services: Option<Services<R>>,
    defers: Vec<Defer>,
    /// Wakes the closer: of this group, or, in a node of services, of their group.
    wakes_closer: Option<Waker>,
    /// Joiners of the open group: each waits until no work is left, and goes on.
    joiners: KeyedQueue<Waker>,
}

impl<R> Default for Tail<R> {
    fn default() -> Self {
        Self {
            served: 0,
            services: None,
            defers: Vec::new(),
            wakes_closer: None,
            joiners: KeyedQueue::default(),
        }
    }
}

impl<R> Tail<R> {
    /// What is left of it at the end: the node of the services, no defers, and wakers that are to
    /// be dropped: of the closer, and of joiners that were forgotten.
    pub(crate) fn into_parts(
        self,
    ) -> (
        Option<Services<R>>,
        Vec<Defer>,
        impl Iterator<Item = Waker> + use<R>,
    ) {
        let wakers = self.wakes_closer.into_iter();
        let wakers = wakers.chain(self.joiners.into_values());
        (self.services, self.defers, wakers)
    }
}

/// The part of a node that says how it ends.
pub(crate) struct Ending<R> {
    phase: Phase,
    closer: Closer,
    reach: Reach,
    door: Door,
    failure: Failure,
    /// Few groups have any: made with the first of its parts.
    tail: Option<Box<Tail<R>>>,
    /// Wakes the poller that polled the group's future last.
    owner: Option<Waker>,
    /// Wakes the host that is being cut and waits for this group.
    host: Option<Waker>,
}

impl<R: Clone> Ending<R> {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Body,
            closer: Closer::None,
            reach: Reach::Polled,
            door: Door::Open,
            failure: Failure::None,
            tail: None,
            owner: None,
            host: None,
        }
    }

    /// What comes after the work, to be added to.
    fn tail(&mut self) -> &mut Tail<R> {
        self.tail.get_or_insert_default()
    }

    /// How many of the counts are held by the node of the services.
    fn served(&self) -> usize {
        self.tail.as_ref().map_or(0, |tail| tail.served)
    }

    fn has_defers(&self) -> bool {
        self.tail
            .as_ref()
            .is_some_and(|tail| !tail.defers.is_empty())
    }

    fn take_closer_waker(&mut self) -> Option<Waker> {
        self.tail.as_mut()?.wakes_closer.take()
    }

    /// Of the node of services.
    pub(crate) fn become_services(&mut self) {
        self.closer = Closer::OfGroup;
    }

    // Looks at the state.

    /// How many of the counts are no work: those of the services' node and of the closer.
    fn not_work(&self) -> usize {
        self.served() + usize::from(self.closer == Closer::Runs)
    }

    /// Whether children are left that are work.
    pub(crate) fn has_work(&self, word: &JoinWord) -> bool {
        word.count() > self.not_work()
    }

    fn has_tail(&self) -> bool {
        self.served() > 0 || self.has_defers()
    }

    /// Whether the closer has yet to be started for what comes after the work.
    fn wants_closer(&self) -> bool {
        self.closer == Closer::None && self.has_tail()
    }

    /// Whether services are counted, and no closer ends them yet.
    pub(crate) fn wants_services_ended(&self) -> bool {
        self.closer == Closer::None && self.served() > 0
    }

    /// Whether handles are admitted.
    pub(crate) fn admits(&self) -> bool {
        self.door == Door::Open
    }

    /// Whether nothing has come yet. No owner waits.
    pub(crate) fn is_new(&self) -> bool {
        self.phase == Phase::Body && self.is_bare()
    }

    /// Whether there is nothing in it that is to be dropped.
    pub(crate) fn is_bare(&self) -> bool {
        let unfailed = matches!(self.failure, Failure::None);
        unfailed && self.tail.is_none() && self.owner.is_none() && self.host.is_none()
    }

    // The owner.

    /// The body is pending. Returns the waker that was replaced.
    pub(crate) fn register(&mut self, waker: Waker) -> Option<Waker> {
        self.owner.replace(waker)
    }

    /// The body is gone: closes the word, if no child is counted and nothing comes after them.
    pub(crate) fn close(&mut self, word: &JoinWord) -> bool {
        if decided(self.wants_closer()) || !word.close() {
            return false;
        }
        self.phase = Phase::Ended;
        true
    }

    /// The body is gone, and something may be left. Returns the waker that was replaced, too.
    pub(crate) fn join(&mut self, word: &JoinWord, waker: Waker) -> (Join, Option<Waker>) {
        if self.phase == Phase::Ended {
            return (Join::Closed, Some(waker));
        }
        self.phase = Phase::Joining;
        let old = self.owner.replace(waker);
        let count = word.watch();
        if decided(self.wants_closer() && count == self.served()) {
            return (Join::StartCloser, old);
        }
        if word.close() {
            self.phase = Phase::Ended;
            return (Join::Closed, old);
        }
        (Join::Wait, old)
    }

    /// As [`Ending::join`], for a root, which is never closed: whether nothing below is left, and
    /// the waker that was replaced.
    pub(crate) fn await_empty(&mut self, word: &JoinWord, waker: Waker) -> (bool, Option<Waker>) {
        self.phase = Phase::Joining;
        (word.watch() == 0, self.owner.replace(waker))
    }

    /// The future is dropped early, and the body is gone. Returns the owner's waker, too.
    pub(crate) fn abandon(&mut self, word: &JoinWord) -> (Abandon, Option<Waker>) {
        self.phase = Phase::Joining;
        let old = self.owner.take();
        let count = word.watch();
        if decided(self.wants_closer() && count == self.served()) {
            return (Abandon::StartCloser, old);
        }
        self.phase = Phase::Orphaned;
        if word.close() {
            self.phase = Phase::Ended;
            return (Abandon::End, old);
        }
        (Abandon::Leave, old)
    }

    /// A poll has reached the owner. `moved`: in another host than before. The waker of that one is
    /// returned, to be woken: if it is being cut it waits for this group no more.
    pub(crate) fn reach(&mut self, moved: bool) -> Option<Waker> {
        self.reach = Reach::Polled;
        match decided(moved) {
            true => self.host.take(),
            false => None,
        }
    }

    // Children.

    /// A leaver gives its count back.
    pub(crate) fn depart(&mut self, word: &JoinWord, leaver: Leaver) -> Departure {
        if leaver == Leaver::Services {
            self.tail().served -= 1;
        }
        let body_gone = self.phase != Phase::Body;
        // If only services are left besides the leaver, or nothing, the leaver's count becomes the
        // closer's.
        let kept = decided(body_gone && self.wants_closer()).then_some(self.served());
        let Some(left) = word.depart(kept) else {
            self.closer = Closer::Runs;
            word.watch_each();
            return Departure::StartCloser;
        };
        let told = decided(self.closer == Closer::OfGroup || left <= self.not_work());
        let closer = if told { self.take_closer_waker() } else { None };
        if left > 0 {
            // Only services are left, and no closer ends them: a host that is cut goes on without
            // the owner.
            let waits = decided(self.wants_closer() && left == self.served());
            let host = if waits { self.host.take() } else { None };
            return Departure::Left {
                wakers: [closer, host],
            };
        }
        let ends = decided(self.phase == Phase::Orphaned) && word.close();
        if ends {
            self.phase = Phase::Ended;
        }
        // An owner whose body is there waits for the body, and believes that its waker is here
        // (`Owner::register`). If it is being cut, the cancel flag tells it otherwise.
        let joins = body_gone || self.host.is_some();
        let owner = if joins { self.owner.take() } else { None };
        Departure::Last {
            ends,
            wakers: [closer, owner, self.host.take()],
        }
    }

    /// A joiner of the open group asks; whether no work is left. Else its waker is kept, in the
    /// place of the key. Returns the waker that was replaced, or is not needed, too.
    pub(crate) fn join_open(
        &mut self,
        word: &JoinWord,
        key: &mut Option<Key>,
        waker: Waker,
    ) -> (bool, Option<Waker>) {
        // From now on the last leaver comes through the lock that is held.
        let _ = word.watch();
        if decided(!self.has_work(word)) {
            return (true, Some(waker));
        }
        let joiners = &mut self.tail().joiners;
        let place = key.as_mut().and_then(|key| joiners.get_mut(key));
        if let Some(place) = place {
            return (false, Some(mem::replace(place, waker)));
        }
        *key = Some(joiners.push(waker));
        (false, None)
    }

    /// A joiner goes away. Returns its waker, if it was not woken.
    pub(crate) fn forget_joiner(&mut self, key: Key) -> Option<Waker> {
        self.tail.as_mut()?.joiners.remove(key)
    }

    /// After a leaver, or the start of the closer: the joiners, to be woken, if no work is left.
    pub(crate) fn take_joiners(&mut self, word: &JoinWord) -> Option<KeyedQueue<Waker>> {
        let waits = self
            .tail
            .as_ref()
            .is_some_and(|tail| !tail.joiners.is_empty());
        if !waits || decided(self.has_work(word)) {
            return None;
        }
        Some(self.tail.as_mut()?.joiners.take())
    }

    /// Calls `f`, which is no user code, with each waker that waits for the children: of the owner
    /// that joins, and of joiners.
    pub(crate) fn each_wait(&self, f: impl FnMut(&Waker)) {
        let joins = self.phase == Phase::Joining;
        let owner = self.owner.iter().filter(|_| joins);
        let joiners = self.tail.iter().flat_map(|tail| tail.joiners.values());
        owner.chain(joiners).for_each(f);
    }

    /// Registers a cleanup.
    pub(crate) fn defer(&mut self, word: &JoinWord, defer: Defer) {
        self.tail().defers.push(defer);
        word.add_tail();
    }

    /// The node of the services, if there is one.
    pub(crate) fn services(&self) -> Option<&R> {
        let services = self.tail.as_ref()?.services.as_ref();
        services.map(|services| &services.node)
    }

    /// Registers the node of the services; given back if there is one already.
    pub(crate) fn set_services(
        &mut self,
        word: &JoinWord,
        services: Services<R>,
    ) -> Option<Services<R>> {
        if self.services().is_some() {
            return Some(services);
        }
        self.tail().services = Some(services);
        word.add_tail();
        word.watch_each();
        None
    }

    /// The node of the services has entered.
    pub(crate) fn serve(&mut self) {
        self.tail().served += 1;
    }

    /// Adds a service that was started. Returns those that have ended, or, if the group has no node
    /// of services, this one: to be dropped outside the lock.
    #[must_use]
    pub(crate) fn push_service(&mut self, service: Box<dyn Serving>) -> Vec<Box<dyn Serving>> {
        match &mut self.tail().services {
            Some(services) => services.push(service),
            None => vec![service],
        }
    }

    // Failures.

    /// Notes that an error was recorded.
    pub(crate) fn fail(&mut self) {
        if matches!(self.failure, Failure::None) {
            self.failure = Failure::Recorded;
        }
    }

    /// Keeps the first panic; gives later ones back.
    pub(crate) fn panic(&mut self, payload: Payload) -> Option<Payload> {
        if matches!(self.failure, Failure::Panicked(_)) {
            return Some(payload);
        }
        self.failure = Failure::Panicked(payload);
        None
    }

    /// Takes the first panic: for the owner, which resumes it, or for the last leaver, which
    /// reports it.
    fn take_panic(&mut self) -> Option<Payload> {
        match mem::replace(&mut self.failure, Failure::Recorded) {
            Failure::Panicked(payload) => Some(payload),
            before => {
                self.failure = before;
                None
            }
        }
    }

    // The closer.

    /// The caller has entered to start the closer. False: there is nothing for a closer to do, or
    /// it exists, and the caller gives its count back.
    #[must_use]
    pub(crate) fn start_closer(&mut self, word: &JoinWord) -> bool {
        if decided(!self.wants_closer()) {
            return false;
        }
        self.closer = Closer::Runs;
        word.watch_each();
        true
    }

    /// The next duty of the closer. If it is to wait, `waker` is kept: the closer's own, so its
    /// drop runs no user code.
    pub(crate) fn next(&mut self, word: &JoinWord, waker: &Waker) -> Next<R> {
        // Every leaver takes the lock since the closer was started, so none leaves between this and
        // the wait.
        if decided(self.has_work(word)) {
            self.tail().wakes_closer = Some(waker.clone());
            return Next::Work;
        }
        self.door = Door::Sealed;
        let tail = self.tail();
        if let Some(service) = tail.services.as_mut().and_then(Services::pop) {
            return Next::Service(service);
        }
        if decided(self.served() > 0) {
            self.tail().wakes_closer = Some(waker.clone());
            return Next::Services(self.services().cloned());
        }
        // While the body is there the defers wait for it, unless no poll will drop it before this
        // group has ended.
        let with_defers = decided(self.phase != Phase::Body || self.reach == Reach::GivenUp);
        match with_defers.then(|| self.tail().defers.pop()).flatten() {
            Some(defer) => Next::Defer(defer),
            None => {
                self.closer = Closer::None;
                Next::Done
            }
        }
    }

    /// The closer waits for the end of a service of this node.
    pub(crate) fn wait_for_service(&mut self, waker: &Waker) {
        self.tail().wakes_closer = Some(waker.clone());
    }

    // Cuts.

    /// The group is being cancelled. Returns the owner's waker, and whether the group has no poller
    /// (`Left`): then the canceller ends its services, and those of the groups in its body.
    pub(crate) fn cancel(&mut self) -> (Option<Waker>, bool) {
        let left = decided(self.reach == Reach::Left);
        (self.owner.take(), left)
    }

    /// The host has ended, and no poll in another one has come. If the group is cancelled, the
    /// caller ends its services, and those of the groups in its body.
    pub(crate) fn lose_host(&mut self) {
        self.reach = Reach::Left;
    }

    /// The host is being cut, and is to be woken by the last leaver. Returns the waker that was
    /// replaced.
    pub(crate) fn announce(&mut self, word: &JoinWord, host: Waker) -> Option<Waker> {
        if self.phase == Phase::Ended {
            return Some(host);
        }
        // A count of zero needs no wake: the host looks at it after this.
        let _ = word.watch();
        self.host.replace(host)
    }

    fn is_failed(&self) -> bool {
        !matches!(self.failure, Failure::None)
    }

    /// Whether a host that is being cut need not wait for this group, and needs no poll that may
    /// reach its owner.
    pub(crate) fn is_quiet(&self, word: &JoinWord) -> bool {
        let heard = !self.is_failed() || self.reach == Reach::GivenUp;
        decided(word.count() == 0) && decided(!self.has_defers()) && decided(heard)
    }

    /// As [`Ending::is_quiet`], by the outermost host that is being cut, after a poll that knew of
    /// the cut: it goes on with groups that only their owners could bring to an end. The groups
    /// inside this one are quiet.
    pub(crate) fn judge(&mut self, word: &JoinWord) -> Judgement {
        // Services alone wake no host: they wait to be ended.
        if decided(word.count() > self.served() || self.closer == Closer::Runs) {
            return Judgement::Busy;
        }
        if self.is_quiet(word) {
            return Judgement::Quiet;
        }
        match self.reach {
            Reach::Polled | Reach::Left => {
                self.reach = Reach::Asked;
                return Judgement::Ask(self.owner.take());
            }
            Reach::Asked => self.reach = Reach::GivenUp,
            Reach::GivenUp => {}
        }
        match self.wants_closer() {
            true => Judgement::StartCloser,
            false => Judgement::Quiet,
        }
    }

    // The end.

    /// The parent has ended: handles are refused from now on.
    pub(crate) fn seal(&mut self) {
        self.door = Door::Sealed;
    }

    /// The word is closed. Returns the remains, to be ended, or dropped outside the lock.
    pub(crate) fn finish(&mut self) -> Remains<Tail<R>> {
        self.phase = Phase::Ended;
        Remains {
            failed: self.is_failed(),
            panic: self.take_panic(),
            wakers: [self.owner.take(), self.host.take()],
            tail: self.tail.take(),
        }
    }
}
