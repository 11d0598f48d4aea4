//! A group's node: the group without its types.
//!
//! `tree` opens it, connects it with its parent, counts children in and out, cancels, empties and
//! ends it; `task` links members to it; `poll` and `pool` read it. It knows counters, flags, lists,
//! wakers and defers, and no type of a task, of a child's future or of an error: all that depends
//! on those is behind [`NodeTable`], and the runtime is behind [`Pool`].
//!
//! # Two numbers
//!
//! *References keep the memory; counts keep the join.* `refs` counts the holders that may still
//! read the node: its owner (the group's future), its inner nodes, a cascade or a reaper on its
//! way, and any other [`NodeRef`]. The join word counts children. A node counts in its parent
//! exactly while its own count is not zero, so a forgotten future cannot hang the parent. The count
//! of a root, which no holder may keep after the end of the runtime, owns a reference
//! (`tree::leave::Counted::first`).
//!
//! # States
//!
//! | flag | set if |
//! |---|---|
//! | `CANCELLED` | children and body are to be cut; never cleared |
//! | `OUTER` | the cancel came from outside the group: the owner does not resolve, unless a failure was recorded |
//! | `STOPPING` | the group was asked to stop; never cleared |
//! | `SHIELDED` | the owner polled it last inside a shield or a defer, or it is a node of services: a cascade from above stops here |
//! | `SERVING` | its children are services of its parent, which receives their failures; set before a child enters, never cleared |
//! | `UNATTACHED` | it is in the list of no parent and in no host: only the first poll of its future knows it; cleared under the node's lock, never set |
//!
//! How it ends is one state machine, under the node's lock: see `ending`.
//!
//! # Protocol
//!
//! Marking: 1. set the flag; 2. lock; collect wakers and inner nodes; unlock; 3. wake. Linking (a
//! member, an inner node): 1. lock and link; 2. read the flag. One of the two sees the other,
//! because both sides pass through the lock.
//!
//! Parent: it changes by adoption alone, under the node's lock, while the count is zero. A reader
//! that holds a count reads it as it is ([`Node::settled_parent`]): it was settled before the count
//! began, and so for all ancestors, which are counted, too. Any other reader makes a reference
//! under the lock ([`Node::parent`]). So a node keeps no parent but the present one.

#![expect(unsafe_code, reason = "nodes are reached through counted raw pointers")]

use crate::group::arena::Arena;
use crate::group::host::{self, Hosted};
use crate::group::list::{Links, List};
use crate::group::name::{Name, NamedEnd};
use crate::group::pool::{Grouped, Pool};
use crate::group::word::JoinWord;
use crate::group::{ending, gate, rare, services};
use crate::job::{Job, JobHeader, JobTable};
use crate::report::dump::TaskDump;
use crate::spans::GroupSpan;
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
use crate::sync::{Mutex, OnceLock};
use crate::waiters::{Key, Waiters};
use std::borrow::Cow;
use std::fmt;
use std::mem::{ManuallyDrop, offset_of};
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::Waker;
use std::time::Instant;

/// How a group ends.
pub(crate) type Ending = ending::Ending<NodeRef>;
/// What comes after the work of a group.
pub(crate) type Tail = ending::Tail<NodeRef>;
/// The services of a group.
pub(crate) type Services = services::Services<NodeRef>;
/// A host of groups.
pub(crate) type Host = host::Host<Node>;
/// The gate of a group, for handle holders.
pub(crate) type Gate = gate::Gate<NodeRef>;
/// What few groups have.
pub(crate) type Rare = rare::Rare<NodeRef>;

/// See the table in the module's documentation.
pub(crate) const CANCELLED: u32 = 1;
pub(crate) const OUTER: u32 = 1 << 1;
pub(crate) const STOPPING: u32 = 1 << 2;
pub(crate) const SHIELDED: u32 = 1 << 3;
pub(crate) const SERVING: u32 = 1 << 4;
pub(crate) const UNATTACHED: u32 = 1 << 5;

/// What lies behind the untyped node.
pub(crate) struct NodeTable {
    /// How the reaper is run: the job of the node that cuts its members.
    pub(crate) reaper: &'static NodeJobTable,
    /// Frees the node, as the type that it was allocated as.
    pub(crate) free: unsafe fn(NonNull<Node>),
    /// Hands every recorded error to the runtime's hook.
    pub(crate) report_errors: unsafe fn(NonNull<Node>),
    /// Starts the closer, which ends services and runs defers; it takes over one count.
    pub(crate) start_closer: unsafe fn(&Node),
    /// Marks the member cancelled; the job is the right to cut it, if it was idle.
    pub(crate) mark_member: unsafe fn(NonNull<Links>) -> Option<Job>,
    /// Describes the member to a human.
    pub(crate) describe_member: unsafe fn(NonNull<Links>) -> TaskDump,
    /// Takes a reference that keeps the memory of the member.
    pub(crate) keep_member: unsafe fn(NonNull<Links>),
    /// Gives such a reference back.
    pub(crate) release_member: unsafe fn(NonNull<Links>),
}

