//! The traits that the compiler gives to the public types by itself: a private field that changes
//! them breaks users.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "a probe for a trait uses one of its halves"
)]

use spinney::compat::hyper::Timer;
use spinney::compat::openmetrics::{Exporter, NameClash};
use spinney::current::{CancelKind, CancelReason, GroupPath};
use spinney::dump::{
    Dump, Endpoint, GroupDump, Stall, Straggler, Stragglers, TaskDump, TaskId, TaskState,
    ThreadState, WaitsFor,
};
use spinney::fs::{DirEntry, File, OpenOptions, ReadDir};
use spinney::future::{
    CancelSupervised, CancelTask, Cooperative, GroupFuture, Joined, Shield, SpawnBounded, Start,
    TaskLocalScope, TryGroupFuture, UnlessStopping,
};
use spinney::io::{Stderr, Stdin, Stdout};
use spinney::net::{
    Accept, Async, OwnedReadHalf, OwnedWriteHalf, PeerCredentials, ReuniteError, TcpListener,
    TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe,
};
use spinney::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use spinney::runtime::{
    BuildError, EnterGuard, GroupMetrics, Histogram, Metrics, Statistics, Tokio, WorkerMetrics,
};
use spinney::serve::{
    Answering, AnsweringInTime, BodyError, ConnectionHandle, Counts, Deadlines, Ending,
    ForwardDeadlines, Forwarding, Inherited, InheritedSocket, Peer, Phase, Report, RequestBody,
    Routed, RoutedBody, Routes, Server, ServerHandle, ServiceFn, TimedBody, Timely,
};
use spinney::signal::{DumpOn, Signal, Signals};
use spinney::time::{Elapsed, Interval, ManualClock, MissedTickBehavior, Sleep, Timeout};
use spinney::trace::{AlreadyRecording, Recording, Trace};
use spinney::{
    Bounded, ErrorEntry, Errors, Failure, Generator, Group, GroupBuilder, GroupHandle, Ready,
    Restart, Runtime, RuntimeBuilder, ServiceHandle, StartError, Supervised, Task, TaskLocal,
    TaskSet, Unobserved, Yielder,
};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::marker::{PhantomData, PhantomPinned};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::rc::Rc;
use std::{fs, future};

/// Whether a type has a trait: an inherent constant, which is there if it has, comes before that of
/// a trait.
macro_rules! has {
    ($type:ty: $trait:path) => {{
        trait Lacks {
            const HAS: bool = false;
        }
        impl<T: ?Sized> Lacks for Probe<T> {}
        struct Probe<T: ?Sized>(PhantomData<T>);
        impl<T: ?Sized + $trait> Probe<T> {
            const HAS: bool = true;
        }
        <Probe<$type>>::HAS
    }};
}

/// A type as it is written, what its row says of it, and what the compiler found.
struct Row {
    name: &'static str,
    said: &'static str,
    has: String,
}

macro_rules! rows {
    ($($type:ty => $said:literal,)*) => {
        vec![$({
            let all = [
                ("Send", has!($type: Send)),
                ("Sync", has!($type: Sync)),
                ("Unpin", has!($type: Unpin)),
                ("UnwindSafe", has!($type: UnwindSafe)),
                ("RefUnwindSafe", has!($type: RefUnwindSafe)),
            ];
            let has: Vec<_> = all.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
            Row { name: stringify!($type), said: $said, has: has.join(" ") }
        },)*]
    };
}

/// `Send`, and not `Sync`.
type Alone = Cell<u8>;
/// Neither.
type Here = Rc<u8>;
/// The body of a group, and its future.
type Body<E, F> = fn(Group<'static, 'static, E>) -> F;
type Future = future::Ready<u8>;
type Pinned = PhantomPinned;
type Never = spinney::Never;

