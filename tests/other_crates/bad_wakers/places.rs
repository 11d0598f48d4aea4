//! Each place where a waker is cloned, as a future that waits for its world to be released.

use crate::common::drops::Alive;
use crate::common::durations::SECOND;
use async_channel::{Receiver, Sender, bounded};
use futures_lite::{AsyncRead, Stream};
use spinney::net::{TcpListener, TcpStream};
use spinney::time::{ManualClock, interval};
use spinney::{Group, Ready, Yielder, blocking, current, race, shield, sleep, timeout};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};

/// What the futures under attack wait for, and what releases them.
pub(crate) struct World {
    release: Sender<()>,
    released: Receiver<()>,
    clock: ManualClock,
    listener: std::net::TcpListener,
    pub(crate) children: Arc<AtomicUsize>,
}

impl World {
    pub(crate) fn new(clock: ManualClock) -> Self {
        let (release, released) = bounded(1);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            release,
            released,
            clock,
            listener,
            children: Arc::default(),
        }
    }

    /// What the futures wait for comes now.
    pub(crate) fn release(&self) {
        self.release.close();
        self.clock.advance(10 * SECOND);
        std::net::TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
    }

    pub(crate) fn seed(&self) -> Seed {
        let listener = self.listener.try_clone().unwrap();
        listener.set_nonblocking(true).unwrap();
        Seed {
            released: self.released.clone(),
            listener: TcpListener::from_std(listener).unwrap(),
            children: Arc::clone(&self.children),
        }
    }
}

/// The half of a world that futures have.
pub(crate) struct Seed {
    released: Receiver<()>,
    listener: TcpListener,
    pub(crate) children: Arc<AtomicUsize>,
}

impl Seed {
    /// A child that waits, and is counted as long as it lives.
    fn child<E: Send>(&self) -> impl Future<Output = Result<(), E>> + Send + use<E> {
        let alive = Alive::new(&self.children);
        let released = self.released.clone();
        async move {
            let _alive = alive;
            let _ = released.recv().await;
            Ok(())
        }
    }

    /// Plants a future, and a child that stops its group when the world is released.
    pub(crate) fn plant<'s>(self, g: Group<'s, 'static>, place: Place) -> Leaf<'s> {
        let released = self.child::<()>();
        g.spawn(async move {
            let _ = released.await;
            g.stop();
        });
        place(g, g.keep(self))
    }
}

pub(crate) type Leaf<'s> = Pin<Box<dyn Future<Output = ()> + Send + 's>>;
pub(crate) type Place = for<'s> fn(Group<'s, 'static>, &'s Seed) -> Leaf<'s>;

/// Unlike an `async` block this can be polled again after a panic.
pub(crate) fn leaf<'s, T>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T> + Send + 's,
) -> Leaf<'s> {
    Box::pin(poll_fn(move |cx| poll(cx).map(drop)))
}

pub(crate) fn unpin<'s, F: Future + Unpin + Send + 's>(mut future: F) -> Leaf<'s> {
    leaf(move |cx| Pin::new(&mut future).poll(cx))
}