/// A job of a node, which owns a reference to it.
pub(crate) trait NodeJob {
    fn run(node: NodeRef);
}

/// How the job of a node is run.
pub(crate) struct NodeJobTable(JobTable);

impl NodeJobTable {
    /// Of the job that `J` is.
    pub(crate) const fn of<J: NodeJob>() -> Self {
        Self(JobTable {
            run: Self::run::<J>,
            group: |_| ptr::null(),
            id: |_| None,
            describe: |_| None,
            on_stack: false,
        })
    }

    unsafe fn run<J: NodeJob>(header: NonNull<JobHeader>) {
        // SAFETY: `JobTable::run` (1): the pointer is the one that `into_job` made from a whole
        // node by adding this offset.
        let node = unsafe { header.byte_sub(offset_of!(Node, reaper)) };
        // SAFETY: `into_job` gave one reference up to this job, by `into_raw`. `JobTable::run` (2):
        // it is called once for each job.
        J::run(unsafe { NodeRef::from_raw(node.cast()) });
    }
}

/// The part of a node that only its lock protects.
pub(crate) struct Slow {
    /// How the group ends.
    pub(crate) ending: Ending,
    /// Members that no reaper has seen.
    pub(crate) members: List,
    /// Members that were marked and have not ended.
    pub(crate) marked: List,
    /// Nodes whose parent this is.
    pub(crate) inner: List,
    pub(crate) arena: Arena,
    rare: Option<Box<Rare>>,
}

impl Slow {
    /// The rare part, if there is one.
    pub(crate) fn known(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// The rare part, to be changed, if there is one.
    pub(crate) fn known_mut(&mut self) -> Option<&mut Rare> {
        self.rare.as_deref_mut()
    }

    /// The group's own deadline.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.known()?.deadline
    }

    /// The rare part, which is made if there is none.
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// What makes up a group without its types.
///
/// Every child writes the word. What is next to it on both sides, as far as a cache line goes
/// wherever it begins, is used when the group is opened, moved, cut or ended; of that a leaver
/// reads the parent, together with the word. An alignment would keep the word apart, too, but takes
/// the slow path of the allocator: 580 instructions more for each group, with glibc.
#[repr(C)]
pub(crate) struct Node {
    /// This node, with the provenance of the whole allocation. Written once, before the node is
    /// shared.
    pub(crate) whole: NonNull<Node>,
    pool: NonNull<dyn Pool>,
    flags: AtomicU32,
    /// In which host this group is open, and its neighbours there, under the lock of that host.
    pub(crate) hosted: Hosted<Node>,
    /// In the parent's `inner` list, under the parent's lock.
    pub(crate) links: Links,
    refs: AtomicUsize,
    parent: AtomicPtr<Node>,
    pub(crate) word: JoinWord,
    /// The groups that are open in this group's body.
    pub(crate) body: Host,
    pub(crate) reaper: JobHeader,
    pub(crate) table: &'static NodeTable,
    name: Option<Box<Name>>,
    pub(crate) location: &'static Location<'static>,
    /// Woken when the group is asked to stop, is cancelled, or ends. Made when the first comes.
    stop_waiters: OnceLock<Box<Waiters>>,
    pub(crate) span: GroupSpan,
    pub(crate) slow: Mutex<Slow>,
}

/// Bytes of a cache line, on the machines that we know.
const LINE: usize = 64;

const _: () = {
    let word = offset_of!(Node, word);
    let before = offset_of!(Node, hosted) + LINE <= word + size_of::<JoinWord>();
    let after = word + LINE <= offset_of!(Node, slow);
    assert!((before && after) || !crate::sync::EXACT_SIZES);
};

// SAFETY: the lists are reached under locks (`links` under the parent's, `hosted` under the host's,
// those in `slow` under the node's own); `pool` points to a `Sync` object that the root keeps
// alive; the rest is atomic or immutable.
unsafe impl Sync for Node {}
// SAFETY: nothing in it belongs to a thread: the lists are reached under locks, `pool` points to
// an object that is `Send` and `Sync`, and the rest is `Send`.
unsafe impl Send for Node {}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name())
            .field("children", &self.word.count())
            .field("flags", &self.flags())
            .finish_non_exhaustive()
    }
}