fn rows() -> Vec<Row> {
    rows! {
        Runtime => "Send Sync Unpin",
        RuntimeBuilder => "Send Sync Unpin",
        BuildError => "Send Sync Unpin",
        EnterGuard<'static> => "Unpin",
        Metrics => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Exporter => "Send Sync Unpin",
        NameClash => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Recording => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        AlreadyRecording => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Trace => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Statistics => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        WorkerMetrics => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        GroupMetrics => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Histogram => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Dump => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        GroupDump => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        TaskDump => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Endpoint => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        WaitsFor => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        TaskState => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Stall => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        ThreadState => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Tokio => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        TaskId => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Straggler => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Stragglers => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Unobserved => "Send Unpin",
        CancelKind => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        CancelReason => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        GroupPath => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Errors<u8> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Errors<Alone> => "Send Unpin UnwindSafe",
        ErrorEntry<'static, u8> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        ErrorEntry<'static, Alone> => "Unpin",
        Failure<u8> => "Send Unpin",
        StartError<u8> => "Send Unpin",
        GroupBuilder<u8> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        GroupBuilder<Alone> => "Send Unpin UnwindSafe",
        Restart => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Group<'static, 'static, u8> => "Send Sync Unpin",
        Group<'static, 'static, Alone> => "Send Sync Unpin",
        GroupHandle<u8> => "Send Sync Unpin",
        GroupHandle<Alone> => "Send Sync Unpin",
        ServiceHandle<u8> => "Send Sync Unpin",
        ServiceHandle<Alone> => "Send Sync Unpin",
        GroupFuture<'static, u8, Body<Never, Future>, Future> => "Send Sync",
        GroupFuture<'static, Alone, Body<Never, Pinned>, Pinned> => "Send",
        GroupFuture<'static, u8, Body<Never, Here>, Here> => "",
        TryGroupFuture<'static, u8, u8, Body<u8, Future>, Future> => "Send Sync",
        TryGroupFuture<'static, u8, Alone, Body<Alone, Pinned>, Pinned> => "Send",
        TryGroupFuture<'static, u8, u8, Body<u8, Here>, Here> => "",
        Joined<'static> => "Send Sync Unpin",
        UnlessStopping<Future> => "Send Sync Unpin",
        UnlessStopping<Pinned> => "Send Sync",
        UnlessStopping<Here> => "Unpin",
        Task<'static, u8> => "Send Sync Unpin",
        Task<'static, Alone> => "Send Sync Unpin",
        Task<'static, Here> => "Unpin",
        Task<'static, Pinned> => "Send Sync Unpin",
        CancelTask<'static, u8> => "Send Sync Unpin",
        CancelTask<'static, Here> => "Unpin",
        Supervised<'static, u8, u8> => "Send Sync Unpin",
        Supervised<'static, Alone, Alone> => "Send Sync Unpin",
        Supervised<'static, Here, u8> => "Unpin",
        CancelSupervised<'static, u8, u8> => "Send Sync Unpin",
        CancelSupervised<'static, Here, u8> => "Unpin",
        TaskSet<'static, 'static, u8, u8> => "Send Sync Unpin",
        TaskSet<'static, 'static, Alone, Alone> => "Send Sync Unpin",
        TaskSet<'static, 'static, Here, u8> => "Unpin",
        Bounded<'static, 'static, u8> => "Send Sync Unpin",
        SpawnBounded<'static, 'static, Future, u8> => "Send Sync Unpin",
        SpawnBounded<'static, 'static, Pinned, u8> => "Send Sync Unpin",
        SpawnBounded<'static, 'static, Here, u8> => "Unpin",
        Ready<u8> => "Send Sync Unpin",
        Ready<Alone> => "Send Sync Unpin",
        Ready<Here> => "Unpin",
        Start<'static, 'static, u8, u8> => "Send Sync Unpin",
        Start<'static, 'static, Alone, Alone> => "Send Sync Unpin",
        Start<'static, 'static, Here, u8> => "Unpin",
        Yielder<u8> => "Send Sync Unpin",
        Yielder<Here> => "Unpin",
        Generator<'static, u8> => "Send Sync Unpin",
        Generator<'static, Alone> => "Send Sync Unpin",
        Generator<'static, Here> => "Unpin",
        Shield<Future> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Shield<Pinned> => "Send Sync UnwindSafe RefUnwindSafe",
        Shield<Here> => "Unpin UnwindSafe RefUnwindSafe",
        Cooperative<Future> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Cooperative<Alone> => "Send Unpin UnwindSafe",
        Cooperative<Pinned> => "Send Sync UnwindSafe RefUnwindSafe",
        Cooperative<Here> => "Unpin UnwindSafe RefUnwindSafe",
        TaskLocal<u8> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        TaskLocal<Here> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        TaskLocalScope<Future> => "Send Sync Unpin",
        TaskLocalScope<Pinned> => "Send Sync",
        TaskLocalScope<Here> => "Unpin",
        Sleep => "Send Sync Unpin",
        Interval => "Send Sync Unpin",
        MissedTickBehavior => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Timeout<Future> => "Send Sync Unpin",
        Timeout<Pinned> => "Send Sync",
        Timeout<Here> => "Unpin",
        Elapsed => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        ManualClock => "Send Sync Unpin",
        TcpListener => "Send Sync Unpin",
        UnixListener => "Send Sync Unpin",
        UnixStream => "Send Sync Unpin",
        UnixDatagram => "Send Sync Unpin",
        UdpSocket => "Send Sync Unpin",
        TcpSocket => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Async<std::net::UdpSocket> => "Send Sync Unpin",
        pipe::Sender => "Send Sync Unpin",
        pipe::Receiver => "Send Sync Unpin",
        pipe::OpenOptions => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        PeerCredentials => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Accept<'static> => "Send Sync Unpin",
        TcpStream => "Send Sync Unpin",
        Stdin => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Stdout => "Send Sync Unpin",
        Stderr => "Send Sync Unpin",
        File => "Send Sync Unpin",
        OpenOptions => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        ReadDir => "Send Unpin",
        DirEntry => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        OwnedReadHalf => "Send Sync Unpin",
        OwnedWriteHalf => "Send Sync Unpin",
        ReuniteError => "Send Sync Unpin",
        Command => "Send Sync Unpin",
        Child => "Send Sync Unpin",
        ChildStdin => "Send Sync Unpin",
        ChildStdout => "Send Sync Unpin",
        ChildStderr => "Send Sync Unpin",
        Signal => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        DumpOn => "Send Sync Unpin",
        Signals => "Send Sync Unpin",
        Server => "Send Sync Unpin",
        ServerHandle => "Send Sync Unpin",
        Phase => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Report => "Send Sync Unpin",
        Ending => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Counts => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Peer => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        ConnectionHandle => "Send Sync Unpin",
        RequestBody => "Send Sync Unpin",
        BodyError => "Send Sync Unpin",
        Routes => "Send Sync Unpin",
        Routed<u8> => "Send Sync Unpin",
        Routed<Alone> => "Send Unpin",
        RoutedBody<u8> => "Send Unpin",
        Answering<Future> => "Send Unpin",
        Inherited => "Send Sync Unpin",
        InheritedSocket => "Send Sync Unpin",
        Deadlines => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        ForwardDeadlines => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Forwarding<u8> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Forwarding<Alone> => "Send Unpin UnwindSafe",
        Timely<u8> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        Timely<Alone> => "Send Unpin UnwindSafe",
        TimedBody<u8> => "Send Sync Unpin",
        AnsweringInTime<Future, u8, u8> => "Send Unpin",
        ServiceFn<u8> => "Send Sync Unpin UnwindSafe RefUnwindSafe",
        ServiceFn<Alone> => "Send Unpin UnwindSafe",
        Timer => "Send Sync Unpin UnwindSafe RefUnwindSafe",
    }
}