/// Each place where a waker is cloned, as a future that is ready when the world was released.
pub(crate) const PLACES: [(&str, Place); 26] = [
    ("group", |g, seed| {
        Box::pin(g.group(async move |h| h.spawn(seed.child()).await))
    }),
    ("groups in groups", |g, seed| {
        Box::pin(g.group(async move |h| {
            let inner = h.group(async move |i| {
                i.defer(async {});
                i.spawn(seed.child()).await;
            });
            inner.await
        }))
    }),
    ("group that joins", |g, seed| {
        Box::pin(g.group(async move |h| {
            h.defer(async {});
            h.spawn(seed.child());
        }))
    }),
    ("Task", |g, seed| unpin(g.spawn(seed.child()))),
    ("Supervised", |g, seed| unpin(g.supervise(seed.child()))),
    ("Task::cancel", |g, seed| {
        unpin(g.spawn(shield(seed.child())).cancel())
    }),
    ("Supervised::cancel", |g, seed| {
        unpin(g.supervise(shield(seed.child())).cancel())
    }),
    ("TaskSet::next", |g, seed| {
        let mut set = g.set();
        set.spawn(seed.child());
        leaf(move |cx| Pin::new(&mut set).poll_next(cx))
    }),
    ("Generator::next", |g, seed| {
        let mut values = g.stream(async move |mut out: Yielder<u8>| {
            let _ = seed.child::<()>().await;
            out.send(1).await;
        });
        leaf(move |cx| Pin::new(&mut values).poll_next(cx))
    }),
    ("Yielder::send", |g, seed| {
        let mut slot = None;
        let mut values = g.stream(|out: Yielder<u8>| {
            slot = Some(out);
            seed.child()
        });
        g.spawn(async move {
            let _ = seed.child::<()>().await;
            values.next().await;
        });
        let mut out = slot.unwrap();
        Box::pin(async move { out.send(1).await })
    }),
    ("Start", |g, seed| {
        let started = g.start(async move |ready: Ready<()>| {
            let _ = seed.child::<()>().await;
            ready.set(());
        });
        unpin(Box::pin(started))
    }),
    ("Bounded::spawn", |g, seed| {
        let one = g.bounded(1);
        assert!(one.try_spawn(seed.child()).is_ok());
        unpin(one.spawn(async {}))
    }),
    ("sleep", |_, _| unpin(sleep(SECOND))),
    ("timeout", |_, _| {
        unpin(Box::pin(timeout(SECOND, sleep(2 * SECOND))))
    }),
    ("Interval::tick", |_, _| {
        Box::pin(async {
            let mut ticks = interval(SECOND);
            ticks.tick().await; // at once
            ticks.tick().await;
        })
    }),
    ("blocking", |_, seed| {
        let released = seed.released.clone();
        Box::pin(blocking(move || {
            let _ = released.recv_blocking();
        }))
    }),
    ("stopping", |g, _| Box::pin(g.stopping())),
    ("current::stopping", |_, _| Box::pin(current::stopping())),
    ("GroupHandle::stopping", |g, _| {
        Box::pin(g.handle().stopping())
    }),
    ("unless_stopping", |g, _| {
        leaf({
            let mut waits = Box::pin(g.unless_stopping(std::future::pending::<()>()));
            move |cx| waits.as_mut().poll(cx)
        })
    }),
    ("joined", |g, seed| {
        Box::pin(g.group(async move |h| {
            h.spawn(seed.child());
            h.joined().await;
        }))
    }),
    ("shield", |_, _| Box::pin(shield(sleep(SECOND)))),
    ("shield in a group", |g, _| {
        Box::pin(g.group(async |_| shield(sleep(SECOND)).await))
    }),
    ("race", |_, seed| {
        let racers = [seed.child::<()>(), seed.child()];
        Box::pin(async { race(racers).await.unwrap() })
    }),
    ("accept", |_, seed| unpin(seed.listener.accept())),
    ("read", |g, seed| {
        let address = seed.listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        let (server, _) = seed.listener.try_accept().unwrap();
        g.spawn(async move {
            let _ = seed.child::<()>().await;
            drop(server);
        });
        let stream = TcpStream::from_std(client).unwrap();
        leaf(move |cx| Pin::new(&mut &stream).poll_read(cx, &mut [0]))
    }),
];

/// One that is ready when the system says so, which may be at once.
pub(crate) const RESOLVE: (&str, Place) = ("resolve", |_, seed| {
    let port = seed.listener.local_addr().unwrap().port();
    Box::pin(async move {
        let _ = TcpStream::connect(&format!("localhost:{port}")).await;
    })
});

/// Those that are `async` blocks: they cannot be polled again after a panic.
pub(crate) const ONCE: [&str; 4] = [
    "Yielder::send",
    "Interval::tick",
    "GroupHandle::stopping",
    "race",
];