/// How a node begins.
pub(crate) struct Opening {
    pub(crate) name: Option<Box<Name>>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) shielded: bool,
    /// It is attached later, or never: see `tree::attach`.
    pub(crate) unattached: bool,
    pub(crate) span: GroupSpan,
}

impl Node {
    /// A node that is not yet in its allocation: see [`Whole`](crate::group::whole::Whole).
    #[inline]
    pub(super) fn new(
        table: &'static NodeTable,
        pool: NonNull<dyn Pool>,
        parent: *mut Self,
        opening: Opening,
    ) -> Self {
        let shielded = if opening.shielded { SHIELDED } else { 0 };
        let unattached = if opening.unattached { UNATTACHED } else { 0 };
        Self {
            table,
            whole: NonNull::dangling(),
            pool,
            flags: AtomicU32::new(shielded | unattached),
            hosted: Hosted::new(),
            links: Links::new(),
            refs: AtomicUsize::new(1),
            parent: AtomicPtr::new(parent),
            word: JoinWord::new(),
            body: Host::new(),
            reaper: JobHeader {
                table: &table.reaper.0,
            },
            name: opening.name,
            location: opening.location,
            stop_waiters: OnceLock::new(),
            span: opening.span,
            slow: Mutex::new(Slow {
                ending: Ending::new(),
                members: List::new(),
                marked: List::new(),
                inner: List::new(),
                arena: Arena::new(),
                rare: None,
            }),
        }
    }