#[test]
fn public_types_have_the_traits_that_they_had() {
    for row in rows() {
        assert_eq!(row.has, row.said, "{}", row.name);
    }
}

/// Names of types that a file of the source declares for users.
fn declared(text: &str) -> Vec<String> {
    let kinds = ["pub struct ", "pub enum ", "pub union "];
    let lines = text.lines().map(str::trim_start);
    let found = lines.filter_map(|line| kinds.iter().find_map(|kind| line.strip_prefix(kind)));
    let name = |rest: &str| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    found.map(name).collect()
}

/// The same of a folder. Each `pub` type can be reached from outside: the lint `unreachable_pub`
/// sees to that.
fn declared_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            declared_in(&path, found);
        } else {
            found.extend(declared(&fs::read_to_string(path).unwrap()));
        }
    }
}

#[test]
fn every_public_type_has_a_row() {
    let sample = "pub struct A<T>(T);\n    pub enum B {\npub(crate) struct No;\npub struct C;";
    assert_eq!(declared(sample), ["A", "B", "C"]);
    let mut types = BTreeSet::new();
    declared_in(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut types,
    );
    // `pipe::Sender`, and `Task<'s, u8>`: the name alone.
    let path = |row: Row| row.name.split('<').next().unwrap().trim().to_owned();
    let name = |row: Row| path(row).rsplit("::").next().unwrap().to_owned();
    let rows: BTreeSet<_> = rows().into_iter().map(name).collect();
    assert!(types.contains("Runtime") && types.contains("Metrics"));
    assert_eq!(rows, types, "a row for each public type, and no other");
}