    /// The name, if it was given one.
    pub(crate) fn name(&self) -> Option<&Cow<'static, str>> {
        self.name.as_ref().map(|name| &name.text)
    }

    /// The group has ended: closes its span, and counts it by its name, if it has one.
    #[inline]
    pub(crate) fn note_end(&self, how: impl FnOnce() -> NamedEnd) {
        self.span.close();
        if let Some(counted) = self.name.as_ref().and_then(|name| name.counted) {
            self.pool().named_ends(counted, how());
        }
    }

    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        // Relaxed: flags are level-triggered hints; a reader that must not miss one reads it after
        // it passed through the node's lock.
        self.flags.load(Ordering::Relaxed)
    }

    /// Sets flags and returns the former ones.
    #[inline]
    pub(crate) fn set_flags(&self, flags: u32) -> u32 {
        // Relaxed: what follows from a flag is ordered by the node's lock (Marking and Linking, in
        // the head).
        self.flags.fetch_or(flags, Ordering::Relaxed)
    }

    pub(crate) fn clear_flags(&self, flags: u32) {
        // Relaxed: what follows from a flag is ordered by the node's lock (Marking and Linking, in
        // the head).
        self.flags.fetch_and(!flags, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.flags() & CANCELLED != 0
    }

    /// Whether there is nothing in it that is to be dropped: so for most nodes that are freed one
    /// look at each field is enough. Not asked in the twin, whose locks and atomics see their end.
    pub(super) fn is_bare(&mut self) -> bool {
        let slow = self.slow.get_mut();
        slow.rare.is_none()
            && slow.arena.is_unused()
            && slow.ending.is_bare()
            && self.stop_waiters.get().is_none()
            && self.name.is_none()
            && self.span.is_none()
            && self.body.is_empty()
    }

    /// Whether it is attached to its parent, or will be by another thread.
    #[inline]
    pub(crate) fn is_attached(&self) -> bool {
        self.flags() & UNATTACHED == 0
    }

    /// Whether nothing but the reference of the caller leads to this unattached node, nothing was
    /// done to it, and `admits` says so of its parent. It has never had a child.
    pub(crate) fn is_untouched(&self, admits: impl FnOnce(&Self) -> bool) -> bool {
        if self.is_attached() {
            return false;
        }
        // Relaxed: no reference can come but from the one that there is; the writes of holders
        // that have gone are seen by the free, as those of any (`NodeRef::drop`).
        let unknown = self.refs.load(Ordering::Relaxed) == 1;
        let slow = self.slow.lock();
        // SAFETY: alive: the node holds a reference on its parent, which does not change while the
        // lock is held.
        let parent = self.parent_ptr().map(|parent| unsafe { parent.as_ref() });
        // Relaxed: only the owner of the future, which calls this, puts it into a host.
        let unhosted = self.hosted.host.load(Ordering::Relaxed).is_null();
        unknown
            && unhosted
            && self.flags() & !SHIELDED == UNATTACHED
            && slow.rare.is_none()
            && slow.arena.is_empty()
            && slow.ending.is_new()
            && parent.is_none_or(admits)
    }

    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.flags() & (CANCELLED | STOPPING) != 0
    }

    #[inline]
    pub(crate) fn pool(&self) -> &dyn Pool {
        // SAFETY: the root of this tree keeps the object alive, and the chain of parents keeps the
        // root.
        unsafe { self.pool.as_ref() }
    }

    pub(crate) fn pool_ptr(&self) -> NonNull<dyn Pool> {
        self.pool
    }

    /// Where the parent is; `None` for a root. It is followed only by a caller that knows the
    /// parent to be settled, or holds the lock of this node: both keep it.
    #[inline]
    pub(crate) fn parent_ptr(&self) -> Option<NonNull<Self>> {
        // Relaxed: a settled parent was settled before the caller came: by the first entry, the
        // making of the node, or the lock. Others change under the lock, or are compared only.
        NonNull::new(self.parent.load(Ordering::Relaxed))
    }

    /// Whether that is the present parent of this node.
    pub(crate) fn is_child_of(&self, parent: &Self) -> bool {
        // A node moves away only from a parent that has ended: exact for one that has not.
        self.parent_ptr() == Some(parent.whole)
    }

    /// Puts another parent in the place of the present one, which comes back.
    ///
    /// # Safety
    ///
    /// 1. The lock of this node is held.
    /// 2. The present parent has ended: so no child is counted in this node.
    /// 3. `new` is an ancestor of this node.
    pub(crate) unsafe fn set_parent(&self, new: NodeRef) -> Option<NodeRef> {
        // Relaxed: it changes under the lock, which is held (1); readers are counted, or come
        // through that lock.
        let former = self.parent.swap(new.into_raw(), Ordering::Relaxed);
        // SAFETY: `from_raw`: the node owned the reference on its former parent, made by
        // `into_raw`, and has another parent now.
        NonNull::new(former).map(|former| unsafe { NodeRef::from_raw(former) })
    }

    /// Whether its children are services of its parent.
    #[inline]
    pub(crate) fn serves(&self) -> bool {
        self.flags() & SERVING != 0
    }

    /// Calls `f` with the parent, under the lock of this node; `None`: it is a root.
    #[inline]
    pub(crate) fn with_parent<R>(&self, f: impl FnOnce(&Self) -> R) -> Option<R> {
        let _settled = self.slow.lock();
        // SAFETY: alive: the node holds a reference on its present parent, which cannot change
        // while the lock is held.
        self.parent_ptr()
            .map(|parent| f(unsafe { parent.as_ref() }))
    }

    /// The parent, or `None` for a root.
    pub(crate) fn parent(&self) -> Option<NodeRef> {
        self.with_parent(Self::to_ref)
    }

    /// The parent of a node that is not being adopted, or `None` for a root.
    ///
    /// # Safety
    ///
    /// For as long as the reference is used the node is counted, or is the node of the services of
    /// a group that has not ended, or is not yet known to others, or its word is closed and the
    /// caller has passed through its lock since.
    pub(crate) unsafe fn settled_parent(&self) -> Option<&Self> {
        // SAFETY: alive: the node holds a reference on its parent, which does not change for as
        // long as the caller uses the reference (`settled_parent`).
        self.parent_ptr().map(|parent| unsafe { parent.as_ref() })
    }

    /// Registers a waker for a stop, a cancel or the end, in place of the one before under the same
    /// key. The caller looks at the flags afterwards.
    pub(crate) fn wait_for_stop(&self, key: &mut Key, waker: &Waker) {
        let waiters = self.stop_waiters.get().unwrap_or_else(|| {
            // Under the lock, through which those pass that set a flag, before they look for
            // waiters: they find these, or the caller finds the flag.
            let _lock = self.slow.lock();
            self.stop_waiters.get_or_init(Box::default)
        });
        waiters.register(key, waker);
    }

    /// Takes such a waker back.
    pub(crate) fn forget_stop(&self, key: &mut Key) {
        if let Some(waiters) = self.stop_waiters.get() {
            waiters.remove(key);
        }
    }

    /// Wakes those who wait for a stop. The flag was set before, or the word closed, and the lock
    /// passed since. That is user code: no lock may be held.
    pub(crate) fn wake_stop_waiters(&self) {
        if let Some(waiters) = self.stop_waiters.get() {
            waiters.wake_all();
        }
    }

    /// The host of the groups that are open in this group's body.
    #[inline]
    pub(crate) fn body(&self) -> Pin<&Host> {
        // SAFETY: a node stays where it was allocated until it is dropped there: `allocate` is the
        // only way out of `new`.
        unsafe { Pin::new_unchecked(&self.body) }
    }

    /// The node that records failures of this one's children: the group of which they are services,
    /// or this node.
    pub(crate) fn receiver(&self) -> &Self {
        if !self.serves() {
            return self;
        }
        // SAFETY: `settled_parent`: it is the node of services of a group that has not ended: a
        // group ends after its services, and the caller is one or has started one.
        unsafe { self.settled_parent() }.unwrap_or(self)
    }

    /// One more reference to the memory.
    #[inline]
    pub(crate) fn to_ref(&self) -> NodeRef {
        // Relaxed: a new reference is made from one that exists; nothing is published.
        let refs = self.refs.fetch_add(1, Ordering::Relaxed);
        if refs > usize::MAX / 2 {
            std::process::abort();
        }
        NodeRef(self.whole)
    }
}

impl Grouped for Node {
    fn address(&self) -> usize {
        self.whole.addr().get()
    }

    fn address_of_parent(&self) -> usize {
        // To be compared only.
        self.parent_ptr().map_or(0, |parent| parent.addr().get())
    }

    fn label(&self) -> Cow<'static, str> {
        match self.name() {
            Some(name) => name.clone(),
            None => self.location.to_string().into(),
        }
    }
}

/// A counted reference to a node's memory.
pub(crate) struct NodeRef(NonNull<Node>);

// SAFETY: the reference count is atomic, the node is `Sync`, and it is `Send` for the thread that
// frees it.
unsafe impl Send for NodeRef {}
// SAFETY: a shared reference gives a `&Node`, which is `Sync`, and clones by an atomic count.
unsafe impl Sync for NodeRef {}

impl NodeRef {
    #[inline]
    pub(crate) fn as_ptr(&self) -> NonNull<Node> {
        self.0
    }

    #[inline]
    pub(crate) fn into_raw(self) -> *mut Node {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// The job of the node's table, which this reference goes to.
    pub(crate) fn into_job(self) -> Job {
        let node = ManuallyDrop::new(self).0;
        // SAFETY: in bounds of the node; the pointer keeps the provenance of the whole node.
        let header = unsafe { node.byte_add(offset_of!(Node, reaper)) };
        // SAFETY: (1): the reference, which is given up, keeps the node until the job runs, which
        // takes it over. (2): nodes are `Send` and `Sync`, so any thread may run it. (3): there may
        // be a second job for this node, but each owns a reference of its own, and a `NodeJob` is
        // safe code, which may run twice at once.
        unsafe { Job::new(header.cast()) }
    }

    /// Takes a reference over.
    ///
    /// # Safety
    ///
    /// The caller owns one reference to `node`, made by [`NodeRef::into_raw`] or with the node, and
    /// gives it up.
    pub(crate) unsafe fn from_raw(node: NonNull<Node>) -> Self {
        Self(node)
    }
}

impl Deref for NodeRef {
    type Target = Node;

    #[inline]
    fn deref(&self) -> &Node {
        // SAFETY: the reference keeps the node alive.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for NodeRef {
    fn clone(&self) -> Self {
        self.to_ref()
    }
}

impl Drop for NodeRef {
    fn drop(&mut self) {
        let mut at = self.0;
        loop {
            // SAFETY: one reference is held until the decrement below.
            let node = unsafe { at.as_ref() };
            // Relaxed: ordered by the fence below. The only reference is not taken out: no other
            // holder could see that, and a locked instruction is saved for most nodes.
            let only = node.refs.load(Ordering::Relaxed) == 1;
            // Release: pairs with the fence below: this holder's accesses come before the free by
            // the last one.
            if !only && node.refs.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            // Acquire: pairs with the Release decrements of all other holders: the free comes after
            // their accesses.
            fence(Ordering::Acquire);
            if node.links.is_linked() {
                // A bug of ours, which is better leaked than freed: the list still leads here.
                debug_assert!(
                    false,
                    "a group leaves the list of its parent before it is freed"
                );
                return;
            }
            let parent = node.parent_ptr();
            // SAFETY: `NodeTable::free`: the table is the node's own, and the last reference is
            // gone, so no other thread can reach the node.
            unsafe { (node.table.free)(at) };
            // The node's reference on its parent is the next to release: a loop, because trees are
            // deep.
            match parent {
                Some(parent) => at = parent,
                None => return,
            }
        }
    }
}

impl fmt::Debug for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
